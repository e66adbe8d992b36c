#ifndef PROTO_CLIENT_H
#define PROTO_CLIENT_H

/*
 * client - a submitter's end: ask the broker, get the answer
 *
 * One REQ socket with one request outstanding. A request that stays unanswered is sent again,
 * byte for byte (so a change carries its key, see client_add_key), every third time through a
 * new socket. Before its first request a client says HELLO: no answer to that within a second
 * and nobody listening means that there is no broker. Once there was an answer the client
 * outlives a restart of the broker: it tells the notice function and asks on for ten minutes,
 * or until the caller's timeout.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct client client_t;

enum client_outcome {
    CLIENT_OK,
    CLIENT_NO_BROKER,   /* never had an answer */
    CLIENT_LOST,        /* had answers, then none for ten minutes */
    CLIENT_TIMEOUT,     /* the caller's timeout is over */
    CLIENT_INTERRUPTED, /* the descriptor of client_set_wake became readable */
    CLIENT_REFUSED,     /* an ERROR or REFUSED answer: see struct client_error */
    CLIENT_MALFORMED,   /* an answer that is not of this protocol */
    CLIENT_TOO_LARGE,   /* the request breaks the limits of the wire: nothing was sent */
};

/* Why, for people; every text ends in its NUL and may be cut. */
struct client_error {
    char code[64];
    char text[1024];
    char hint[512];
    int64_t job; /* 0: none */
};

enum client_notice {
    CLIENT_NOTICE_SILENT, /* the broker stopped to answer; asked again from now on */
    CLIENT_NOTICE_BACK,
};

typedef void client_notice_fn(void *context, enum client_notice notice);

/* Connects in the background: never waits. endpoint "ipc://..." or "tcp://...". */
client_t *client_new(const char *endpoint);

void client_destroy(client_t **self_p);

/* Called at most once per silence and once per return. */
void client_set_notice(client_t *self, client_notice_fn *notice, void *context);

/* A borrowed descriptor (a signalfd, an epoll) that ends a wait when it is readable; -1: none. */
void client_set_wake(client_t *self, int fd);

struct client_times {
    int64_t first_ms;   /* no answer yet, and nobody listens: no broker (1 s) */
    int64_t deaf_ms;    /* somebody listens, but never answered (10 s) */
    int64_t overdue_ms; /* beyond the time for which the request may be parked (2 s) */
    int64_t outlive_ms; /* how long a broker that once answered may be away (10 min) */
};

/* Others than the usual times. */
void client_set_times(client_t *self, const struct client_times *times);

/*
 * Ask: request is borrowed and stays unchanged. timeout_ms < 0: no limit but the ten minutes.
 * On CLIENT_OK *answer is the caller's. error may be NULL; it is filled in for every outcome
 * but CLIENT_OK, in words for people (CLIENT_NO_BROKER says how to start one).
 */
int client_ask(client_t *self, const json_t *request, int64_t timeout_ms, json_t **answer,
               struct client_error *error);

/* The answer to HELLO, borrowed; NULL before the first answer. */
const json_t *client_hello(const client_t *self);

/* Give a request a key of 32 random hex digits, unless it has one. */
void client_add_key(json_t *request);

/* Does anybody listen there now? Only for ipc:// endpoints; others: true. Never waits. */
bool client_is_listening(const char *endpoint);

#endif
