#ifndef SUBMIT_TALK_H
#define SUBMIT_TALK_H

/*
 * talk - asking the broker of this user's farm
 *
 * A thin layer over proto/client: finds the socket, adds keys, takes answers apart, and lets a
 * supervisor work while an answer is awaited. A command that has got no answer says why with
 * talk_complain and exits 1.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/client.h"
#include "proto/paths.h"

typedef struct talk talk_t;

/*
 * Called while an answer is awaited and the wake descriptor is readable: true: go on waiting,
 * false: give up, talk_ask returns CLIENT_INTERRUPTED.
 */
typedef bool talk_wake_fn(void *arg);

/*
 * Find the folders and prepare the socket; nothing is sent. On failure it has said why and
 * returns NULL.
 */
talk_t *talk_new(void);

void talk_destroy(talk_t **self_p);

const struct paths *talk_paths(const talk_t *self);

/* See talk_wake_fn; fd is borrowed. */
void talk_set_wake(talk_t *self, int fd, talk_wake_fn *wake, void *arg);

/*
 * Called about once a second from inside talk_ask and talk_wait_fd, never from inside itself; it
 * may ask. false: what is waited for ends with CLIENT_INTERRUPTED.
 */
void talk_set_idle(talk_t *self, talk_wake_fn *idle, void *arg);

/* Do not tell the person when the broker falls silent: the supervisor starts it again. */
void talk_set_quiet(talk_t *self, bool quiet);

/* What "as long as client asks" means from now on for this talk; -1: that. */
void talk_set_patience(talk_t *self, int64_t patience_ms);

/* Is a broker listening right now? */
bool talk_is_broker(const talk_t *self);

/*
 * Ask; takes request (of msg_new). Outcomes of proto/client. On CLIENT_OK *answer is the
 * caller's. timeout_ms -1: as long as client asks.
 */
int talk_ask(talk_t *self, json_t *request, int64_t timeout_ms, json_t **answer);

/* A request that changes something: adds the key. */
int talk_change(talk_t *self, json_t *request, json_t **answer);

/*
 * Wait until fd (-1: none) is readable or the time is over, the supervisor working meanwhile.
 * CLIENT_OK: readable (without fd: the supervisor has worked), CLIENT_TIMEOUT, or
 * CLIENT_INTERRUPTED as in talk_ask.
 */
int talk_wait_fd(talk_t *self, int fd, int64_t timeout_ms);

/* What went wrong in the last talk_ask. */
const struct client_error *talk_error(const talk_t *self);

/* Say what went wrong in the last talk_ask; returns the exit status 1. */
int talk_complain(const talk_t *self, bool json);

/* The broker's HELLO again; CLIENT_OK and an owned *answer, or an outcome. */
int talk_hello(talk_t *self, int64_t timeout_ms, json_t **answer);

/* Tell the person if the whole farm is paused, which explains much. */
void talk_tell_pause(talk_t *self);

/*
 * One job as `list` has it; CLIENT_OK and an owned *job, or an outcome. detail may be NULL, else
 * it gets the whole SHOW answer (spec, found, questions), owned.
 */
int talk_job(talk_t *self, int64_t number, json_t **job, json_t **detail);

/* All jobs of LIST, page after page, as one owned array. */
int talk_list(talk_t *self, bool all, json_t **jobs);

/* How many jobs could be rendered now or go on by themselves: queued, inspecting, active. An
 * outcome of the client. */
int talk_work_left(talk_t *self, size_t *count);

/* All workers as one owned array. */
int talk_workers(talk_t *self, json_t **workers);

/* The number of the newest event, to ask LOG for what comes after it. */
int talk_log_end(talk_t *self, int64_t *last);

#endif
