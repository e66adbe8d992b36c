#ifndef WORKER_SESSION_H
#define WORKER_SESSION_H

/*
 * session - this worker's talk with the broker (proto/PROTOCOL.md, section 2)
 *
 * Always exactly one request is outstanding: READY, then one SYNC after the other. What the worker
 * holds is asked of its owner for each message, so that a message is always the state of now. It
 * has no socket and no clock: messages leave by a call, time is a parameter.
 *
 * When an answer is overdue the state is sent anew on a timer (1 s doubling to 10 s, with jitter,
 * a new socket every third time), and on nothing but the timer until an answer comes.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "worker/reports.h"

enum {
    SESSION_WANT_MAX = 4,
    SESSION_HOLDING_MAX = 8,
    SESSION_OVERDUE_MS = 2000, /* beyond the park time */
    SESSION_PAUSE_MIN_MS = 1000,
    SESSION_PAUSE_MAX_MS = 10000,
};

/* Who is talking; copied into READY. */
struct session_self {
    const char *worker_id; /* 32 hex digits */
    const char *name;      /* <host>/<device id> */
    const char *host;
    const char *device, *device_kind;
    int pid;
    json_t *kinds;           /* array of words; borrowed for the session's life */
    json_t *blenders;        /* array of {version, path, denoiser}; likewise */
    int64_t memory_bytes;    /* of its card; 0: not known */
    json_t *device_types;    /* array of words, borrowed likewise; NULL: it has no card */
    const char *device_name; /* for people; NULL: it has no card */
    bool draws_shared;       /* nobody can choose the card that Eevee draws on */
    int cards;               /* how many it has */
    int64_t largest_bytes;   /* of its largest card; 0: not known */
    int regroups;            /* of so many its owner may group idle ones otherwise; 0: never */
};

/* The worker as it is now; filled by the owner for each message. */
struct session_now {
    int64_t job;       /* its assignment; 0: none */
    json_t *holding;   /* new array of {claim, phase}; the session takes it */
    int want;          /* claims beyond those held */
    bool leave;        /* nothing is held any more and the worker goes */
    const char *state; /* word of the wire */
    json_t *progress;  /* new object or NULL; the session takes it */
    json_t *telemetry; /* new object or NULL; the session takes it */
    json_t *rest;      /* why it rests by itself; new object or NULL; likewise */
};

struct session_orders {
    bool pause, give_back; /* give_back: return what is ahead ("return" on the wire) */
    bool drain, now;
    bool rest, rest_now; /* the device is given back */
    const json_t *stop;  /* array of claims */
};

struct session_calls {
    void *ctx;
    void (*describe)(void *ctx, bool ready, struct session_now *out);
    /* Send a message; renew: on a new socket, since the old one may be dead. */
    void (*send)(void *ctx, const json_t *body, const struct reports_log *logs, size_t log_count,
                 bool renew);
    void (*ready)(void *ctx, const char *farm); /* READY was answered */
    void (*job)(void *ctx, json_t *about);      /* the description of the assignment */
    void (*grant)(void *ctx, json_t *grant);
    void (*stale)(void *ctx, int64_t claim);
    void (*orders)(void *ctx, const struct session_orders *orders);
    /* An answer is through; want: what its request wanted, grants: how many came. */
    void (*answered)(void *ctx, int want, size_t grants);
    void (*left)(void *ctx); /* the last SYNC was answered */
    void (*refused)(void *ctx, const char *code, const char *text, const char *hint);
};

typedef struct session session_t;

/* reports is borrowed for the session's life. */
session_t *session_new(const struct session_self *self, const struct session_calls *calls,
                       reports_t *reports, uint32_t seed, int64_t now_ms);
void session_destroy(session_t **self_p);

/* Something happened that the broker must hear at once. It is sent by the next session_tick. */
void session_touch(session_t *self);

/* The same, not later than at_ms: until then it may ride on a message that is sent anyway. */
void session_touch_by(session_t *self, int64_t at_ms);

/* Send what is due. Returns the next deadline (monotonic milliseconds), INT64_MAX for none. */
int64_t session_tick(session_t *self, int64_t now_ms);

/* An answer came. One that is malformed or not the answer to the last message is ignored. */
void session_answer(session_t *self, const json_t *body, int64_t now_ms);

/* When the last answer came, or the session began. */
int64_t session_heard_ms(const session_t *self);

/* Has the broker answered since the last message that became overdue? */
bool session_connected(const session_t *self);

#endif
