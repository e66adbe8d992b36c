#ifndef WORKER_CYCLES_H
#define WORKER_CYCLES_H

/*
 * cycles - what Cycles shall render on, and whether it does
 *
 * The worker tells autorender its cards by PCI address and the types to try; autorender switches
 * Cycles to exactly them and says what Cycles will take. Both sides check it: what comes back is
 * compared here with what was asked for, and anything else is refused.
 */

#include <jansson.h>

#include "proto/device_types.h"
#include "worker/device.h"

enum cycles_outcome {
    CYCLES_OK,
    CYCLES_OTHER, /* it would render on something else: *text says on what */
};

/* The types by which every card of the device may be used, in the order of preference; prefer, when
 * not empty, is that order and leaves out the rest. None for a device without cards. */
struct device_types cycles_types(const struct device *device, const struct device_types *prefer);

/* The array of READY: ["OPTIX","CUDA"]; the caller's. */
json_t *cycles_types_json(const struct device *device, const struct device_types *prefer);

/* The `device` of autorender's `open` for a job with these options; worker: what this worker
 * prefers, may be empty. The caller's. */
json_t *cycles_request(const struct device *device, const struct device_types *worker,
                       const json_t *options);

/* What Cycles uses by the `device` of autorender's answer, for people; the caller's. */
char *cycles_told(const json_t *answer);

/* Does the `device` of its answer name what was asked for? *text is the caller's on CYCLES_OTHER.
 */
int cycles_check(const json_t *request, const json_t *answer, char **text);

#endif
