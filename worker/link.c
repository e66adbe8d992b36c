#include "worker/link.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/json_wire.h"
#include "proto/log.h"
#include "proto/messages.h"
#include "worker/watch.h"

struct link {
    zloop_t *loop;
    const char *endpoint;
    link_call call;
    void *arg;
    zsock_t *socket;
};

static int on_answer(zloop_t *loop, zsock_t *socket, void *arg)
{
    link_t *self = arg;
    (void)loop;
    CLEANUP(zmsg_destroy) zmsg_t *message = zmsg_recv_nowait(socket);
    CLEANUP(cleanup_json) json_t *body = NULL;
    struct message_fault fault;
    if (!message) {
        return 0;
    }
    zframe_t *frame = zmsg_first(message);
    int rc = zmsg_size(message) == 1
                 ? wire_decode(zframe_data(frame), zframe_size(frame), &wire_answer_limits, &body)
                 : WIRE_TRAILING;
    if (rc != WIRE_OK) {
        log_warning("drop answer: %s", wire_outcome_name(rc));
    } else if (message_check(MESSAGE_TO_WORKER, body, &fault) != MESSAGE_OK) {
        log_warning("drop answer: %s", fault.text);
    } else {
        self->call(self->arg, body);
        watch_turn();
    }
    return 0;
}

static int open_socket(link_t *self)
{
    zsock_t *socket = zsock_new(ZMQ_REQ);
    zsock_set_req_relaxed(socket, 1);
    zsock_set_req_correlate(socket, 1);
    zsock_set_sndtimeo(socket, 0);
    zsock_set_linger(socket, 0);
    zsock_set_maxmsgsize(socket, WIRE_ANSWER_BYTES);
    zsock_set_reconnect_ivl(socket, 100);
    zsock_set_reconnect_ivl_max(socket, 1000);
    if (zsock_connect(socket, "%s", self->endpoint) != 0) {
        zsock_destroy(&socket);
        return -EINVAL;
    }
    self->socket = socket;
    (void)zloop_reader(self->loop, socket, on_answer, self); /* aborts on lack of memory, else 0 */
    zloop_reader_set_tolerant(self->loop, socket);
    return 0;
}

static void close_socket(link_t *self)
{
    if (self->socket) {
        zloop_reader_end(self->loop, self->socket);
        zsock_destroy(&self->socket);
    }
}

int link_new(zloop_t *loop, const char *endpoint, link_call call, void *arg, link_t **out)
{
    link_t *self = alloc_zero(1, sizeof *self);
    *self = (link_t){ .loop = loop, .endpoint = endpoint, .call = call, .arg = arg };
    int rc = open_socket(self);
    if (rc != 0) {
        free(self);
        return rc;
    }
    *out = self;
    return 0;
}

void link_destroy(link_t **self_p)
{
    if (*self_p) {
        close_socket(*self_p);
        free(*self_p);
        *self_p = NULL;
    }
}

void link_send(link_t *self, const json_t *body, const struct reports_log *logs, size_t log_count,
               bool renew)
{
    CLEANUP(cleanup_free) void *data = NULL;
    size_t size = 0;
    if (renew || !self->socket) {
        close_socket(self);
        if (open_socket(self) != 0) {
            return;
        }
    }
    struct message_fault fault = { .text = "it breaks the limits of the wire" };
    int rc = message_check(MESSAGE_FROM_WORKER, body, &fault);
    if (rc == MESSAGE_OK) {
        rc = wire_encode(body, &data, &size);
    }
    if (rc != 0 || wire_check(data, size, &wire_worker_limits) != WIRE_OK) {
        log_error("drop our own message: %s", fault.text);
        return;
    }
    CLEANUP(zmsg_destroy) zmsg_t *message = zmsg_new();
    zmsg_addmem(message, data, size);
    for (size_t i = 0; i < log_count; i++) {
        zmsg_addmem(message, logs[i].text, logs[i].size);
    }
    if (zmsg_send(&message, self->socket) != 0) {
        log_debug("send to broker: %s", strerror(errno));
    }
}
