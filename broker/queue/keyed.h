#ifndef BROKER_QUEUE_KEYED_H
#define BROKER_QUEUE_KEYED_H

/*
 * keyed - jobs by the key of their spec (PROTOCOL.md, Job spec): queued twice is queued once
 *
 * Also those that have ended are found, for as long as they are listed. The key and what it stands
 * for are in the spec of the job.
 */

#include "broker/queue/queue.h"

struct job;

void keyed_add(queue_t *self, struct job *job);
void keyed_remove(queue_t *self, struct job *job);

/*
 * QUEUE_OK: the key has a job of the same content, which *out names. QUEUE_REFUSED: of another.
 * QUEUE_SAME: it has none, or there is no key.
 */
int keyed_meet(const queue_t *self, const json_t *spec, struct queue_submitted *out,
               struct queue_error *error);

/* The job of that number takes the key of spec, unless it has one. */
void keyed_give(queue_t *self, int64_t number, const json_t *spec);

#endif
