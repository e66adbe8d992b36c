#include "tests/bench/req.h"

#include <assert.h>
#include <stdlib.h>
#include <zmq.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "tests/bench/engine.h"

enum { SOCKETS = 2000 };

struct lane {
    void *peer;
    bool waits;
    int64_t asked_ns;
};

struct req {
    const struct talk *talk;
    void *context;
    zmq_pollitem_t *items;
    struct lane *lanes;
    size_t count;
    struct tally tally;
};

req_t *req_new(const struct talk *talk)
{
    req_t *self = alloc_zero(1, sizeof *self);
    self->talk = talk;
    self->context = zmq_ctx_new();
    (void)zmq_ctx_set(self->context, ZMQ_MAX_SOCKETS, SOCKETS); /* a socket that fails says so */
    tally_begin(&self->tally);
    return self;
}

void req_destroy(req_t **self_p)
{
    assert(self_p);
    req_t *self = *self_p;
    if (self) {
        for (size_t i = 0; i < self->count; i++) {
            (void)zmq_close(self->items[i].socket);
        }
        (void)zmq_ctx_term(self->context);
        free(self->items);
        free(self->lanes);
        free(self);
        *self_p = NULL;
    }
}

void req_add(req_t *self, const char *endpoint, void *peer)
{
    static const int options[] = { ZMQ_REQ_RELAXED, ZMQ_REQ_CORRELATE };
    int on = 1;
    int off = 0;
    void *socket = zmq_socket(self->context, ZMQ_REQ);
    for (size_t i = 0; socket && i < 2; i++) {
        (void)zmq_setsockopt(socket, options[i], &on, sizeof on); /* options that REQ has */
    }
    if (!socket || zmq_setsockopt(socket, ZMQ_LINGER, &off, sizeof off) != 0 ||
        zmq_connect(socket, endpoint) != 0) {
        engine_die("connect %s: %s", endpoint, zmq_strerror(zmq_errno()));
    }
    self->items = alloc_resize(self->items, self->count + 1, sizeof *self->items);
    self->lanes = alloc_resize(self->lanes, self->count + 1, sizeof *self->lanes);
    self->items[self->count] = (zmq_pollitem_t){ .socket = socket, .events = ZMQ_POLLIN };
    self->lanes[self->count++] = (struct lane){ .peer = peer };
}

struct tally *req_tally(req_t *self)
{
    return &self->tally;
}

static void ask(req_t *self, size_t at)
{
    struct lane *lane = &self->lanes[at];
    CLEANUP(msgpack_sbuffer_destroy) msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    lane->waits = self->talk->say(lane->peer, &body);
    lane->asked_ns = tally_now_ns();
    if (lane->waits && zmq_send(self->items[at].socket, body.data, body.size, 0) < 0) {
        engine_die("send: %s", zmq_strerror(zmq_errno()));
    }
}

void req_supersede(req_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        ask(self, i);
    }
}

static void hear(req_t *self, size_t at)
{
    struct lane *lane = &self->lanes[at];
    zmq_msg_t answer;
    (void)zmq_msg_init(&answer); /* cannot fail */
    if (zmq_msg_recv(&answer, self->items[at].socket, 0) < 0 || zmq_msg_more(&answer) ||
        !self->talk->take(lane->peer, zmq_msg_data(&answer), zmq_msg_size(&answer))) {
        engine_die("an answer that is none");
    }
    (void)zmq_msg_close(&answer);
    tally_note(&self->tally, tally_now_ns() - lane->asked_ns);
    ask(self, at);
}

void req_run(req_t *self, double seconds, bool (*done)(void *context), void *context)
{
    for (size_t i = 0; i < self->count; i++) {
        if (!self->lanes[i].waits) {
            ask(self, i);
        }
    }
    int64_t end_ns = self->tally.began_ns + (int64_t)(seconds * 1e9);
    while ((!done || !done(context)) && (seconds <= 0 || tally_now_ns() < end_ns)) {
        if (zmq_poll(self->items, (int)self->count, 100) < 0) {
            engine_die("poll: %s", zmq_strerror(zmq_errno()));
        }
        for (size_t i = 0; i < self->count; i++) {
            if (self->items[i].revents & ZMQ_POLLIN) {
                hear(self, i);
            }
        }
    }
}
