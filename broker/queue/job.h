#ifndef BROKER_QUEUE_JOB_H
#define BROKER_QUEUE_JOB_H

/*
 * job - one scene of one .blend file: its states, its durable row, what is shown of it
 *
 * struct job_row is what the store writes and reads. The JSON in it is as on the wire
 * (proto/PROTOCOL.md); the queue owns it, a reader borrows it until the next call that changes
 * the queue.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/queue/frame.h"

enum job_state {
    JOB_QUEUED,
    JOB_INSPECTING,
    JOB_HELD,
    JOB_ACTIVE,
    JOB_PAUSED,
    JOB_DONE,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_STATES
};

enum claim_kind { CLAIM_NONE, CLAIM_RENDER, CLAIM_INSPECT, CLAIM_SWEEP, CLAIM_KINDS };

enum device_kind { DEVICE_NONE, DEVICE_CPU, DEVICE_GPU, DEVICE_KINDS };

/* What it was seen to take, bytes; 0 = not known. */
struct job_memory {
    int64_t gpu_peak;               /* the most that a frame took of one card */
    int64_t rss_peak[DEVICE_KINDS]; /* that its Blender took of the host, by kind of device */
    int64_t too_small;              /* a frame ran out on a card of so much, and none was
                                       done on one no larger */
    int64_t enough;                 /* the smallest card on which a frame was done */
};

struct job_row {
    int64_t job;
    enum job_state state;
    json_t *spec;         /* as submitted; answers of a held job are merged into its options */
    json_t *found;        /* NULL until inspected */
    json_t *questions;    /* array of {code, text, hint}: what inspection asked, answered or not */
    json_t *warnings;     /* array of {code, text, hint} or NULL */
    json_t *error;        /* {code, text, hint} or NULL */
    int64_t submitted_at; /* wall ms */
    int64_t finished_at;  /* wall ms, 0 = not ended */
    int64_t
        active_order; /* rises with each becoming active: who was first on an output; 0 = never */
    int32_t attempts; /* of the inspection */
    int32_t sweeps;   /* failed sweeps */
    int64_t claim;    /* last inspect or sweep claim, 0 = none */
    enum claim_kind claim_kind;
    enum claim_outcome claim_outcome;
    const char *worker;    /* who has or had that claim; NULL = none */
    const char *worker_id; /* while it is live; else NULL */
    int32_t bound_blender; /* 304 for 3.4; 0 = not bound yet */
    enum device_kind bound_kind;
    struct job_memory memory;
    bool warnings_accepted; /* the question `warnings` was answered */
    bool stopped;           /* failed as a whole: waiting frames are not given out */
    bool sweep_due;         /* the output is still to be looked over */
    bool removing;          /* removed by a person, the row goes when no claim is live */
};

struct job_counts {
    int64_t total; /* the sum of the others */
    int64_t by_state[FRAME_STATES];
};

/* What people are shown. Pointers are borrowed until the next call that changes the queue. */
struct job_view {
    const struct job_row *row;
    bool counted; /* false until inspected: counts mean nothing */
    struct job_counts counts;
    int32_t priority;
    const char *name;
    const char *file;
    const char *scene;   /* NULL until known */
    const char *output;  /* absolute pattern with '#', NULL until inspected */
    json_t *error;       /* of the job, else its first open question, else why it waits, or NULL */
    json_t *open;        /* array of the open questions; NULL when not held */
    int64_t eta_s;       /* -1 = unknown */
    int64_t median_ms;   /* of its last frames, -1 = unknown */
    int64_t live_claims; /* of any kind */
    int64_t workers;     /* sessions it is assigned to */
};

const char *job_state_name(enum job_state value);
int job_state_parse(const char *name, enum job_state *out);
bool job_may_move(enum job_state from, enum job_state to);

/*
 *     queued      -> inspecting, paused, cancelled
 *     inspecting  -> queued, held, active, failed, paused, cancelled
 *     held        -> active, queued (an answer changes what inspection finds), cancelled
 *     active      -> done, failed, paused, cancelled
 *     paused      -> queued, active, held (the output was taken meanwhile), cancelled
 *     done, failed, cancelled -> active, queued, held    retry
 */

/* done, failed or cancelled */
bool job_state_ended(enum job_state state);

const char *claim_kind_name(enum claim_kind value);
int claim_kind_parse(const char *name, enum claim_kind *out);
const char *device_kind_name(enum device_kind value);
int device_kind_parse(const char *name, enum device_kind *out);

#endif
