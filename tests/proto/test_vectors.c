#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <czmq.h>
#include <glob.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/envelope.h"
#include "proto/json_wire.h"
#include "proto/messages.h"
#include "proto/messages_table.h"

/* The bytes of a vector: hex digits, or a list of [hex digits, how often]. */
struct bytes {
    char *data; /* owned; of exactly this size, so that a read too far shows */
    size_t size;
};

static void bytes_clear(struct bytes *self)
{
    cleanup_free(&self->data);
}

static void add_hex(struct bytes *out, const char *hex, size_t times)
{
    size_t count = strlen(hex) / 2;
    out->data = alloc_resize(out->data, out->size + count * times, 1);
    for (size_t i = 0; i < count * times; i++) {
        char digits[3] = { hex[i % count * 2], hex[i % count * 2 + 1], '\0' };
        out->data[out->size++] = (char)strtol(digits, NULL, 16);
    }
}

static struct bytes bytes_of(const json_t *hex)
{
    struct bytes out = { 0 };
    if (json_is_string(hex)) {
        add_hex(&out, json_string_value(hex), 1);
    }
    for (size_t i = 0; i < json_array_size(hex); i++) {
        const json_t *part = json_array_get(hex, i);
        add_hex(&out, json_string_value(json_array_get(part, 0)),
                (size_t)json_integer_value(json_array_get(part, 1)));
    }
    return out;
}

typedef void vector_fn(const char *name, const json_t *vector);

/* Call check for every vector of a folder; how many there were. */
static size_t each_vector(const char *folder, vector_fn *check)
{
    CLEANUP(cleanup_free)
    char *pattern = alloc_format("%s/proto/vectors/%s/*.json", DBLEND_SOURCE_DIR, folder);
    glob_t found;
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_error_t error;
        CLEANUP(cleanup_json) json_t *vector = json_load_file(found.gl_pathv[i], 0, &error);
        if (!vector) {
            fail_msg("%s: %s", found.gl_pathv[i], error.text);
        }
        check(msg_str_or(vector, "name", "?"), vector);
    }
    size_t count = found.gl_pathc;
    globfree(&found);
    return count;
}

static enum message_side side_of(const json_t *vector)
{
    static const char *const words[] = { "from-worker", "to-worker", "from-submitter",
                                         "to-submitter", NULL };
    int side = 0;
    assert_int_equal(msg_word(vector, "side", words, &side), MSG_OK);
    return (enum message_side)side;
}

static const struct wire_limits *limits_of(enum message_side side)
{
    static const struct wire_limits *const limits[] = { &wire_worker_limits, &wire_answer_limits,
                                                        &wire_submitter_limits,
                                                        &wire_answer_limits };
    return limits[side];
}

static void message_is_taken(const char *name, const json_t *vector)
{
    enum message_side side = side_of(vector);
    CLEANUP(bytes_clear) struct bytes bytes = bytes_of(json_object_get(vector, "hex"));
    CLEANUP(cleanup_json) json_t *body = NULL;
    int rc = wire_decode(bytes.data, bytes.size, limits_of(side), &body);
    if (rc != WIRE_OK) {
        fail_msg("%s: %s", name, wire_outcome_name(rc));
    }
    if (!json_equal(body, json_object_get(vector, "value"))) {
        fail_msg("%s: decoded to another value", name);
    }
    struct message_fault fault = { "" };
    if (message_check(side, body, &fault) != MESSAGE_OK) {
        fail_msg("%s: %s", name, fault.text);
    }
    if (!msg_bool_or(vector, "canonical", true)) {
        return;
    }
    CLEANUP(cleanup_free) void *data = NULL;
    size_t size = 0;
    assert_int_equal(wire_encode(json_object_get(vector, "value"), &data, &size), 0);
    if (size != bytes.size || memcmp(data, bytes.data, size) != 0) {
        fail_msg("%s: encoded to other bytes", name);
    }
}

static void every_message_vector_is_taken_and_made_again(void **state)
{
    (void)state;
    assert_true(each_vector("messages", message_is_taken) > 40);
}

static const struct message_type *looked_for;
static bool found;

static void note_type(const char *name, const json_t *vector)
{
    (void)name;
    const json_t *value = json_object_get(vector, "value");
    found = found ||
            (side_of(vector) == looked_for->side && strcmp(msg_type(value), looked_for->type) == 0);
}

static void every_message_of_the_table_has_a_vector(void **state)
{
    (void)state;
    for (looked_for = message_types; looked_for->type; looked_for++) {
        found = false;
        (void)each_vector("messages", note_type);
        if (!found) {
            fail_msg("no vector for %s", looked_for->type);
        }
    }
}

static void message_is_refused(const char *name, const json_t *vector)
{
    enum message_side side = side_of(vector);
    CLEANUP(bytes_clear) struct bytes bytes = bytes_of(json_object_get(vector, "hex"));
    CLEANUP(cleanup_json) json_t *body = NULL;
    struct message_fault fault = { "" };
    int rc = wire_decode(bytes.data, bytes.size, limits_of(side), &body);
    const char *got = wire_outcome_name(rc);
    if (rc == WIRE_OK) {
        got = message_outcome_name(message_check(side, body, &fault));
    }
    const char *wanted = msg_str_or(vector, "reject", "?");
    if (strcmp(got, wanted) != 0) {
        fail_msg("%s: %s instead of %s", name, got, wanted);
    }
    if (strcmp(fault.text, msg_str_or(vector, "fault", "")) != 0) {
        fail_msg("%s: \"%s\"", name, fault.text);
    }
}

static void every_malformed_vector_is_refused_for_its_reason(void **state)
{
    (void)state;
    assert_true(each_vector("malformed", message_is_refused) > 60);
}

static void send_frames(zsock_t *peer, const json_t *frames)
{
    size_t count = json_array_size(frames);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(bytes_clear) struct bytes bytes = bytes_of(json_array_get(frames, i));
        int flags = i + 1 < count ? ZMQ_SNDMORE : 0;
        int sent = zmq_send(zsock_resolve(peer), bytes.data, bytes.size, flags);
        assert_int_equal(sent, bytes.size);
    }
}

static void envelope_is_judged(const char *name, const json_t *vector)
{
    const struct envelope_limits *limits = side_of(vector) == MESSAGE_FROM_WORKER
                                               ? &envelope_worker_limits
                                               : &envelope_submitter_limits;
    CLEANUP(cleanup_free) char *endpoint = alloc_format("inproc://vectors-%s", name);
    CLEANUP(zsock_destroy) zsock_t *router = zsock_new(ZMQ_ROUTER);
    CLEANUP(zsock_destroy) zsock_t *peer = zsock_new(ZMQ_DEALER);
    assert_int_equal(zsock_bind(router, "%s", endpoint), 0);
    const char *identity = msg_str_or(vector, "identity", NULL);
    if (identity) {
        zsock_set_identity(peer, identity);
    }
    assert_int_equal(zsock_connect(peer, "%s", endpoint), 0);
    send_frames(peer, json_object_get(vector, "frames"));
    zmq_pollitem_t item = { zsock_resolve(router), 0, ZMQ_POLLIN, 0 };
    assert_int_equal(zmq_poll(&item, 1, 5000), 1);
    struct envelope envelope;
    int rc = envelope_recv(router, limits, &envelope);
    bool good = msg_bool_or(vector, "good", false);
    if (rc != (good ? ENVELOPE_OK : ENVELOPE_MALFORMED)) {
        fail_msg("%s: outcome %d", name, rc);
    }
    if (rc == ENVELOPE_OK) {
        envelope_close(&envelope);
    }
    assert_int_equal(envelope_recv(router, limits, &envelope), ENVELOPE_EMPTY);
}

static void every_envelope_vector_is_taken_or_dropped(void **state)
{
    (void)state;
    assert_true(each_vector("envelopes", envelope_is_judged) > 10);
}

int main(void)
{
    zsys_handler_set(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_vector_is_taken_and_made_again),
        cmocka_unit_test(every_message_of_the_table_has_a_vector),
        cmocka_unit_test(every_malformed_vector_is_refused_for_its_reason),
        cmocka_unit_test(every_envelope_vector_is_taken_or_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
