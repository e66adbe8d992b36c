#ifndef BROKER_QUEUE_SAME_H
#define BROKER_QUEUE_SAME_H

/*
 * same - when two jobs are the same (PROTOCOL.md, Job spec), and which job is the same as a spec
 *
 * Jobs are found by what they render: each is listed as long as it is there, and anew when that
 * changes.
 */

#include <jansson.h>
#include <stdbool.h>

#include "broker/queue/queue.h"

struct job;

void same_add(queue_t *self, struct job *job);
void same_remove(queue_t *self, struct job *job);

/* Are some of the spec's frames the job's? What is not numbers on both sides meets everything. */
bool same_some_frames(const struct job *job, const json_t *spec);

/* The newest job that is the same as spec and meant; NULL: there is none. */
typedef bool same_kind(const struct job *job, const json_t *spec);
struct job *same_newest(const queue_t *self, const json_t *spec, same_kind *is_meant);

#endif
