#ifndef BROKER_QUEUE_FRAME_H
#define BROKER_QUEUE_FRAME_H

/*
 * frame - one frame number of a job: its states and its durable row
 *
 * A frame has a row only once something has happened to it. Without a row it is waiting, or, in a
 * cancelled job, cancelled. struct frame_row is what the store writes and reads; the queue keeps
 * its own, smaller, form in memory.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum frame_state {
    FRAME_WAITING,
    FRAME_CLAIMED,
    FRAME_DONE,
    FRAME_KEPT,
    FRAME_TAKEN,
    FRAME_FAILED,
    FRAME_CANCELLED,
    FRAME_STATES
};

/* How the last claim ended; LIVE while it has not. Also used for a job's inspect or sweep claim. */
enum claim_outcome {
    OUTCOME_NONE, /* never claimed, or reset by retry */
    OUTCOME_LIVE,
    OUTCOME_FINISHED,
    OUTCOME_KEPT,
    OUTCOME_TAKEN,
    OUTCOME_ERROR,
    OUTCOME_RETURNED,
    OUTCOME_LOST,
    OUTCOME_INSPECTED,
    OUTCOME_SWEPT,
    OUTCOMES
};

/* What a look saw under the final name. first_seen is monotonic and therefore not durable. */
struct frame_sighting {
    int64_t size_bytes;
    int64_t mtime_ns;
    int64_t inode;
};

struct frame_row {
    int64_t job;
    int32_t frame;
    enum frame_state state;
    enum claim_outcome outcome;
    bool again;   /* was done or kept and shall be rendered over */
    bool sighted; /* sighting holds something */
    int32_t attempts;
    int32_t losses;
    int64_t claim;         /* the last one; 0 = none since the last retry */
    const char *worker;    /* name of the last worker or NULL */
    const char *worker_id; /* of the live claim, 32 hex digits; NULL when none is live */
    int64_t started_at;    /* wall ms of `started` of the last claim, 0 = not started */
    int64_t finished_at;   /* wall ms, 0 = not finished */
    int64_t ms;            /* render time, -1 = unknown */
    int64_t bytes;         /* sum over its files, -1 = unknown */
    struct frame_sighting sighting;
    int64_t short_bytes; /* ran out of memory on a card of so much; 0 = did not */
    bool fresh;          /* ran out of memory: to be tried in a fresh Blender */
    json_t *error;       /* {code, text, hint} or NULL */
    json_t *proof; /* array of {path, bytes, width, height, view, mtime_ns, inode}; see below */
    json_t *tried; /* array of worker names on which it failed, or NULL */
};

/*
 * The queue does not keep proofs: in a change, proof is set only when the frame has just become
 * done or kept. NULL with state done or kept: leave the column as it is; NULL with any other
 * state: the column becomes NULL. When loading, proof may be NULL always.
 */

/* "waiting", ... also the words of the ledger and of --json */
const char *frame_state_name(enum frame_state value);

/* 0, or -EINVAL for a word that is none */
int frame_state_parse(const char *name, enum frame_state *out);

/* May a frame go from one state to the other? */
bool frame_may_move(enum frame_state from, enum frame_state to);

const char *claim_outcome_name(enum claim_outcome value);
int claim_outcome_parse(const char *name, enum claim_outcome *out);

#endif
