#ifndef BROKER_SESSIONS_H
#define BROKER_SESSIONS_H

/*
 * sessions - where the answer to each worker session goes
 *
 * The queue knows sessions by number; the newest request of a session is the one that is
 * answered, so each SYNC replaces the address.
 */

#include <stdbool.h>
#include <stdint.h>

#include "proto/envelope.h"

typedef struct sessions sessions_t;

struct sessions_place {
    zsock_t *socket; /* borrowed; which ROUTER it came in by */
    struct envelope_address address;
    bool remote; /* TCP: a lost connection may come back */
};

sessions_t *sessions_new(void);
void sessions_destroy(sessions_t **self_p);

/* The newest request of session came from place: that is where its next answer goes. */
void sessions_put(sessions_t *self, int64_t session, const struct sessions_place *place);

/* NULL when there is none. Borrowed until the next call that changes the sessions. */
const struct sessions_place *sessions_get(const sessions_t *self, int64_t session);

void sessions_forget(sessions_t *self, int64_t session);

/* An answer could not be delivered: unless the session is heard of again, it is gone at due_ms. */
void sessions_doubt(sessions_t *self, int64_t session, int64_t due_ms);

/* A session whose doubt is over, removed; false: none. */
bool sessions_gone(sessions_t *self, int64_t now_ms, int64_t *session);

/* When sessions_gone has something to do; INT64_MAX = never. */
int64_t sessions_deadline(const sessions_t *self);

#endif
