#ifndef BROKER_LOOP_H
#define BROKER_LOOP_H

/*
 * loop - one thread: drain the sockets, apply, commit, answer
 *
 * A turn drains both sockets (capped by count and by time), writes what changed in one
 * transaction and only then sends answers. While a transaction cannot be written nothing else is
 * read; it is tried again with pauses. With nothing to do the process sleeps without wake-ups.
 */

#include <stdbool.h>
#include <stdint.h>

#include "broker/broker.h"
#include "proto/paths.h"

typedef struct loop loop_t;

struct loop_options {
    const char *workers_endpoint;
    const char *submitters_endpoint;
    const char *const *tcp_endpoints; /* NULL-terminated, for tests; or NULL */
    int64_t idle_exit_ms;             /* 0: stay */
    int owner_fd;                     /* its end means stop; -1: nobody's */
    int signal_fd;                    /* signalfd of TERM, INT, HUP and USR2 */
};

/*
 * Bind the sockets. broker and options are borrowed for the life of *out, and the ledger is
 * locked already: whoever has it may take the sockets. On a negative errno *text is one line for
 * people; the caller frees it.
 */
int loop_open(struct broker *broker, const struct loop_options *options, loop_t **out, char **text);

/* Close the sockets. Safe on NULL. */
void loop_close(loop_t **self_p);

/* Where it can be reached: "workers=ipc://... submitters=ipc://...". The caller frees it. */
char *loop_where(const loop_t *self);

/* Serve until told to stop. 0, or a negative errno when the loop itself failed. */
int loop_run(loop_t *self);

#endif
