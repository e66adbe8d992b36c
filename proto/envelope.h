#ifndef PROTO_ENVELOPE_H
#define PROTO_ENVELOPE_H

/*
 * envelope - the broker's end of the two ROUTER sockets: one way in, one way out
 *
 * A request is [routing id, 5 bytes][request id, 4 bytes][empty][body][blob]*. Whatever has
 * another shape, a routing id chosen by the peer included, is read to its end and dropped: an
 * answer without the delimiter would kill the peer's REQ socket for good, so answers are built
 * here and nowhere else. Whoever binds sets MAXMSGSIZE, ROUTER_MANDATORY and the high-water
 * marks. Nothing in here blocks.
 */

#include <czmq.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/json_wire.h"

/* Where an answer goes: a plain value, copied at will. */
struct envelope_address {
    uint8_t peer[5];
    uint8_t request[4];
};

struct envelope_limits {
    size_t body_bytes;
    size_t blob_bytes;
    size_t blobs; /* at most WIRE_BLOBS */
};

struct envelope {
    struct envelope_address from;
    zmq_msg_t body;
    zmq_msg_t blob[WIRE_BLOBS];
    size_t blobs;
};

enum envelope_outcome {
    ENVELOPE_OK,
    ENVELOPE_EMPTY,     /* recv: nothing to read */
    ENVELOPE_MALFORMED, /* recv: one message dropped, there may be more */
    ENVELOPE_GONE,      /* send: the peer is not connected any more */
    ENVELOPE_FULL,      /* send: the peer does not read */
};

extern const struct envelope_limits envelope_worker_limits;
extern const struct envelope_limits envelope_submitter_limits;

/* Read one message. On ENVELOPE_OK *out holds it until envelope_close; else it is untouched. */
int envelope_recv(zsock_t *router, const struct envelope_limits *limits, struct envelope *out);

/* Release what envelope_recv filled in. */
void envelope_close(struct envelope *self);

const void *envelope_body(struct envelope *self, size_t *size);
const void *envelope_blob(struct envelope *self, size_t index, size_t *size);

/*
 * The process at the other end of a Unix socket, as the kernel saw it when it connected; -1: not
 * known (TCP, another PID namespace).
 */
int64_t envelope_peer_pid(const struct envelope *self);

/* Send one answer; the bytes are copied. A peer's request is answered at most once. */
int envelope_send(zsock_t *router, const struct envelope_address *to, const void *body,
                  size_t size);

/* Encode and send. -E2BIG and -EINVAL as of wire_encode. */
int envelope_send_json(zsock_t *router, const struct envelope_address *to, const json_t *body);

#endif
