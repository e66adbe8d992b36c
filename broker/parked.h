#ifndef BROKER_PARKED_H
#define BROKER_PARKED_H

/*
 * parked - requests of submitters whose answer is not there yet
 *
 * A peer has one request outstanding, so a new one of the same peer replaces what it had parked:
 * nobody waits for that answer any more.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/requests.h"
#include "proto/envelope.h"

typedef struct parked parked_t;

struct parked_request {
    zsock_t *socket; /* borrowed */
    struct envelope_address address;
    const struct request_type *type;
    json_t *body; /* owned by the list */
    int64_t due_ms;
};

parked_t *parked_new(void);
void parked_destroy(parked_t **self_p);

/* Takes request->body. */
void parked_add(parked_t *self, const struct parked_request *request);

/* A new request of this peer came in: drop what it has parked. */
void parked_drop(parked_t *self, const zsock_t *socket, const struct envelope_address *peer);

size_t parked_count(const parked_t *self);

/* The index-th one, borrowed until the next call that changes the list. */
const struct parked_request *parked_at(const parked_t *self, size_t index);

/* Remove the index-th one; the last takes its place. */
void parked_remove(parked_t *self, size_t index);

/* The earliest due_ms; INT64_MAX when there is none. */
int64_t parked_deadline(const parked_t *self);

#endif
