#ifndef WORKER_PULSE_H
#define WORKER_PULSE_H

/*
 * pulse - does a child still live, or does it only exist?
 *
 * A sign of life is a line that it prints or sends, or processor time that it uses: a scene that
 * is prepared for an hour prints nothing. A child that shows neither for the whole stall time is
 * hung. One that burns time in silence is given six times as long: that may be a script's loop.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pulse {
    pid_t pid;
    int64_t stall_ms;
    int64_t beat_ms;  /* last line */
    int64_t work_ms;  /* when processor time had last grown */
    int64_t cpu_ms;   /* processor time then */
    int64_t check_ms; /* next look */
};

void pulse_begin(struct pulse *self, pid_t pid, int64_t stall_ms, int64_t now_ms);

/* A line came. */
void pulse_beat(struct pulse *self, int64_t now_ms);

/* Hung from at_ms on, whatever it does. */
void pulse_stop(struct pulse *self, int64_t at_ms);

/* Is it hung? Sets the time of the next look. */
bool pulse_check(struct pulse *self, int64_t now_ms);

/* Processor time of a process, user and system, -1 when it is gone. */
int64_t pulse_cpu_ms(pid_t pid);

/* Resident memory of a process, 0 when it is gone. */
int64_t pulse_rss_bytes(pid_t pid);

/* When a process started, in clock ticks since boot (proc(5), starttime); -1 when it is gone. */
int64_t pulse_start(pid_t pid);

#endif
