#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <czmq.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/cleanup.h"
#include "proto/client.h"
#include "proto/clock.h"
#include "proto/envelope.h"
#include "proto/json_wire.h"
#include "proto/messages.h"

static char folder[32];
static char endpoint[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/dblend-test-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/s", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(endpoint + strlen("ipc://"));
    return rmdir(folder);
}

/* As usual, but faster where something is waited for. */
static const struct client_times times = {
    .first_ms = 100, .deaf_ms = 10000, .overdue_ms = 100, .outlive_ms = 60000
};

/*
 * A broker in a thread. Its script says what to do with each request in turn, a letter each:
 *
 *     o  answer OK, with "got": the request's type, "again": the same bytes as before, and
 *        "sockets": of the client, so far
 *     e  answer ERROR
 *     m  answer no map
 *     v  answer OK of version 2
 *     d  drop it
 *     r  restart the socket, then go on
 */
static void broker(zsock_t *pipe, void *script)
{
    CLEANUP(zsock_destroy) zsock_t *router = zsock_new(ZMQ_ROUTER);
    assert_int_equal(zsock_bind(router, "%s", endpoint), 0);
    zsock_signal(pipe, 0);
    CLEANUP(zpoller_destroy) zpoller_t *poller = zpoller_new(pipe, router, NULL);
    const char *step = script;
    CLEANUP(zchunk_destroy) zchunk_t *before = NULL;
    struct envelope_address last = { { 0 }, { 0 } };
    int sockets = 0;
    while (zpoller_wait(poller, -1) == router) {
        struct envelope envelope;
        if (envelope_recv(router, &envelope_submitter_limits, &envelope) != ENVELOPE_OK) {
            continue;
        }
        size_t size = 0;
        const void *bytes = envelope_body(&envelope, &size);
        CLEANUP(cleanup_json) json_t *request = NULL;
        assert_int_equal(wire_decode(bytes, size, &wire_submitter_limits, &request), WIRE_OK);
        CLEANUP(cleanup_json) json_t *answer = msg_new(*step == 'e' ? "ERROR" : "OK");
        msg_set_str(answer, "got", msg_type(request));
        msg_set_bool(answer, "again",
                     before && zchunk_size(before) == size &&
                         memcmp(zchunk_data(before), bytes, size) == 0);
        sockets += memcmp(last.peer, envelope.from.peer, sizeof last.peer) != 0;
        last = envelope.from;
        msg_set_int(answer, "sockets", sockets);
        zchunk_destroy(&before);
        before = zchunk_new(bytes, size);
        if (*step == 'e') {
            msg_set_str(answer, "code", "no-such-job");
            msg_set_str(answer, "text", "there is no job 7");
            msg_set_str(answer, "hint", "see `dblend list`");
            msg_set_int(answer, "job", 7);
        }
        if (*step == 'v') {
            msg_set_int(answer, "v", 2);
        }
        if (*step == 'm') {
            (void)envelope_send(router, &envelope.from, "\x90", 1);
        } else if (*step != 'd' && *step != 'r') {
            (void)envelope_send_json(router, &envelope.from, answer);
        }
        if (*step == 'r') {
            zpoller_destroy(&poller);
            zsock_destroy(&router);
            router = zsock_new(ZMQ_ROUTER);
            assert_int_equal(zsock_bind(router, "%s", endpoint), 0);
            poller = zpoller_new(pipe, router, NULL);
        }
        envelope_close(&envelope);
        step += step[1] != '\0'; /* the last letter repeats */
    }
}

static client_t *new_client(void)
{
    client_t *client = client_new(endpoint);
    client_set_times(client, &times);
    return client;
}

static int ask(client_t *client, const char *type, int64_t timeout_ms, json_t **answer,
               struct client_error *error)
{
    CLEANUP(cleanup_json) json_t *request = msg_new(type);
    return client_ask(client, request, timeout_ms, answer, error);
}

static zactor_t *broker_of(const char *script)
{
    return zactor_new(broker, (void *)(uintptr_t)script);
}

static void an_answer_comes_back_after_a_hello(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("o");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    assert_null(client_hello(client));
    CLEANUP(cleanup_json) json_t *answer = NULL;
    assert_int_equal(ask(client, "LIST", -1, &answer, NULL), CLIENT_OK);
    assert_string_equal(msg_str_or(answer, "got", ""), "LIST");
    assert_string_equal(msg_str_or(client_hello(client), "got", ""), "HELLO");
}

static void no_broker_is_known_after_a_second(void **state)
{
    (void)state;
    CLEANUP(client_destroy) client_t *client = client_new(endpoint); /* in its usual time */
    CLEANUP(cleanup_json) json_t *answer = NULL;
    struct client_error error = { .job = 5 };
    int64_t before_ms = clock_mono_ms();
    assert_int_equal(ask(client, "LIST", -1, &answer, &error), CLIENT_NO_BROKER);
    assert_in_range(clock_mono_ms() - before_ms, 990, 1900);
    assert_string_equal(error.code, "no-broker");
    assert_non_null(strstr(error.hint, "dblend farm"));
    assert_int_equal(error.job, 0);
    assert_null(answer);
}

static void a_broker_that_comes_within_the_second_is_found(void **state)
{
    (void)state;
    CLEANUP(client_destroy) client_t *client = new_client();
    CLEANUP(cleanup_json) json_t *none = NULL;
    assert_int_equal(ask(client, "LIST", 50, &none, NULL), CLIENT_TIMEOUT);
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("o");
    assert_non_null(actor);
    CLEANUP(cleanup_json) json_t *answer = NULL;
    assert_int_equal(ask(client, "LIST", 5000, &answer, NULL), CLIENT_OK);
    assert_string_equal(msg_str_or(answer, "got", ""), "LIST");
}

static void an_error_answer_is_a_refusal_with_its_words(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("oe");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    CLEANUP(cleanup_json) json_t *answer = NULL;
    struct client_error error;
    assert_int_equal(ask(client, "SHOW", -1, &answer, &error), CLIENT_REFUSED);
    assert_string_equal(error.code, "no-such-job");
    assert_string_equal(error.text, "there is no job 7");
    assert_int_equal(error.job, 7);
    assert_null(answer);
}

static void what_is_not_of_this_protocol_is_malformed(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("omv");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    CLEANUP(cleanup_json) json_t *answer = NULL;
    assert_int_equal(ask(client, "LIST", -1, &answer, NULL), CLIENT_MALFORMED);
    assert_int_equal(ask(client, "LIST", -1, &answer, NULL), CLIENT_MALFORMED);
    assert_null(answer);
}

static void a_lost_answer_is_asked_for_again(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("odo");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    CLEANUP(cleanup_json) json_t *answer = NULL;
    assert_int_equal(ask(client, "LIST", -1, &answer, NULL), CLIENT_OK);
    assert_string_equal(msg_str_or(answer, "got", ""), "LIST");
}

static void a_change_is_asked_for_again_byte_for_byte(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("oddddo");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    CLEANUP(cleanup_json) json_t *request = msg_new("CLEAR");
    client_add_key(request);
    CLEANUP(cleanup_json) json_t *answer = NULL;
    /* more often than one socket is trusted */
    assert_int_equal(client_ask(client, request, -1, &answer, NULL), CLIENT_OK);
    assert_string_equal(msg_str_or(answer, "got", ""), "CLEAR");
    assert_true(msg_bool_or(answer, "again", false));
    assert_in_range(msg_int_or(answer, "sockets", 0), 2, 3);
}

static void a_broker_that_never_answers_is_none(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("d");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    struct client_times short_times = times;
    short_times.deaf_ms = 300;
    client_set_times(client, &short_times);
    CLEANUP(cleanup_json) json_t *answer = NULL;
    int64_t before_ms = clock_mono_ms();
    assert_int_equal(ask(client, "LIST", -1, &answer, NULL), CLIENT_NO_BROKER);
    assert_true(clock_mono_ms() - before_ms >= short_times.deaf_ms);
}

static void a_broker_that_stays_away_is_lost(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("od");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    struct client_times short_times = times;
    short_times.outlive_ms = 500;
    client_set_times(client, &short_times);
    CLEANUP(cleanup_json) json_t *answer = NULL;
    struct client_error error;
    int64_t before_ms = clock_mono_ms();
    assert_int_equal(ask(client, "LIST", -1, &answer, &error), CLIENT_LOST);
    assert_true(clock_mono_ms() - before_ms >= short_times.outlive_ms);
    assert_string_equal(error.code, "no-broker");
}

static void a_request_that_may_be_parked_is_not_overdue_before(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("odo");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    CLEANUP(cleanup_json) json_t *request = msg_new("WAIT");
    msg_set(request, "jobs", json_array());
    msg_set_int(request, "wait_ms", 300);
    CLEANUP(cleanup_json) json_t *answer = NULL;
    int64_t before_ms = clock_mono_ms();
    assert_int_equal(client_ask(client, request, -1, &answer, NULL), CLIENT_OK);
    assert_true(clock_mono_ms() - before_ms >= 300 + times.overdue_ms);
}

static void count_notice(void *context, enum client_notice notice)
{
    int *counts = context;
    counts[notice]++;
}

static void a_restart_is_outlived_and_told_once(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("oro");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    int counts[2] = { 0, 0 };
    client_set_notice(client, count_notice, counts);
    CLEANUP(cleanup_json) json_t *answer = NULL;
    assert_int_equal(ask(client, "LIST", -1, &answer, NULL), CLIENT_OK);
    assert_int_equal(counts[CLIENT_NOTICE_SILENT], 1);
    assert_int_equal(counts[CLIENT_NOTICE_BACK], 1);
}

static void the_callers_timeout_holds_in_a_silence_too(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("od");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    CLEANUP(cleanup_json) json_t *answer = NULL;
    int64_t before_ms = clock_mono_ms();
    assert_int_equal(ask(client, "LIST", 150, &answer, NULL), CLIENT_TIMEOUT);
    assert_in_range(clock_mono_ms() - before_ms, 140, 1000);
}

static void a_wake_descriptor_ends_the_wait(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("odo");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    client_set_wake(client, ends[0]);
    assert_int_equal(write(ends[1], "x", 1), 1);
    CLEANUP(cleanup_json) json_t *answer = NULL;
    int rc = ask(client, "LIST", -1, &answer, NULL);
    assert_int_equal(rc, CLIENT_INTERRUPTED);
    client_set_wake(client, -1);
    assert_int_equal(ask(client, "LIST", -1, &answer, NULL), CLIENT_OK);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void a_request_over_the_limits_is_not_sent(void **state)
{
    (void)state;
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("o");
    assert_non_null(actor);
    CLEANUP(client_destroy) client_t *client = new_client();
    CLEANUP(cleanup_json) json_t *request = msg_new("WAIT");
    json_t *jobs = json_array();
    for (int i = 0; i < 20000; i++) {
        json_array_append_new(jobs, json_integer(i));
    }
    msg_set(request, "jobs", jobs);
    CLEANUP(cleanup_json) json_t *answer = NULL;
    assert_int_equal(client_ask(client, request, -1, &answer, NULL), CLIENT_TOO_LARGE);
}

static void a_key_is_added_once(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *request = msg_new("CLEAR");
    client_add_key(request);
    const char *key = NULL;
    assert_int_equal(msg_hex(request, "key", 32, &key), MSG_OK);
    CLEANUP(cleanup_json) json_t *before = json_deep_copy(request);
    client_add_key(request);
    assert_true(json_equal(before, request));
    assert_int_equal(message_check(MESSAGE_FROM_SUBMITTER, request, NULL), MESSAGE_OK);
    CLEANUP(cleanup_json) json_t *other = msg_new("CLEAR");
    client_add_key(other);
    assert_string_not_equal(msg_str_or(other, "key", ""), key);
}

static void listening_is_seen_without_asking(void **state)
{
    (void)state;
    assert_false(client_is_listening(endpoint));
    assert_true(client_is_listening("tcp://127.0.0.1:1"));
    CLEANUP(zactor_destroy) zactor_t *actor = broker_of("o");
    assert_non_null(actor);
    assert_true(client_is_listening(endpoint));
    zactor_destroy(&actor);
    /* libzmq closes in a thread of its own, a moment later */
    int64_t until_ms = clock_mono_ms() + 5000;
    while (client_is_listening(endpoint) && clock_mono_ms() < until_ms) {
        (void)sched_yield();
    }
    assert_false(client_is_listening(endpoint));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    zsys_handler_set(NULL);
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_back_after_a_hello),
        TEST(no_broker_is_known_after_a_second),
        TEST(a_broker_that_comes_within_the_second_is_found),
        TEST(an_error_answer_is_a_refusal_with_its_words),
        TEST(what_is_not_of_this_protocol_is_malformed),
        TEST(a_lost_answer_is_asked_for_again),
        TEST(a_change_is_asked_for_again_byte_for_byte),
        TEST(a_broker_that_never_answers_is_none),
        TEST(a_broker_that_stays_away_is_lost),
        TEST(a_request_that_may_be_parked_is_not_overdue_before),
        TEST(a_restart_is_outlived_and_told_once),
        TEST(the_callers_timeout_holds_in_a_silence_too),
        TEST(a_wake_descriptor_ends_the_wait),
        TEST(a_request_over_the_limits_is_not_sent),
        TEST(a_key_is_added_once),
        TEST(listening_is_seen_without_asking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
