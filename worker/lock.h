#ifndef WORKER_LOCK_H
#define WORKER_LOCK_H

/*
 * lock - one worker a device
 *
 * A file in a private folder with a kernel lock of this process alone: children do not inherit
 * it, and it is gone with us, however we go. The file stays; it says who held it last. A device of
 * GPUs has a file for each of its cards, so that a group and a card of it exclude each other.
 */

#include <hwloc.h>
#include <sys/types.h>

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

/*
 * Which worker has the core list or card of this id? Its name, the caller's, and its pid; NULL when
 * nobody has it. Not for a process that holds locks itself: looking would end them (fcntl(2)).
 */
char *lock_holder(const char *folder, const char *id, pid_t *pid);

/* Give it free. Safe on NULL. */
void lock_release(lock_t **self_p);

#endif
