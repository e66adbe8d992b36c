#ifndef WORKER_PROGRAM_H
#define WORKER_PROGRAM_H

/*
 * program - the worker put together: session, work, Blender and prover in one loop
 */

#include <stdbool.h>
#include <stdint.h>

#include "proto/device_types.h"
#include "worker/blenders.h"
#include "worker/card.h"
#include "worker/device.h"

struct program_setup {
    const char *name, *host; /* worker name; its first part */
    const struct device *device;
    hwloc_topology_t topology;
    cards_t *cards;                   /* where the device's cards come from; NULL: it has none */
    struct device_types device_types; /* to render with, in this order; empty: the device's own */
    const struct blenders *blenders;
    const char *endpoint;           /* of the broker */
    const char *autorender, *prove; /* paths of the Python files */
    const char *const *pythons;     /* for the prover, NULL-terminated */
    bool factory;
    int recycle;
    int64_t stall_ms;
    int max_temperature_c;     /* 0: none */
    int regroups;              /* cards that its owner shares out; 0: not */
    int64_t exit_when_idle_ms; /* -1: never */
    int owner_fd;              /* -1: none */
    int signal_fd;             /* TERM, INT, HUP, USR2 */
};

/* Run until it has left. The exit status: 0 or 1. */
int program_run(const struct program_setup *setup);

#endif
