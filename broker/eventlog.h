#ifndef BROKER_EVENTLOG_H
#define BROKER_EVENTLOG_H

/*
 * eventlog - the file `log`: one line for each event, for people and grep
 *
 *     2026-11-22T14:00:00.123Z | frame-done | job=12 frame=31 worker=host/cpu:0-1: text
 *
 * The rows of the table `event` are the record; this file repeats them and may be rotated away
 * at any time (eventlog_reopen on SIGHUP). Line breaks and other control characters of the text
 * are replaced, so that one event stays one line.
 */

#include <stdint.h>

typedef struct eventlog eventlog_t;

struct eventlog_line {
    int64_t at_ms; /* wall clock */
    const char *event;
    int64_t job;          /* 0: none */
    const int32_t *frame; /* NULL: none; frame 0 is a frame */
    const char *worker;   /* NULL or "": none */
    const char *text;     /* NULL or "": none */
};

/* Open path for appending, created 0600. Negative errno when it cannot be opened. */
int eventlog_open(const char *path, eventlog_t **out);

/* Close and set *self_p to NULL. Safe on NULL. */
void eventlog_close(eventlog_t **self_p);

/* Open the same path again: after a rotation lines go to the new file. On failure the old stays. */
int eventlog_reopen(eventlog_t *self);

/* Note down one line; it is in the file after the next eventlog_flush. */
void eventlog_write(eventlog_t *self, const struct eventlog_line *line);

/*
 * Append what was noted down, with one write. Negative errno when it is not in the file whole;
 * it is forgotten all the same.
 */
int eventlog_flush(eventlog_t *self);

#endif
