#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <czmq.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "proto/cleanup.h"
#include "proto/envelope.h"
#include "proto/messages.h"

/* A broker's end and one peer that can send any shape. */
struct rig {
    zsock_t *router;
    zsock_t *peer;
};

static void rig_close(struct rig *rig)
{
    zsock_destroy(&rig->peer);
    zsock_destroy(&rig->router);
}

static struct rig rig_of(int peer_type, const char *identity)
{
    static int number;
    char endpoint[64];
    (void)snprintf(endpoint, sizeof endpoint, "inproc://envelope-%d", number++);
    struct rig rig = { zsock_new(ZMQ_ROUTER), zsock_new(peer_type) };
    zsock_set_router_mandatory(rig.router, 1);
    assert_int_equal(zsock_bind(rig.router, "%s", endpoint), 0);
    if (identity) {
        zsock_set_identity(rig.peer, identity);
    }
    zsock_set_rcvtimeo(rig.peer, 5000);
    assert_int_equal(zsock_connect(rig.peer, "%s", endpoint), 0);
    return rig;
}

static void wait_for(zsock_t *socket)
{
    zmq_pollitem_t item = { zsock_resolve(socket), 0, ZMQ_POLLIN, 0 };
    assert_int_equal(zmq_poll(&item, 1, 5000), 1);
}

/* Send so many frames of the given sizes and receive what the router makes of it. */
static int shape(const char *identity, const size_t *sizes, size_t count,
                 const struct envelope_limits *limits, struct envelope *out)
{
    CLEANUP(rig_close) struct rig rig = rig_of(ZMQ_DEALER, identity);
    static char bytes[WIRE_BLOB_BYTES + 1];
    void *socket = zsock_resolve(rig.peer);
    for (size_t i = 0; i < count; i++) {
        int flags = i + 1 < count ? ZMQ_SNDMORE : 0;
        assert_int_equal(zmq_send(socket, bytes, sizes[i], flags), sizes[i]);
    }
    wait_for(rig.router);
    int rc = envelope_recv(rig.router, limits, out);
    struct envelope next;
    assert_int_equal(envelope_recv(rig.router, limits, &next), ENVELOPE_EMPTY);
    return rc;
}

#define SHAPE(identity, limits, ...)                                                               \
    shape(identity, (const size_t[]){ __VA_ARGS__ },                                               \
          sizeof((const size_t[]){ __VA_ARGS__ }) / sizeof(size_t), limits, &envelope)

static void only_the_one_shape_is_a_message(void **state)
{
    (void)state;
    const struct envelope_limits *limits = &envelope_worker_limits;
    struct envelope envelope;
    assert_int_equal(SHAPE(NULL, limits, 4, 0, 10), ENVELOPE_OK);
    assert_int_equal(envelope.blobs, 0);
    envelope_close(&envelope);
    assert_int_equal(SHAPE(NULL, limits, 10), ENVELOPE_MALFORMED);
    assert_int_equal(SHAPE(NULL, limits, 0, 10), ENVELOPE_MALFORMED);
    assert_int_equal(SHAPE(NULL, limits, 4, 0), ENVELOPE_MALFORMED);
    assert_int_equal(SHAPE(NULL, limits, 5, 0, 10), ENVELOPE_MALFORMED);
    assert_int_equal(SHAPE(NULL, limits, 4, 1, 10), ENVELOPE_MALFORMED);
    assert_int_equal(SHAPE(NULL, limits, 0, 4, 10), ENVELOPE_MALFORMED);
    assert_int_equal(SHAPE(NULL, limits, 4, 0, WIRE_WORKER_BYTES + 1), ENVELOPE_MALFORMED);
}

static void up_to_four_blobs_come_along(void **state)
{
    (void)state;
    const struct envelope_limits *limits = &envelope_worker_limits;
    struct envelope envelope;
    assert_int_equal(SHAPE(NULL, limits, 4, 0, 10, 1, 2, 3, WIRE_BLOB_BYTES), ENVELOPE_OK);
    assert_int_equal(envelope.blobs, 4);
    size_t size = 0;
    assert_non_null(envelope_blob(&envelope, 1, &size));
    assert_int_equal(size, 2);
    assert_null(envelope_blob(&envelope, 4, &size));
    assert_int_equal(size, 0);
    envelope_close(&envelope);
    assert_int_equal(SHAPE(NULL, limits, 4, 0, 10, 1, 2, 3, 4, 5), ENVELOPE_MALFORMED);
    assert_int_equal(SHAPE(NULL, limits, 4, 0, 10, 1, 2, 3, 4, 5, 6, 7), ENVELOPE_MALFORMED);
    assert_int_equal(SHAPE(NULL, limits, 4, 0, 10, WIRE_BLOB_BYTES + 1), ENVELOPE_MALFORMED);
}

static void submitters_send_no_blobs(void **state)
{
    (void)state;
    struct envelope envelope;
    assert_int_equal(SHAPE(NULL, &envelope_submitter_limits, 4, 0, 200000), ENVELOPE_OK);
    envelope_close(&envelope);
    assert_int_equal(SHAPE(NULL, &envelope_submitter_limits, 4, 0, 10, 1), ENVELOPE_MALFORMED);
    assert_int_equal(SHAPE(NULL, &envelope_submitter_limits, 4, 0, 10, 0), ENVELOPE_MALFORMED);
}

static void a_routing_id_of_the_peers_choice_is_dropped(void **state)
{
    (void)state;
    struct envelope envelope;
    assert_int_equal(SHAPE("gpu-1", &envelope_worker_limits, 4, 0, 10), ENVELOPE_MALFORMED);
    assert_int_equal(SHAPE("somebody-else", &envelope_worker_limits, 4, 0, 10), ENVELOPE_MALFORMED);
}

/* What the router is told of a peer that came by this way. */
static int64_t peer_by(const char *endpoint)
{
    CLEANUP(rig_close) struct rig rig = { zsock_new(ZMQ_ROUTER), zsock_new(ZMQ_REQ) };
    assert_true(zsock_bind(rig.router, "%s", endpoint) >= 0);
    zsock_set_req_correlate(rig.peer, 1);
    assert_int_equal(zsock_connect(rig.peer, "%s", zsock_endpoint(rig.router)), 0);
    assert_int_equal(zmq_send(zsock_resolve(rig.peer), "body", 4, 0), 4);
    wait_for(rig.router);
    struct envelope envelope;
    assert_int_equal(envelope_recv(rig.router, &envelope_worker_limits, &envelope), ENVELOPE_OK);
    int64_t pid = envelope_peer_pid(&envelope);
    envelope_close(&envelope);
    return pid;
}

static void the_kernel_tells_who_a_local_peer_is(void **state)
{
    (void)state;
    char endpoint[64];
    (void)snprintf(endpoint, sizeof endpoint, "ipc://@envelope-%d", (int)getpid());
    assert_int_equal(peer_by(endpoint), getpid());
    assert_int_equal(peer_by("tcp://127.0.0.1:*"), -1);
    assert_int_equal(peer_by("inproc://envelope-peer"), -1);
}

static void nothing_to_read_is_said_so(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(ZMQ_DEALER, NULL);
    struct envelope envelope;
    assert_int_equal(envelope_recv(rig.router, &envelope_worker_limits, &envelope), ENVELOPE_EMPTY);
}

static void a_req_socket_gets_the_answer_to_its_request(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(ZMQ_REQ, NULL);
    zsock_set_req_relaxed(rig.peer, 1);
    zsock_set_req_correlate(rig.peer, 1);
    void *socket = zsock_resolve(rig.peer);
    struct envelope first;
    struct envelope second;
    assert_int_equal(zmq_send(socket, "one", 3, 0), 3);
    wait_for(rig.router);
    assert_int_equal(envelope_recv(rig.router, &envelope_worker_limits, &first), ENVELOPE_OK);
    assert_int_equal(zmq_send(socket, "two", 3, 0), 3);
    wait_for(rig.router);
    assert_int_equal(envelope_recv(rig.router, &envelope_worker_limits, &second), ENVELOPE_OK);
    size_t size = 0;
    assert_memory_equal(envelope_body(&second, &size), "two", 3);
    assert_int_equal(size, 3);
    /* the answer to the superseded request is not taken for the other's */
    assert_int_equal(envelope_send(rig.router, &first.from, "to one", 6), ENVELOPE_OK);
    assert_int_equal(envelope_send(rig.router, &second.from, "to two", 6), ENVELOPE_OK);
    char answer[10] = "";
    assert_int_equal(zmq_recv(socket, answer, sizeof answer, 0), 6);
    assert_string_equal(answer, "to two");
    envelope_close(&first);
    envelope_close(&second);
}

static void json_is_encoded_on_its_way(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(ZMQ_REQ, NULL);
    zsock_set_req_correlate(rig.peer, 1);
    void *socket = zsock_resolve(rig.peer);
    assert_int_equal(zmq_send(socket, "x", 1, 0), 1);
    wait_for(rig.router);
    struct envelope envelope;
    assert_int_equal(envelope_recv(rig.router, &envelope_worker_limits, &envelope), ENVELOPE_OK);
    CLEANUP(cleanup_json) json_t *body = msg_new("READY-AGAIN");
    assert_int_equal(envelope_send_json(rig.router, &envelope.from, body), ENVELOPE_OK);
    CLEANUP(cleanup_json) json_t *array = json_array();
    assert_int_equal(envelope_send_json(rig.router, &envelope.from, array), -EINVAL);
    char answer[100];
    int size = zmq_recv(socket, answer, sizeof answer, 0);
    CLEANUP(cleanup_json) json_t *back = NULL;
    assert_int_equal(wire_decode(answer, (size_t)size, &wire_worker_limits, &back), WIRE_OK);
    assert_true(json_equal(back, body));
    envelope_close(&envelope);
}

static void a_peer_that_is_gone_is_told(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(ZMQ_DEALER, NULL);
    const struct envelope_address nobody = { .peer = { 0, 1, 2, 3, 4 } };
    assert_int_equal(envelope_send(rig.router, &nobody, "x", 1), ENVELOPE_GONE);
    struct envelope envelope;
    assert_int_equal(envelope_recv(rig.router, &envelope_worker_limits, &envelope), ENVELOPE_EMPTY);
}

static void a_peer_that_does_not_read_is_full(void **state)
{
    (void)state;
    CLEANUP(zsock_destroy) zsock_t *router = zsock_new(ZMQ_ROUTER);
    CLEANUP(zsock_destroy) zsock_t *peer = zsock_new(ZMQ_DEALER);
    zsock_set_router_mandatory(router, 1);
    zsock_set_sndhwm(router, 1);
    zsock_set_rcvhwm(peer, 1);
    assert_int_equal(zsock_bind(router, "inproc://envelope-full"), 0);
    assert_int_equal(zsock_connect(peer, "inproc://envelope-full"), 0);
    void *socket = zsock_resolve(peer);
    assert_int_equal(zmq_send(socket, "1234", 4, ZMQ_SNDMORE), 4);
    assert_int_equal(zmq_send(socket, "", 0, ZMQ_SNDMORE), 0);
    assert_int_equal(zmq_send(socket, "x", 1, 0), 1);
    wait_for(router);
    struct envelope envelope;
    assert_int_equal(envelope_recv(router, &envelope_worker_limits, &envelope), ENVELOPE_OK);
    int rc = ENVELOPE_OK;
    for (int i = 0; i < 1000 && rc == ENVELOPE_OK; i++) {
        rc = envelope_send(router, &envelope.from, "x", 1);
    }
    assert_int_equal(rc, ENVELOPE_FULL);
    envelope_close(&envelope);
}

int main(void)
{
    zsys_handler_set(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_one_shape_is_a_message),
        cmocka_unit_test(up_to_four_blobs_come_along),
        cmocka_unit_test(submitters_send_no_blobs),
        cmocka_unit_test(a_routing_id_of_the_peers_choice_is_dropped),
        cmocka_unit_test(nothing_to_read_is_said_so),
        cmocka_unit_test(a_req_socket_gets_the_answer_to_its_request),
        cmocka_unit_test(the_kernel_tells_who_a_local_peer_is),
        cmocka_unit_test(json_is_encoded_on_its_way),
        cmocka_unit_test(a_peer_that_is_gone_is_told),
        cmocka_unit_test(a_peer_that_does_not_read_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
