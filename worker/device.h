#ifndef WORKER_DEVICE_H
#define WORKER_DEVICE_H

/*
 * device - what a worker is pinned to
 *
 * proto/device_name knows the grammar; here the text meets the machine: hwloc says which cores
 * there are, within the affinity that this process was started with. CPU numbers are the kernel's.
 * A device's id is stable: the same cores give the same text, whatever words named them.
 */

#include <hwloc.h>
#include <jansson.h>
#include <stddef.h>

#include "proto/device_name.h"

struct device {
    char *id; /* "cpu:0-1", "none" */
    enum device_kind kind;
    hwloc_bitmap_t cpus; /* logical CPUs; every allowed one for `none` */
    int threads;         /* how many Blender shall run: one a logical CPU */
};

enum device_outcome {
    DEVICE_OK,
    DEVICE_REFUSED, /* *error_text says why; the caller frees it */
};

/* The machine as this process may use it. Owned by the caller: hwloc_topology_destroy. */
int device_topology(hwloc_topology_t *out);

/* One device, as --device names it. NULL stands for the default. */
int device_find(hwloc_topology_t topology, const char *text, struct device *out, char **error_text);

/* Every single device of a list, as --devices names them; an array of *count, released by
 * device_list_free. NULL stands for the default. */
int device_expand(hwloc_topology_t topology, const char *text, struct device **out, size_t *count,
                  char **error_text);

void device_clear(struct device *self);
void device_list_free(struct device **list_p, size_t count);

/* "cpu", "gpu", "none": the word of the wire. */
const char *device_kind_word(enum device_kind kind);

/* {"device", "id" (the same), "kind", "cpus" array of int, "threads"}; the caller's. */
json_t *device_json(const struct device *self);

#endif
