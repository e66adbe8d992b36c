#ifndef WORKER_LOCK_H
#define WORKER_LOCK_H

/*
 * lock - one worker a device
 *
 * A file in a private folder with a kernel lock of this process alone: children do not inherit
 * it, and it is gone with us, however we go. The file stays; it says who held it last.
 */

#include <hwloc.h>

#include "worker/device.h"

typedef struct lock lock_t;

enum lock_outcome {
    LOCK_OK,
    LOCK_HELD, /* *holder says by whom */
};

/*
 * Lock the device for this process; name is the worker's. On 0 the caller owns *out. *holder (on
 * LOCK_HELD) and *overlap (on 0; NULL when there is none: a text that names workers on some of
 * the same CPUs) are the caller's.
 */
int lock_take(const char *folder, const struct device *device, const char *name, lock_t **out,
              char **holder, char **overlap);

/* Give it free. Safe on NULL. */
void lock_release(lock_t **self_p);

#endif
