#ifndef BROKER_QUEUE_IDLE_H
#define BROKER_QUEUE_IDLE_H

/*
 * idle - why a worker has nothing to do although frames wait
 *
 * Nobody notes it when the frames are given to others: it is found out when somebody looks.
 */

#include <jansson.h>

#include "broker/queue/queue.h"

struct job;
struct worker;

/*
 * Why the worker must leave an active job to others: "draws-shared", "out-of-gpu-memory" (it is
 * known to need more than the card has); NULL: for none of these reasons. Static.
 */
const char *idle_code(queue_t *self, struct job *job, const struct worker *worker);

/* Why it has no frames, new {code, text, hint}; NULL: it has, or there are none for it. */
json_t *idle_why(queue_t *self, const struct worker *worker);

/* For a job that only one worker of a host may draw at a time, and that waits for others of its
 * kind: one who draws instead, or NULL. */
const struct worker *idle_drawer(queue_t *self, struct job *job);

#endif
