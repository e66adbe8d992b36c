#ifndef WORKER_BLENDER_H
#define WORKER_BLENDER_H

/*
 * blender - the one warm Blender of this worker, and the talk with autorender.py inside it
 *
 * JSON lines on a socketpair, one command at a time. What Blender prints is kept per attempt
 * (worker/output) and read for its phase. It is started before its first work and stays: the
 * owner says when it must be another one. It never outlives us (a keeper stands between).
 */

#include <czmq.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "worker/blenders.h"
#include "worker/output.h"
#include "worker/phase.h"
#include "worker/pulse.h"

enum {
    BLENDER_START_MS = 120000, /* until its "ready"; a cold disk and many add-ons take long */
    BLENDER_GRACE_MS = 500,    /* between TERM and KILL */
    BLENDER_PAUSE_MIN_MS = 1000,
    BLENDER_PAUSE_MAX_MS = 60000,
    BLENDER_LINE_BYTES = 16384,
};

enum blender_state {
    BLENDER_OFF, /* no process; it starts when wanted and its pause is over */
    BLENDER_STARTING,
    BLENDER_IDLE,
    BLENDER_OPENING,
    BLENDER_INSPECTING,
    BLENDER_RENDERING,
    BLENDER_CLOSING, /* ended by us, until nothing of it is left */
    BLENDER_STATES
};

struct blender_setup {
    const char *script;     /* path of autorender.py */
    int threads;            /* 0: Blender decides */
    bool factory;           /* without the user's preferences and add-ons */
    const char *const *env; /* additions, NULL-terminated */
};

/* How it ended, when nobody had told it to. */
struct blender_end {
    enum blender_state during; /* what it was doing */
    const char *code;          /* crashed, stalled, out-of-memory ... */
    const char *text;
    const char *hint;
};

struct blender_calls {
    void *ctx;
    void (*answer)(void *ctx, const json_t *answer); /* of the command; it is idle again */
    void (*ended)(void *ctx, const struct blender_end *end);
    void (*changed)(void *ctx); /* another state or phase */
};

typedef struct blender blender_t;

/* loop, and what setup points to, are borrowed for its life. Nothing is started yet. */
blender_t *blender_new(zloop_t *loop, const struct blender_setup *setup,
                       const struct blender_calls *calls);

/* Kills what runs and removes its temporary folder. */
void blender_destroy(blender_t **self_p);

/*
 * Have this Blender running; another one that runs is ended first. info is borrowed for as long
 * as it is wanted. NULL: none is wanted any more.
 */
void blender_want(blender_t *self, const struct blender_info *info, int64_t now_ms);

/* End the one that runs, for a reason that is logged. A new one of the wanted kind starts at once.
 */
void blender_restart(blender_t *self, const char *reason, int64_t now_ms);

/* Send a command ("open", "inspect", "render"); only when idle. Takes *command_p. Beyond its limits
 * Blender is ended as stalled or too-long. */
void blender_command(blender_t *self, json_t **command_p, const struct pulse_limits *limits,
                     int64_t now_ms);

enum blender_state blender_state(const blender_t *self);
const char *blender_state_name(enum blender_state state);

/* The one that runs or is wanted; NULL when none is. */
const struct blender_info *blender_info(const blender_t *self);

/* Does nothing of it run? */
bool blender_off(const blender_t *self);

/* What it printed since blender_mark. */
output_t *blender_output(blender_t *self);
void blender_mark(blender_t *self);

const struct phase *blender_phase(const blender_t *self);

/* Of the process, 0 when there is none. */
pid_t blender_pid(const blender_t *self);

/* Its card was seen to work for it at that time: a sign of life. */
void blender_works(blender_t *self, int64_t at_ms);

/* Resident memory of the process, 0 when there is none. */
int64_t blender_rss_bytes(const blender_t *self);

/* A frame came out well: pauses between restarts begin anew. */
void blender_praise(blender_t *self);

/* What is due. Returns the next deadline, INT64_MAX for none. */
int64_t blender_tick(blender_t *self, int64_t now_ms);

#endif
