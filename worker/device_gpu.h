#ifndef WORKER_DEVICE_GPU_H
#define WORKER_DEVICE_GPU_H

/*
 * device_gpu - which cards a text means; a part of worker/device
 */

#include "worker/device.h"

/* Of the cards that work, those that "gpu" stands for: each on a board of its own, or, where no
 * such is, those inside the processor. An array of *count, the caller's. */
const struct card **device_gpu_all(const cards_t *cards, size_t *count);

/* The one device that spec names; out is filled in, or DEVICE_REFUSED, DEVICE_ABSENT. */
int device_gpu_find(hwloc_topology_t topology, const cards_t *cards, const struct device_spec *spec,
                    struct device *out, char **error_text);

/* A device of these cards, in the order of the list; they are all of it and differ. */
void device_gpu_make(hwloc_topology_t topology, const cards_t *cards,
                     const struct card *const *members, size_t count, struct device *out);

/* Why no GPU can be used, in words; the caller's. */
char *device_gpu_none(const cards_t *cards);

#endif
