#include "worker/pin.h"

#include <errno.h>
#include <stdio.h>

int pin_process(hwloc_topology_t topology, const struct device *device)
{
    if (device->kind == DEVICE_NONE) {
        return 0;
    }
    if (hwloc_set_cpubind(topology, device->cpus, HWLOC_CPUBIND_PROCESS) != 0) {
        return errno ? -errno : -EIO;
    }
    return 0;
}

void pin_environment(const struct device *device, struct pin_env *out)
{
    /* Blender's own threads follow -t; these are for the libraries inside it and the prover. */
    static const char *const names[] = { "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS" };
    size_t count = 0;
    for (; count < sizeof names / sizeof *names; count++) {
        (void)snprintf(out->text[count], sizeof out->text[count], "%s=%d", names[count],
                       device->threads);
        out->list[count] = out->text[count];
    }
    out->list[count] = NULL;
}
