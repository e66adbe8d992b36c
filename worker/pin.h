#ifndef WORKER_PIN_H
#define WORKER_PIN_H

/*
 * pin - keep this process and its children on their device
 *
 * Affinity is inherited over fork and exec, so the worker pins itself, once, before it starts a
 * thread or a child. What a program must be told besides (how many threads) goes into its
 * arguments and environment.
 */

#include "worker/device.h"

enum { PIN_ENV_MAX = 6 };

struct pin_env {
    char text[PIN_ENV_MAX][64];
    const char *list[PIN_ENV_MAX + 1]; /* NULL-terminated, points into text */
};

/* Bind the whole process to the device's CPUs. A negative errno when the kernel refuses. */
int pin_process(hwloc_topology_t topology, const struct device *device);

/* Environment additions for a child on that device. */
void pin_environment(const struct device *device, struct pin_env *out);

#endif
