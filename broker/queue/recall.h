#ifndef BROKER_QUEUE_RECALL_H
#define BROKER_QUEUE_RECALL_H

/*
 * recall - the owner of a device has it back: its worker gets nothing until it is woken
 *
 * What renders is finished (soft) or given back (now), and the worker ends its Blender; the order
 * `rest` says so. It is the name that counts: a worker that starts again rests on. Nothing of it
 * is durable: a restart of the broker wakes all.
 */

#include <stdbool.h>

#include "broker/queue/queue.h"

struct job;
struct standing;
struct worker;

bool recall_on(const struct worker *worker);

/* What its orders say. */
enum drain_order recall_order(const struct worker *worker);

/* One that fits the job and is recalled, or NULL. Looks at one worker after the other. */
const struct standing *recall_first(queue_t *self, struct job *job);

#endif
