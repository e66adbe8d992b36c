#ifndef BROKER_QUEUE_QUEUE_H
#define BROKER_QUEUE_QUEUE_H

/*
 * queue - the pure core of the broker: jobs, frames, claims, sessions
 *
 * No I/O and no clock: each call is told the time and appends what it changed to one list. A turn
 * of the loop is:
 *
 *   1. drain the sockets: queue_ready, queue_sync, and the submitters' calls, for each message
 *   2. queue_turn: gives work to those who wait for it, looks at what is due
 *   3. the store writes queue_changes in one transaction; on success queue_changes_clear
 *   4. queue_answer_next until it says QUEUE_EMPTY: send each; a peer that is gone: queue_gone
 *   5. queue_closed_next until it says QUEUE_EMPTY: forget the addresses of those sessions
 *   6. when the socket was drained: queue_expire; if it changed something, from 2 again
 *
 * and then sleeps until queue_deadline. A turn that came late, or a commit that had to be tried
 * again, is told by queue_extend before anything expires.
 *
 * Calls return 0, or a positive QUEUE_* outcome that the caller handles. Nothing in here logs.
 * Names of workers and their ids are kept as long as the queue lives.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/queue/change.h"
#include "broker/queue/frame.h"
#include "broker/queue/job.h"
#include "broker/queue/session.h"

typedef struct queue queue_t;

enum queue_outcome {
    QUEUE_OK,
    QUEUE_SAME,        /* it was so before: nothing changed (success for people) */
    QUEUE_REFUSED,     /* struct queue_error says why */
    QUEUE_NO_JOB,      /* no such job */
    QUEUE_NO_WORKER,   /* no such worker */
    QUEUE_IGNORED,     /* a seq that is not higher: no answer to this request, ever */
    QUEUE_READY_AGAIN, /* unknown session: nothing applied, answer READY-AGAIN */
    QUEUE_EMPTY        /* nothing (more) there */
};

struct queue_config {
    char farm[17];         /* farm id, 16 hex digits */
    int64_t first_session; /* random per broker start, 1 .. 2^62: sessions of an older broker must
                              not be known to this one */
    int64_t keep_ms;       /* ended jobs leave after this; 0 = 30 days */
};

struct queue_now {
    int64_t ms;      /* monotonic */
    int64_t wall_ms; /* Unix */
};

struct queue_error {
    char code[32];
    char text[1024];
    char hint[256];
    int64_t job; /* the other job that is meant, 0 = none */
};

queue_t *queue_new(const struct queue_config *config);
void queue_destroy(queue_t **self_p);

/*
 * Loading, once, in this order: meta rows, jobs, frames, workers, queue_loaded. Rows are copied,
 * JSON is referenced. -EINVAL: a row that cannot be (the ledger is damaged); text says what.
 */
int queue_load_meta(queue_t *self, const char *key, int64_t value);
int queue_load_job(queue_t *self, const struct job_row *row, const char **text);
int queue_load_frame(queue_t *self, const struct frame_row *row, const char **text);
void queue_load_worker(queue_t *self, const char *id, const struct queue_process *process);
void queue_loaded(queue_t *self, struct queue_now now);

/*
 * A worker that had claims when the last broker ended, has not come back and is a process of this
 * machine: the one after *after, which begins with NULL. QUEUE_EMPTY: no more. *after is good
 * until the next call that changes the queue.
 */
int queue_absent_next(const queue_t *self, const char **after, struct queue_process *process);

/* That process is gone: what it had is lost at once, not only when its lease is over. */
void queue_absent_gone(queue_t *self, struct queue_now now, const char *id);

/* ---- workers ---- */

/*
 * Apply a READY. *out is the new session, *replaced the one that it ended (0 = none): the address
 * of the request belongs to *out from now on. QUEUE_IGNORED: not a newer seq of this worker id.
 */
int queue_ready(queue_t *self, struct queue_now now, const struct queue_ready *ready,
                int64_t *replaced, int64_t *out);

/*
 * Apply a SYNC. 0: applied, the address of the session is now that of this request; its answer
 * comes out of queue_answer_next in this turn or in a later one. QUEUE_IGNORED, QUEUE_READY_AGAIN.
 */
int queue_sync(queue_t *self, struct queue_now now, const struct queue_sync *sync);

/* End of the draining: give work out, end parks, put frames back that are to be looked at again,
 * forget jobs older than keep. Never expires a claim. */
void queue_turn(queue_t *self, struct queue_now now);

/* The next answer to send. QUEUE_EMPTY when there is none. Only after the commit. */
int queue_answer_next(queue_t *self, struct queue_now now, struct queue_answer *out);

/* A session that ended otherwise than by an answer with `last` or by READY. QUEUE_EMPTY. */
int queue_closed_next(queue_t *self, int64_t *session);

/* Description of a job for ANSWER: `found` is left out for an inspection. New reference, NULL if
 * there is no such job. */
json_t *queue_describe(queue_t *self, int64_t number, enum claim_kind kind);

/* What inspection found of a job; NULL: nothing yet, or there is no such job. */
const json_t *queue_found(const queue_t *self, int64_t number);

/* What the live claim of a sweep is to do, for its grant. QUEUE_EMPTY: it is none. */
int queue_sweep(queue_t *self, int64_t number, struct queue_sweep *out);

/* The peer cannot be reached (EHOSTUNREACH): the session is lost, its claims come back at once. */
void queue_gone(queue_t *self, struct queue_now now, int64_t session);

/* End sessions that were silent for a lease, and claims that nobody came for after a restart.
 * Returns how many ended. Only in a turn that has drained its sockets and committed. */
int queue_expire(queue_t *self, struct queue_now now);

/* The broker itself was late by delay_ms: no lease may run out because of that. */
void queue_extend(queue_t *self, int64_t delay_ms);

/* When queue_turn or queue_expire has something to do next (monotonic ms); INT64_MAX = never. */
int64_t queue_deadline(const queue_t *self, struct queue_now now);

/* ---- changes ---- */

const struct change *queue_changes(const queue_t *self, size_t *count);
void queue_changes_clear(queue_t *self);

/* Write an event of the loop's own (broker and farm) into the same list. text may be NULL. */
void queue_event(queue_t *self, struct queue_now now, enum event_word word, const char *text);

/* ---- submitters; error is written only with QUEUE_REFUSED ---- */

struct queue_submitted {
    int64_t job;
    bool went_on;  /* `go_on` found the same job */
    bool answered; /* the same job was held and its question is answered */
    bool repeated; /* its key has this job already, with the same content */
};

/*
 * Queue a spec (PROTOCOL.md, Job spec; go_on and again included). spec is referenced, options are
 * checked. kept_made: see queue_needs_kept. A spec with a `key` has in `key_content` what the key
 * stands for. QUEUE_REFUSED: `already-queued` or `key-used` (error->job), or a spec that cannot be.
 */
int queue_submit(queue_t *self, struct queue_now now, json_t *spec, struct queue_submitted *out,
                 struct queue_error *error);

/* The newest job that is the same as spec by the rule of PROTOCOL.md, 0 = none. Frames are not
 * compared when any_frames. */
int64_t queue_same(const queue_t *self, const json_t *spec, bool any_frames);

/* job 0 = the whole farm. QUEUE_SAME: was so before. QUEUE_REFUSED: it has ended. */
int queue_pause(queue_t *self, struct queue_now now, int64_t number, struct queue_error *error);

/*
 * file: NULL, or for --accept-change {size, mtime_ns, hash, kept} of the file as it is now: the
 * job takes these and is inspected again.
 */
int queue_resume(queue_t *self, struct queue_now now, int64_t number, json_t *file,
                 struct queue_error *error);
int queue_cancel(queue_t *self, struct queue_now now, int64_t number, struct queue_error *error);

/* Cancels what is unfinished; the job is not found any more from now on, the row goes with the
 * last claim. */
int queue_remove(queue_t *self, struct queue_now now, int64_t number, struct queue_error *error);

enum queue_retry {
    RETRY_FAILED, /* failed and cancelled frames */
    RETRY_ALL,    /* all frames; pictures are rendered over */
    RETRY_LOOK    /* all frames; pictures that are still whole become kept */
};

/* QUEUE_SAME: nothing to retry. */
int queue_retry(queue_t *self, struct queue_now now, int64_t number, enum queue_retry what,
                struct queue_error *error);
int queue_priority(queue_t *self, struct queue_now now, int64_t number, int32_t priority,
                   struct queue_error *error);

struct queue_verify {
    bool requeue;        /* put wrong frames back; an ended job goes on, as with retry */
    const char *kept;    /* the kept file was made anew, or NULL */
    bool source_changed; /* it could not be: the job pauses once frames were put back */
};

/* Look at the pictures of all done and kept frames again. What is wrong, and the end, are told by
 * events. QUEUE_REFUSED: not inspected yet; or cancelled, and requeue. */
int queue_verify(queue_t *self, struct queue_now now, int64_t number,
                 const struct queue_verify *how, struct queue_error *error);

/* Merge answering options into a held job. 0: no question is open any more (active, or queued for
 * another inspection). QUEUE_REFUSED: still held, error names the first open question; or it is
 * not held. */
int queue_accept(queue_t *self, struct queue_now now, int64_t number, json_t *options,
                 struct queue_error *error);

/* Forget all ended jobs; how many. */
int64_t queue_clear(queue_t *self, struct queue_now now);

/* Does an ended or paused job need its kept file made anew before retry? The broker then makes it
 * (proto/kept.h) and tells the path, or pauses the job with code file-changed. */
bool queue_kept_gone(const queue_t *self, int64_t number);
/* Has it a kept file that no other unfinished job reads? */
bool queue_kept_alone(const queue_t *self, int64_t number);
int queue_set_kept(queue_t *self, struct queue_now now, int64_t number, const char *kept);

/* The job pauses, with an error that is shown (file-changed). */
int queue_pause_for(queue_t *self, struct queue_now now, int64_t number, const char *code,
                    const char *text, const char *hint);

/* One more warning of the job; none if it has it already. */
void queue_warn(queue_t *self, int64_t number, const char *code, const char *text);

/* The same because the .blend and the kept file are not what was submitted. */
int queue_pause_changed(queue_t *self, struct queue_now now, int64_t number);

/* QUEUE_NO_WORKER: no live worker of that name. */
int queue_drain(queue_t *self, struct queue_now now, const char *name);

/*
 * The device of the workers of that name is given back to its owner: soft, once what renders is
 * finished; now, at once. DRAIN_NONE wakes them. QUEUE_SAME: it is so. QUEUE_NO_WORKER: no live
 * worker of that name has a device.
 */
int queue_rest(queue_t *self, struct queue_now now, const char *name, enum drain_order rest);

/* The cards of idle workers are to be put into groups of so many (1: each alone) by who started
 * them; 0: they may stay as they are. */
int64_t queue_group_size(const queue_t *self);

/* They cannot do it: the jobs are given to the workers that are there. */
void queue_group_refused(queue_t *self, struct queue_now now);

/* All workers and inspectors are told to leave; stays so for those that come later. */
void queue_drain_all(queue_t *self, struct queue_now now, enum drain_order drain);

/* ---- looking ---- */

struct queue_stats {
    int64_t jobs;       /* not ended */
    int64_t work;       /* of these go on without a person: queued, inspecting, active */
    int64_t last_job;   /* the newest number given, 0 = none */
    int64_t workers;    /* live sessions with a device */
    int64_t inspectors; /* live sessions without */
    int64_t claims;     /* live, all kinds */
    int64_t renders;    /* live, kind render */
    bool paused;        /* the whole farm */
};
void queue_stats(const queue_t *self, struct queue_stats *out);
/* The same without jobs and work, for which each job is looked at: for every turn. */
void queue_live(const queue_t *self, struct queue_stats *out);

/* 0 or QUEUE_NO_JOB (never was, was removed). */
int queue_job(queue_t *self, struct queue_now now, int64_t number, struct job_view *out);

/* Smallest job number above after, 0 = no more. Removed ones are left out. */
int64_t queue_job_next(const queue_t *self, int64_t after);

/*
 * The frame with the smallest number above after (INT32_MIN for the first); QUEUE_EMPTY after the
 * last, or while the job is not inspected. Frames without a row are made up. proof is NULL always:
 * it is in the store. QUEUE_NO_JOB.
 */
int queue_frame_next(queue_t *self, int64_t number, int32_t after, struct frame_row *out);

/* One frame. QUEUE_EMPTY: the job has no such frame. */
int queue_frame(queue_t *self, int64_t number, int32_t frame, struct frame_row *out);

/* Calls visit for each row of `dblend workers`: live ones, and those lost within the last hour. */
void queue_workers(queue_t *self, struct queue_now now,
                   void (*visit)(void *arg, const struct worker_view *worker), void *arg);

/* Calls visit for each worker that leaves the job to others. 0 or QUEUE_NO_JOB. */
int queue_blocked(queue_t *self, struct queue_now now, int64_t number,
                  void (*visit)(void *arg, const struct blocked_view *blocked), void *arg);

/* The live claim's job and frame; for the log of a report. QUEUE_EMPTY: not live. frame is
 * EVENT_NO_FRAME for an inspection or a sweep. */
int queue_claim(const queue_t *self, int64_t number, int64_t *job, int32_t *frame);

#endif
