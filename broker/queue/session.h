#ifndef BROKER_QUEUE_SESSION_H
#define BROKER_QUEUE_SESSION_H

/*
 * session - the talk with a worker as plain structs (proto/PROTOCOL.md, Workers)
 *
 * The loop decodes READY and SYNC into these and encodes struct queue_answer. All strings and
 * JSON are borrowed for the call; counts are checked by the decoder, the queue cuts what is more.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/queue/frame.h"
#include "broker/queue/job.h"

enum {
    QUEUE_HOLDINGS = 8,
    QUEUE_REPORTS = 8,
    QUEUE_GRANTS = 4,
    QUEUE_STALES = QUEUE_HOLDINGS + QUEUE_REPORTS,
    QUEUE_STOPS = 8,
    QUEUE_BLENDERS = 32,
    QUEUE_LOOKS = 256, /* frames of a sweep */
    QUEUE_LIVE = 4096  /* claims that a sweep is told to live */
};

enum claim_phase {
    PHASE_AHEAD,
    PHASE_RENDERING,
    PHASE_PROOF,
    PHASE_INSPECTING,
    PHASE_SWEEPING,
    PHASES
};

enum report_what {
    REPORT_STARTED,
    REPORT_FINISHED,
    REPORT_KEPT,
    REPORT_TAKEN,
    REPORT_ERROR,
    REPORT_RETURNED,
    REPORT_INSPECTED,
    REPORT_SWEPT,
    REPORT_WHATS
};

enum worker_state {
    WORKER_STARTING,
    WORKER_IDLE,
    WORKER_OPENING,
    WORKER_RENDERING,
    WORKER_DRAINING,
    WORKER_PAUSED,
    WORKER_RESTING,
    WORKER_LOST,
    WORKER_STATES
};

enum drain_order { DRAIN_NONE, DRAIN_SOFT, DRAIN_NOW };

struct queue_holding {
    int64_t claim;
    enum claim_phase phase;
};

struct queue_report {
    int64_t claim;
    enum report_what what;
    const char *blender;            /* started: "3.4.1" or NULL */
    int64_t ms;                     /* finished */
    json_t *files;                  /* finished, kept: array */
    json_t *warnings;               /* finished, inspected: array or NULL */
    int64_t gpu_peak_bytes;         /* finished: the most of one card; 0 = not known */
    int64_t rss_peak_bytes;         /* finished: the most of the host; 0 = not known */
    int64_t gpu_had_bytes;          /* error: what Blender could have of the card; 0 = all */
    const char *held_by;            /* error: who has the rest of it, for people, or NULL */
    struct frame_sighting sighting; /* taken */
    const char *code;               /* error */
    const char *text;
    const char *hint;
    bool fatal;
    bool charge;       /* returned */
    json_t *found;     /* inspected */
    json_t *questions; /* inspected: array or NULL */
    json_t *wrong;     /* swept: array of {frame, code, text} or NULL */
    bool partly;       /* swept: last is the last frame that was looked at */
    int32_t last;
};

struct queue_blender {
    const char *version; /* "3.4.1" */
    const char *path;
    bool denoiser;
};

/* A process of the broker's own machine, as the kernel knows it (proto/process.h). */
struct queue_process {
    int64_t pid;
    int64_t start; /* 0 = not known: it may be on another machine */
    int64_t boot;
};

struct queue_ready {
    int64_t seq;
    const char *worker_id; /* 32 hex digits */
    const char *name;      /* <host>/<device id> */
    const char *host;
    int64_t pid;
    struct queue_process process;
    const char *device;
    enum device_kind device_kind;
    const char *device_name; /* for people, or NULL */
    int64_t memory_bytes;    /* of its smallest card; 0 = not known */
    bool draws_shared;       /* Eevee draws on a card that nobody can choose */
    int64_t cards;           /* of its device; 0 = none */
    int64_t largest_bytes;   /* of the largest card of a group; 0 = not known, or the same */
    int64_t regroups;        /* of so many cards idle ones may be grouped otherwise; 0 = never */
    unsigned ways;           /* device_types_bit of what its cards can; 0 = not known */
    bool kinds[CLAIM_KINDS]; /* by enum claim_kind */
    struct queue_blender blenders[QUEUE_BLENDERS];
    size_t blender_count;
    int64_t job;                  /* 0 = none */
    int64_t claims[QUEUE_STALES]; /* of holding and of reports */
    size_t claim_count;
};

/* Why a worker rests by its own decision. */
struct queue_rest_reason {
    const char *code; /* NULL = it does not */
    const char *text;
    const char *hint;
};

struct queue_sync {
    int64_t session;
    int64_t seq;
    int64_t seen;
    int64_t job; /* 0 = none */
    struct queue_holding holding[QUEUE_HOLDINGS];
    size_t holding_count;
    struct queue_report reports[QUEUE_REPORTS];
    size_t report_count;
    int want; /* 0..4 */
    bool leave;
    enum worker_state state;
    struct queue_rest_reason rest;
    json_t *telemetry;         /* map of ints, or NULL */
    int64_t progress_claim;    /* 0 = no progress */
    const char *progress_text; /* NULL = none */
    int64_t progress_done;
    int64_t progress_total;
};

struct queue_grant {
    int64_t claim;
    enum claim_kind kind;
    int64_t job;
    int32_t frame; /* render only */
    bool again;
    int32_t attempt; /* 1 for the first */
    bool sighted;
    bool abandoned;
    struct frame_sighting sighting;
    bool fresh; /* render only: in a Blender started anew */
    bool about; /* inspect, sweep: the answer carries the job's description with the grant */
};

/* What a claim of kind sweep is to do, PROTOCOL.md 3.3. Borrowed until the next call of its kind.
 */
struct queue_sweep {
    const int32_t *frames; /* to be looked at; none: leftovers are to be removed */
    size_t frame_count;
    const int64_t *live; /* claims, lowest first */
    size_t live_count;
    bool ends;
};

struct queue_settled {
    int64_t claim;
    enum report_what what;
    bool accepted; /* else stale */
};

struct queue_orders {
    int64_t n;
    bool pause;
    enum drain_order drain;
    enum drain_order rest; /* its device is to be free for its owner */
    bool give_back;        /* `return` on the wire */
    int64_t stop[QUEUE_STOPS];
    size_t stop_count;
};

struct queue_answer {
    int64_t session;
    int64_t seq;
    int64_t park_ms;
    bool last; /* the session has ended with this answer: forget its address after sending */
    struct queue_orders orders;
    struct queue_settled settled[QUEUE_REPORTS];
    size_t settled_count;
    int64_t stale[QUEUE_STALES];
    size_t stale_count;
    struct queue_grant grants[QUEUE_GRANTS];
    size_t grant_count;
    int64_t job; /* != 0: carry queue_describe() of this job, the assignment, as `job` */
};

/* What people are shown of a worker. Pointers are borrowed for the call. */
struct worker_view {
    const char *worker;
    const char *device;
    const char *host;
    int64_t pid;
    enum worker_state state;
    int64_t job;           /* 0 = none */
    const int32_t *frames; /* numbers it holds */
    size_t frame_count;
    json_t *blenders;  /* array of version strings */
    int64_t done;      /* frames since its start */
    const char *phase; /* progress text or NULL */
    int64_t phase_done;
    int64_t phase_total;
    json_t *error;       /* {code, text, hint}: why it rests, or has no work, or NULL */
    int64_t rests_until; /* wall ms; 0 = it does not, or nobody knows */
    json_t *telemetry;   /* as it said last, or NULL */
};

/* A worker that leaves a job to others: it failed it too often, or cannot have it (idle.h). */
struct blocked_view {
    const char *worker;
    const char *code; /* of its last failure, or why it cannot */
    int64_t until;    /* wall ms; 0 = as long as there are others */
};

const char *claim_phase_name(enum claim_phase value);
int claim_phase_parse(const char *name, enum claim_phase *out);
const char *report_what_name(enum report_what value);
int report_what_parse(const char *name, enum report_what *out);
const char *worker_state_name(enum worker_state value);
int worker_state_parse(const char *name, enum worker_state *out);
const char *drain_order_name(enum drain_order drain); /* "", "soft", "now" */

#endif
