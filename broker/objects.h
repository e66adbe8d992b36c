#ifndef BROKER_OBJECTS_H
#define BROKER_OBJECTS_H

/*
 * objects - what people are shown, as JSON objects: job, frame, worker, event
 *
 * Exactly the lines of `dblend --json`: "type" first, nothing left out, null for what is not
 * known, times as RFC 3339. Whatever is made here is the caller's.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "broker/queue/queue.h"
#include "broker/store.h"

json_t *objects_job(const struct job_view *view);

/* proof: the frame's files as of the ledger, or NULL. */
json_t *objects_frame(const struct frame_row *row, const json_t *proof);

/* With phase, phase_done and phase_total behind the keys of --json. */
json_t *objects_worker(const struct worker_view *view);

/* A worker that leaves a job to others: {worker, code, until}. */
json_t *objects_blocked(const struct blocked_view *view);

/* With id behind the keys of --json. */
json_t *objects_event(const struct store_event *event);

/* Wall ms as a string, or null for 0. */
json_t *objects_time(int64_t wall_ms);

/*
 * An answer holds only so much (PROTOCOL.md, 1): a list is cut into pages. Zero it, then add
 * items to an array until it says that no more fit; the first always does.
 */
struct objects_page {
    size_t bytes;
    size_t values;
};

/* Takes item. false: it was not added, the page is full. */
bool objects_page_add(struct objects_page *page, json_t *array, json_t *item);

#endif
