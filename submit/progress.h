#ifndef SUBMIT_PROGRESS_H
#define SUBMIT_PROGRESS_H

/*
 * progress - the bars of `render`
 *
 * On a terminal a bar for each job, redrawn in place, and under it a line for each worker that is
 * on the job, with Blender's phase. Elsewhere a plain line now and then. All of it on standard
 * error. Other lines (say) step in between without tearing it.
 */

#include <jansson.h>
#include <stdint.h>

typedef struct progress progress_t;

/* interval_ms: between two lines where standard error is no terminal. */
progress_t *progress_new(int64_t interval_ms);

/* Leaves the last state on the screen. Safe on NULL. */
void progress_destroy(progress_t **self_p);

/* Show the state: arrays of job and worker objects as the broker sends them. */
void progress_show(progress_t *self, const json_t *jobs, const json_t *workers, int64_t now_ms);

/* A line under the bars ("finishing 2 frames; Ctrl-C again gives them back"); NULL for none. */
void progress_note(progress_t *self, const char *text);

/*
 * Frames done per minute and time left of one job, from what has been seen so far: rate 0 and
 * left_ms -1 before the first whole frame. For tests and for `watch`.
 */
struct progress_rate {
    double per_minute;
    int64_t left_ms;
};
struct progress_rate progress_rate_of(progress_t *self, const json_t *job, int64_t now_ms);

/* The line of one job at a width, without colours. The caller frees it. */
char *progress_job_line(const json_t *job, const struct progress_rate *rate, size_t width);

/* "2 taken by somebody else", "" if none is. The caller frees it. */
char *progress_taken(const json_t *job);

/*
 * What a worker does, for people: Blender's phase; until when it rests and why; "" where its state
 * says it all. The caller frees it.
 */
char *progress_worker_phase(const json_t *worker);

/* The line of one worker. The caller frees it. */
char *progress_worker_line(const json_t *worker);

#endif
