#ifndef BROKER_SAVED_H
#define BROKER_SAVED_H

/*
 * saved - which unfinished jobs' files were saved again since the submit
 *
 * What was submitted is what is rendered, so this is only for people to know. It is looked at when
 * somebody asks for a job, by filework, and at most once in SAVED_LOOK_MS for each job.
 */

#include <jansson.h>

#include "broker/queue/queue.h"

enum { SAVED_LOOK_MS = 3000, SAVED_WAIT_MS = 1000 };

typedef struct saved saved_t;

saved_t *saved_new(void);
void saved_destroy(saved_t **self_p);

/* Tasks for filework: about one job, or about all of them (0). NULL: nothing is to be looked at. */
json_t *saved_tasks(saved_t *self, queue_t *queue, struct queue_now now, int64_t job);

/* Its results: those that were saved again get a warning. */
void saved_take(saved_t *self, queue_t *queue, struct queue_now now, const json_t *results);

#endif
