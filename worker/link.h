#ifndef WORKER_LINK_H
#define WORKER_LINK_H

/*
 * link - the REQ socket to the broker: bodies in, bodies out
 *
 * Relaxed and correlated: a request may follow an unanswered one, and only the answer to the last
 * one arrives. One malformed message can kill a REQ socket for good, so it can be renewed.
 */

#include <czmq.h>
#include <jansson.h>

#include "worker/reports.h"

typedef struct link link_t;

/* Called with each answer that passes the checks of proto/messages. */
typedef void (*link_call)(void *arg, const json_t *body);

/* endpoint is borrowed for its life; a negative errno when it is no endpoint. */
int link_new(zloop_t *loop, const char *endpoint, link_call call, void *arg, link_t **out);
void link_destroy(link_t **self_p);

/* Send a body and logs; renew: over a new socket. What cannot be sent is lost: the timer of the
 * session sends it again. */
void link_send(link_t *self, const json_t *body, const struct reports_log *logs, size_t log_count,
               bool renew);

#endif
