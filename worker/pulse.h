#ifndef WORKER_PULSE_H
#define WORKER_PULSE_H

/*
 * pulse - does a child still live, or does it only exist?
 *
 * A sign of life is a line that it prints or sends, work of its card, and processor time or I/O of
 * it or of what it started: a scene that is prepared for an hour prints nothing. A child that shows
 * none of them for the whole stall time is hung. One that lives may still take too long.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker/proc.h"

struct pulse_limits {
    int64_t stall_ms; /* without a sign of life */
    int64_t most_ms;  /* from its begin, whatever it does; 0: no limit */
};

enum pulse_verdict {
    PULSE_ALIVE,
    PULSE_STALLED,
    PULSE_TOO_LONG,
};

struct pulse {
    pid_t pid;
    struct pulse_limits limits;
    int64_t begin_ms;
    int64_t beat_ms;     /* last line, or work of its card */
    int64_t work_ms;     /* when it was last seen to work */
    struct proc_use use; /* then */
    bool looked;         /* use is known: not before the first look, small frames need none */
    int64_t look_ms;     /* next look at what it uses */
};

void pulse_begin(struct pulse *self, pid_t pid, const struct pulse_limits *limits, int64_t now_ms);

/* A line came, or its card worked. */
void pulse_beat(struct pulse *self, int64_t now_ms);

/* Hung from at_ms on, whatever it does. */
void pulse_stop(struct pulse *self, int64_t at_ms);

enum pulse_verdict pulse_check(struct pulse *self, int64_t now_ms);

/* When it has to be checked next. */
int64_t pulse_due_ms(const struct pulse *self);

#endif
