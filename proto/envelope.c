#include "proto/envelope.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"

/* routing id, request id, empty, body */
#define HEAD_FRAMES 3
#define MOST_FRAMES (HEAD_FRAMES + 1 + WIRE_BLOBS)

const struct envelope_limits envelope_worker_limits = { WIRE_WORKER_BYTES, WIRE_BLOB_BYTES,
                                                        WIRE_BLOBS };
const struct envelope_limits envelope_submitter_limits = { WIRE_SUBMITTER_BYTES, 0, 0 };

/* The frames of one message, as many of them as a good one can have. */
struct frames {
    zmq_msg_t frame[MOST_FRAMES];
    size_t count; /* initialised ones */
    bool over;    /* there were more, dropped */
};

static void close_frames(struct frames *self)
{
    for (size_t i = 0; i < self->count; i++) {
        (void)zmq_msg_close(&self->frame[i]); /* fails for what is no message only */
    }
    self->count = 0;
}

/* Read one frame without waiting; *more says whether another one belongs to it. */
static int recv_frame(void *socket, zmq_msg_t *frame, bool *more)
{
    (void)zmq_msg_init(frame); /* cannot fail */
    int rc = 0;
    do {
        rc = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0) {
        int error = errno;
        (void)zmq_msg_close(frame);
        return -error;
    }
    *more = zmq_msg_more(frame) != 0;
    return 0;
}

/* libzmq hands over whole messages only, so after the first frame the others are there. */
static int recv_frames(void *socket, struct frames *out)
{
    bool more = true;
    while (more) {
        zmq_msg_t frame;
        int rc = recv_frame(socket, &frame, &more);
        if (rc != 0) {
            return rc;
        }
        if (out->count < MOST_FRAMES) {
            (void)zmq_msg_init(&out->frame[out->count]);
            (void)zmq_msg_move(&out->frame[out->count], &frame);
            out->count++;
        } else {
            out->over = true;
        }
        (void)zmq_msg_close(&frame);
    }
    return 0;
}

static bool is_request(struct frames *self, const struct envelope_limits *limits)
{
    const struct envelope_address *address = NULL;
    if (self->over || self->count < HEAD_FRAMES + 1 ||
        self->count > HEAD_FRAMES + 1 + limits->blobs) {
        return false;
    }
    /* the ids that ROUTER gives begin with 0; a peer cannot choose such a one */
    if (zmq_msg_size(&self->frame[0]) != sizeof address->peer ||
        *(const uint8_t *)zmq_msg_data(&self->frame[0]) != 0 ||
        zmq_msg_size(&self->frame[1]) != sizeof address->request ||
        zmq_msg_size(&self->frame[2]) != 0 ||
        zmq_msg_size(&self->frame[HEAD_FRAMES]) > limits->body_bytes) {
        return false;
    }
    for (size_t i = HEAD_FRAMES + 1; i < self->count; i++) {
        if (zmq_msg_size(&self->frame[i]) > limits->blob_bytes) {
            return false;
        }
    }
    return true;
}

static void hand_over(struct frames *frames, struct envelope *out)
{
    memcpy(out->from.peer, zmq_msg_data(&frames->frame[0]), sizeof out->from.peer);
    memcpy(out->from.request, zmq_msg_data(&frames->frame[1]), sizeof out->from.request);
    (void)zmq_msg_init(&out->body);
    (void)zmq_msg_move(&out->body, &frames->frame[HEAD_FRAMES]);
    out->blobs = frames->count - HEAD_FRAMES - 1;
    for (size_t i = 0; i < out->blobs; i++) {
        (void)zmq_msg_init(&out->blob[i]);
        (void)zmq_msg_move(&out->blob[i], &frames->frame[HEAD_FRAMES + 1 + i]);
    }
}

int envelope_recv(zsock_t *router, const struct envelope_limits *limits, struct envelope *out)
{
    CLEANUP(close_frames) struct frames frames;
    frames.count = 0;
    frames.over = false;
    int rc = recv_frames(zsock_resolve(router), &frames);
    if (rc == -EAGAIN) {
        return frames.count == 0 ? ENVELOPE_EMPTY : ENVELOPE_MALFORMED;
    }
    if (rc != 0) {
        return rc;
    }
    if (!is_request(&frames, limits)) {
        return ENVELOPE_MALFORMED;
    }
    hand_over(&frames, out);
    return ENVELOPE_OK;
}

void envelope_close(struct envelope *self)
{
    (void)zmq_msg_close(&self->body);
    for (size_t i = 0; i < self->blobs; i++) {
        (void)zmq_msg_close(&self->blob[i]);
    }
    self->blobs = 0;
}

const void *envelope_body(struct envelope *self, size_t *size)
{
    *size = zmq_msg_size(&self->body);
    return zmq_msg_data(&self->body);
}

const void *envelope_blob(struct envelope *self, size_t index, size_t *size)
{
    if (index >= self->blobs) {
        *size = 0;
        return NULL;
    }
    *size = zmq_msg_size(&self->blob[index]);
    return zmq_msg_data(&self->blob[index]);
}

/* What libzmq has of SO_PEERCRED: localhost:UID:GID:PID. */
int64_t envelope_peer_pid(const struct envelope *self)
{
    static const char local[] = "localhost:";
    const char *peer = zmq_msg_gets(&self->body, "Peer-Address");
    if (!peer || strncmp(peer, local, sizeof local - 1) != 0) {
        return -1;
    }
    char *end = NULL;
    long pid = strtol(strrchr(peer, ':') + 1, &end, 10);
    return *end == '\0' && pid > 0 ? pid : -1;
}

static int send_frame(void *socket, const void *data, size_t size, bool more)
{
    int rc = 0;
    do {
        rc = zmq_send(socket, data, size, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

/*
 * Only the first frame can be refused: with it ROUTER has chosen the peer, and a peer that goes
 * away in between swallows the rest.
 */
int envelope_send(zsock_t *router, const struct envelope_address *to, const void *body, size_t size)
{
    void *socket = zsock_resolve(router);
    int rc = send_frame(socket, to->peer, sizeof to->peer, true);
    if (rc == -EHOSTUNREACH) {
        return ENVELOPE_GONE;
    }
    if (rc == -EAGAIN) {
        return ENVELOPE_FULL;
    }
    rc = rc == 0 ? send_frame(socket, to->request, sizeof to->request, true) : rc;
    rc = rc == 0 ? send_frame(socket, "", 0, true) : rc;
    return rc == 0 ? send_frame(socket, body, size, false) : rc;
}

int envelope_send_json(zsock_t *router, const struct envelope_address *to, const json_t *body)
{
    CLEANUP(cleanup_free) void *data = NULL;
    size_t size = 0;
    int rc = wire_encode(body, &data, &size);
    return rc == 0 ? envelope_send(router, to, data, size) : rc;
}
