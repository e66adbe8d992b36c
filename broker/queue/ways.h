#ifndef BROKER_QUEUE_WAYS_H
#define BROKER_QUEUE_WAYS_H

/*
 * ways - how a job may be rendered on a GPU (OptiX, CUDA ...), and which workers can do that
 *
 * Cycles alone has ways. The person may name some (device_type); Open Shading Language has none
 * but the CPU, and OptiX from Blender 3.5 on. A GPU worker that does not say what it can is
 * believed to: it looks for itself.
 */

#include <stdbool.h>
#include <stdint.h>

#include "broker/queue/queue.h"

struct class;
struct job;
struct worker;

/* Read what is in the job's options and in what inspection found. */
void ways_read(struct job *job);

/* May a worker of this class render the job with this Blender (304)? CPUs may render everything. */
bool ways_fit(const struct job *job, const struct class *class, int32_t version);

/* Eevee and Workbench draw on whatever card the system gives them, where nobody can choose it: one
 * worker of a host at a time takes such jobs, so that they do not meet on one card. Who it is, so
 * that this one must leave the job; NULL: nobody. */
const struct worker *ways_drawer(queue_t *queue, const struct job *job,
                                 const struct worker *worker);

/* Why a worker that ways_fit refuses does not fit: a code, and words for people. */
const char *ways_code(const struct job *job);
char *ways_text(const struct job *job); /* the caller's */
const char *ways_hint(const struct job *job);

#endif
