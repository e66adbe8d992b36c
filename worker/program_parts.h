#ifndef WORKER_PROGRAM_PARTS_H
#define WORKER_PROGRAM_PARTS_H

/*
 * program_parts - what program.c and program_ports.c share: everything that a running worker is
 */

#include <czmq.h>

#include "worker/blender.h"
#include "worker/link.h"
#include "worker/pin.h"
#include "worker/program.h"
#include "worker/prover.h"
#include "worker/session.h"
#include "worker/telemetry.h"
#include "worker/watch.h"
#include "worker/whereabouts.h"
#include "worker/work.h"

enum leaving {
    LEAVING_NO,
    LEAVING_SOON,     /* what renders is finished; then the last SYNC */
    LEAVING_AT_ONCE,  /* everything is given back */
    LEAVING_CHILDREN, /* the broker has heard it, or never will: the children end */
};

struct program {
    const struct program_setup *setup;
    zloop_t *loop;
    link_t *link;
    session_t *session;
    reports_t *reports;
    work_t *work;
    blender_t *blender;
    prover_t *prover;
    int timer_fd;
    int source_pipe[2]; /* answers of worker/source */
    enum leaving leaving;
    bool disowned, printed_ready, in_turn;
    int64_t leave_by_ms; /* of LEAVING_*: not later */
    int64_t idle_ms;     /* since when there is nothing to do */
    int signals;         /* to leave, so far */
    int status;
    char worker_id[33];
    struct session_self me;
    struct pin_env pin;
    whereabouts_t *whereabouts;
    telemetry_t *telemetry; /* NULL: an inspector */
    char *device_name;      /* for people, or NULL */
    int64_t timer_ms;       /* when timer_fd rings; INT64_MAX: never */
    pid_t rss_pid;          /* Blender's memory, */
    int64_t rss_ms;         /* when that was looked at */
    int64_t rss_bytes;
};

/* program_gauges.c: what the worker tells of its cards and its machine */
void gauges_start(struct program *self);
void gauges_introduce(struct program *self); /* in READY */
void gauges_describe(struct program *self, struct session_now *out);
void gauges_pass_on(struct program *self); /* work of the card, before Blender is looked at */
void gauges_turn(struct program *self);
void gauges_stop(struct program *self);

/* The ways by which the work reaches the children and the talk. */
struct work_ports program_ports(struct program *self);

#endif
