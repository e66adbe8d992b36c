#ifndef SUBMIT_HANDOVER_H
#define SUBMIT_HANDOVER_H

/*
 * handover - what a steward leaves to the next one, however it ended
 *
 * A file in the run folder, written before each hook begins: so a hook that was begun is not begun
 * again, and one that was not is. Keys: role, owner and owner_start (the farm's process), since
 * (its begin), last (number of the event whose hooks are the newest that were begun), workers
 * (object of the names that were told to have started), busy (on-queue-empty is still to come) and
 * open (the farm was begun, its end was not).
 */

#include <jansson.h>

#include "proto/paths.h"

/* The caller's; an empty object where nobody was before. */
json_t *handover_read(const struct paths *paths);

/* 0 or a negative errno; the file is whole at any time. */
int handover_write(const struct paths *paths, const json_t *state);

#endif
