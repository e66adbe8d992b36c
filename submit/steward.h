#ifndef SUBMIT_STEWARD_H
#define SUBMIT_STEWARD_H

/*
 * steward - the process that runs the hooks, seen from `farm' and `render'
 *
 * A process of its own (cmd_hooks.c) follows the farm's event log and runs the hooks; rendering
 * never waits for it. It holds the read end of a pipe from us: when that ends, however we ended,
 * it runs the hooks of the end and leaves. One that is killed or crashes has a successor, which
 * begins where it was (handover.h). One home has one at a time, whoever started it.
 */

#include "proto/paths.h"
#include "submit/supervise.h"
#include "submit/talk.h"

typedef struct steward steward_t;

/*
 * Start it, if there is any hook; else, or after telling why it does not start, NULL. paths and
 * supervise are borrowed; supervise_watch is its own until the end.
 */
steward_t *steward_new(const struct paths *paths, supervise_t *supervise, const char *role,
                       bool in_front);

/*
 * The farm ends orderly. Waits for the last hooks, unless at_once, until a signal raises what the
 * talk waits for, and a while at the most; they run on without us. Safe on NULL.
 */
void steward_end(steward_t **self_p, talk_t *talk, bool at_once);

#endif
