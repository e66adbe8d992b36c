#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/worker_talk.h"
#include "proto/cleanup.h"
#include "proto/messages.h"

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

static void a_ready_is_read_whole(void **state)
{
    (void)state;
    CLEANUP(cleanup_json)
    json_t *body = parse(
        "{\"seq\": 4, \"worker\": \"id\", \"name\": \"h/cpu:0\", \"host\": \"h\","
        "\"pid\": 9, \"device\": \"cpu:0\", \"device_kind\": \"cpu\","
        "\"kinds\": [\"render\", \"bake\"], \"job\": 3,"
        "\"blenders\": [{\"version\": \"3.4.1\", \"path\": \"/b\","
        " \"denoiser\": true}],"
        "\"holding\": [{\"claim\": 10, \"phase\": \"proof\"}],"
        "\"reports\": [{\"claim\": 11, \"what\": \"swept\"}]}");
    struct queue_ready ready;
    assert_int_equal(worker_talk_ready(body, &ready), WORKER_TALK_OK);
    assert_int_equal(ready.seq, 4);
    assert_int_equal(ready.pid, 9);
    assert_int_equal(ready.job, 3);
    assert_int_equal(ready.device_kind, DEVICE_CPU);
    assert_true(ready.kinds[CLAIM_RENDER]);
    assert_false(ready.kinds[CLAIM_INSPECT]);
    assert_int_equal(ready.blender_count, 1);
    assert_true(ready.blenders[0].denoiser);
    assert_int_equal(ready.claim_count, 2);
    assert_int_equal(ready.claims[0], 10);
    assert_int_equal(ready.claims[1], 11);
}

static void a_sync_is_read_whole(void **state)
{
    (void)state;
    CLEANUP(cleanup_json)
    json_t *body = parse(
        "{\"session\": 2, \"seq\": 5, \"seen\": 1, \"job\": 3, \"want\": 2, \"leave\": true,"
        "\"state\": \"rendering\", \"holding\": [{\"claim\": 10, \"phase\": \"ahead\"}],"
        "\"progress\": {\"claim\": 10, \"text\": \"sample 1/2\", \"done\": 1, \"total\": 2},"
        "\"reports\": [{\"claim\": 7, \"what\": \"returned\", \"charge\": true},"
        "{\"claim\": 8, \"what\": \"error\", \"code\": \"crashed\", \"text\": \"t\","
        " \"fatal\": true, \"log\": true},"
        "{\"claim\": 9, \"what\": \"finished\", \"ms\": 40, \"files\": [], \"digest\": \"d\","
        " \"warnings\": null, \"log\": true}]}");
    struct queue_sync sync;
    struct worker_talk_logs logs;
    assert_int_equal(worker_talk_sync(body, &sync, &logs), WORKER_TALK_OK);
    assert_int_equal(sync.job, 3);
    assert_true(sync.leave);
    assert_int_equal(sync.seen, 1);
    assert_int_equal(sync.state, WORKER_RENDERING);
    assert_int_equal(sync.holding[0].phase, PHASE_AHEAD);
    assert_string_equal(sync.progress_text, "sample 1/2");
    assert_int_equal(sync.report_count, 3);
    assert_true(sync.reports[0].charge);
    assert_string_equal(sync.reports[1].code, "crashed");
    assert_true(sync.reports[1].fatal);
    assert_false(sync.reports[0].fatal);
    assert_int_equal(sync.reports[2].ms, 40);
    assert_null(sync.reports[2].warnings);
    assert_int_equal(logs.count, 2);
    assert_int_equal(logs.log[1].claim, 9);
    assert_int_equal(logs.log[1].blob, 1);
}

static void an_empty_sync_is_one(void **state)
{
    (void)state;
    CLEANUP(cleanup_json)
    json_t *body = parse(
        "{\"session\": 2, \"seq\": 5, \"seen\": 0, \"want\": 0, \"job\": null,"
        "\"state\": \"idle\", \"holding\": [], \"reports\": []}");
    struct queue_sync sync;
    struct worker_talk_logs logs;
    assert_int_equal(worker_talk_sync(body, &sync, &logs), WORKER_TALK_OK);
    assert_int_equal(sync.job, 0);
    assert_int_equal(sync.progress_claim, 0);
    assert_null(sync.progress_text);
}

static void words_that_are_none_are_malformed(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"state\": \"lost\"}",
        "{\"state\": \"sleeping\"}",
        "{}",
        "{\"state\": \"idle\", \"holding\": [{\"claim\": 1, \"phase\": \"x\"}]}",
        "{\"state\": \"idle\", \"reports\": [{\"claim\": 1, \"what\": \"x\"}]}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        CLEANUP(cleanup_json) json_t *body = parse(bodies[i]);
        struct queue_sync sync;
        struct worker_talk_logs logs;
        assert_int_equal(worker_talk_sync(body, &sync, &logs), WORKER_TALK_MALFORMED);
    }
}

/* Whatever the broker sends is what the message table of the other side takes. */
static void answers_are_what_a_worker_takes(void **state)
{
    (void)state;
    struct queue_config config = { .farm = "0123456789abcdef", .first_session = 1 };
    CLEANUP(queue_destroy) queue_t *queue = queue_new(&config);
    struct queue_answer answer = { .session = 3, .seq = 9, .park_ms = 1000 };
    answer.orders.n = 4;
    answer.orders.drain = DRAIN_SOFT;
    answer.orders.rest = DRAIN_NOW;
    answer.orders.pause = true;
    answer.orders.stop[answer.orders.stop_count++] = 70;
    answer.settled[answer.settled_count++] =
        (struct queue_settled){ .claim = 71, .what = REPORT_FINISHED, .accepted = true };
    answer.stale[answer.stale_count++] = 72;
    answer.grants[answer.grant_count++] = (struct queue_grant){
        .claim = 73, .kind = CLAIM_RENDER, .job = 1, .frame = -3, .attempt = 2, .sighted = true
    };
    answer.grants[0].again = true;
    answer.grants[0].abandoned = true;
    answer.grants[0].sighting.inode = 77;
    CLEANUP(cleanup_json)
    json_t *body = worker_talk_answer(&answer, config.farm, queue, NULL);
    struct message_fault fault = { "" };
    assert_int_equal(message_check(MESSAGE_TO_WORKER, body, &fault), MESSAGE_OK);
    const json_t *grant = json_array_get(json_object_get(body, "grants"), 0);
    assert_int_equal(msg_int_or(grant, "frame", 0), -3);
    assert_null(json_object_get(grant, "known"));
    assert_string_equal(msg_str_or(json_object_get(body, "orders"), "drain", ""), "soft");
    assert_string_equal(msg_str_or(json_object_get(body, "orders"), "rest", ""), "now");

    CLEANUP(cleanup_json) json_t *said = parse("[72]");
    assert_true(json_equal(json_object_get(body, "stale"), said));
    assert_true(msg_bool_or(json_object_get(body, "orders"), "pause", false));
    assert_true(msg_bool_or(grant, "again", false));
    const json_t *sighting = msg_map_or_null(grant, "sighting");
    assert_int_equal(msg_int_or(sighting, "inode", 0), 77);
    assert_true(msg_bool_or(sighting, "abandoned", false));

    CLEANUP(cleanup_json) json_t *again = worker_talk_ready_again(4);
    assert_int_equal(message_check(MESSAGE_TO_WORKER, again, NULL), MESSAGE_OK);
    CLEANUP(cleanup_json) json_t *refused = worker_talk_refused(4, "version", "text", "hint");
    assert_int_equal(message_check(MESSAGE_TO_WORKER, refused, NULL), MESSAGE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ready_is_read_whole),
        cmocka_unit_test(a_sync_is_read_whole),
        cmocka_unit_test(an_empty_sync_is_one),
        cmocka_unit_test(words_that_are_none_are_malformed),
        cmocka_unit_test(answers_are_what_a_worker_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
