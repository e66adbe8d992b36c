#ifndef WORKER_PIN_H
#define WORKER_PIN_H

/*
 * pin - keep this process and its children on their device
 *
 * Affinity and memory policy are inherited over fork and exec, so the worker pins itself, once,
 * before it starts a thread or a child. What a program must be told besides (how many threads,
 * which cards) goes into its arguments and environment: it is shown its own cards and no other, by
 * UUID wherever there is one. A worker without a card shows none.
 *
 * This only takes away. A card that our own environment hides from us is in no device, and where a
 * card can be told by nothing but its number, which is one within what we were shown, what somebody
 * else has set stays as it is. Whether Blender then takes the right card is checked inside it.
 */

#include <stdbool.h>

#include "worker/device.h"

enum {
    PIN_ENV_MAX = 10,
    PIN_NICE = 10, /* of Blender: whoever sits at the machine goes first */
};

struct pin_env {
    const char *list[PIN_ENV_MAX + 1]; /* "NAME=value", NULL-terminated; each is its own */
    size_t count;
};

/*
 * Bind the whole process to the device's CPUs, as far as they exist here, and on a machine of
 * several NUMA nodes its memory to theirs (another node's before none). A negative errno when the
 * kernel refuses the CPUs. Before there is a second thread.
 */
int pin_process(hwloc_topology_t topology, const struct device *device);

/* Environment additions for a child on that device; released by pin_env_clear. */
void pin_environment(const struct device *device, struct pin_env *out);

void pin_env_clear(struct pin_env *self);

/* Does Blender draw (Eevee, Workbench) on a card that no environment can choose? */
bool pin_draws_shared(const struct device *device);

#endif
