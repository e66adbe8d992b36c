#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/session.h"

/* One talk: what was sent last, and what the session told its owner. */
struct talk {
    session_t *session;
    reports_t *reports;
    json_t *kinds, *blenders, *types;
    const char *rests; /* why, or NULL */
    json_t *sent;      /* the last message */
    int sends, renewals;
    size_t logs;
    int want;
    bool leave;
    int64_t job;
    int64_t stale, granted;
    int readies, jobs, lefts, refusals;
    struct session_orders orders;
    int answered_want;
    size_t answered_grants;
};

static void describe(void *ctx, bool ready, struct session_now *out)
{
    struct talk *talk = ctx;
    (void)ready;
    out->job = talk->job;
    out->want = talk->want;
    out->leave = talk->leave;
    out->state = "idle";
    out->telemetry = json_pack("{s:i}", "gpu_temperature_c", 91);
    out->rest = talk->rests ? json_pack("{s:s}", "code", talk->rests) : NULL;
}

static void send_message(void *ctx, const json_t *body, const struct reports_log *logs,
                         size_t log_count, bool renew)
{
    struct talk *talk = ctx;
    (void)logs;
    json_decref(talk->sent);
    talk->sent = json_deep_copy(body);
    talk->sends++;
    talk->renewals += renew;
    talk->logs = log_count;
}

static void on_ready(void *ctx, const char *farm)
{
    struct talk *talk = ctx;
    assert_string_equal(farm, "0123456789abcdef");
    talk->readies++;
}

static void on_job(void *ctx, json_t *about)
{
    (void)about;
    ((struct talk *)ctx)->jobs++;
}

static void on_grant(void *ctx, json_t *grant)
{
    ((struct talk *)ctx)->granted = json_integer_value(json_object_get(grant, "claim"));
}

static void on_stale(void *ctx, int64_t claim)
{
    ((struct talk *)ctx)->stale = claim;
}

static void on_orders(void *ctx, const struct session_orders *orders)
{
    ((struct talk *)ctx)->orders = *orders;
}

static void on_answered(void *ctx, int want, size_t grants)
{
    ((struct talk *)ctx)->answered_want = want;
    ((struct talk *)ctx)->answered_grants = grants;
}

static void on_left(void *ctx)
{
    ((struct talk *)ctx)->lefts++;
}

static void on_refused(void *ctx, const char *code, const char *text, const char *hint)
{
    (void)text;
    (void)hint;
    assert_string_equal(code, "version");
    ((struct talk *)ctx)->refusals++;
}

static int begin(void **state)
{
    struct talk *talk = calloc(1, sizeof *talk);
    assert_non_null(talk);
    const struct session_calls calls = { talk,        describe, send_message, on_ready,
                                         on_job,      on_grant, on_stale,     on_orders,
                                         on_answered, on_left,  on_refused };
    talk->kinds = json_pack("[s]", "render");
    talk->blenders = json_array();
    talk->types = json_pack("[s]", "OPTIX");
    talk->reports = reports_new();
    const struct session_self me = { "0123456789abcdef0123456789abcdef",
                                     "h/cpu:0",
                                     "h",
                                     "cpu:0",
                                     "cpu",
                                     77,
                                     talk->kinds,
                                     talk->blenders,
                                     (int64_t)24 << 30,
                                     talk->types,
                                     "GPU 2 (A5000)",
                                     true,
                                     2,
                                     (int64_t)48 << 30,
                                     8 };
    talk->session = session_new(&me, &calls, talk->reports, 4711, 0);
    *state = talk;
    return 0;
}

static int end(void **state)
{
    struct talk *talk = *state;
    session_destroy(&talk->session);
    reports_destroy(&talk->reports);
    json_decref(talk->kinds);
    json_decref(talk->blenders);
    json_decref(talk->types);
    json_decref(talk->sent);
    free(talk);
    return 0;
}

static int64_t sent_int(const struct talk *talk, const char *key)
{
    return json_integer_value(json_object_get(talk->sent, key));
}

static const char *sent_type(const struct talk *talk)
{
    return json_string_value(json_object_get(talk->sent, "t"));
}

/* Answer the last message at that time with these further keys. */
static void answer(struct talk *talk, int64_t now_ms, const char *more)
{
    json_t *body = json_loads(more, 0, NULL);
    assert_non_null(body);
    json_object_set_new(body, "t", json_string("ANSWER"));
    json_object_set_new(body, "seq", json_integer(sent_int(talk, "seq")));
    json_object_set_new(body, "session", json_integer(5));
    json_object_set_new(body, "park_ms", json_integer(1000));
    json_object_set_new(body, "farm", json_string("0123456789abcdef"));
    session_answer(talk->session, body, now_ms);
    json_decref(body);
}

static void answer_type(struct talk *talk, int64_t now_ms, const char *type)
{
    json_t *body = json_pack("{s:s, s:I, s:s}", "t", type, "seq", (json_int_t)sent_int(talk, "seq"),
                             "code", "version");
    session_answer(talk->session, body, now_ms);
    json_decref(body);
}

static const char *sent_text(const struct talk *talk, const char *key)
{
    return json_string_value(json_object_get(talk->sent, key));
}

/* READY and its answer. */
static void get_ready(struct talk *talk)
{
    (void)session_tick(talk->session, 0);
    answer(talk, 1, "{}");
    (void)session_tick(talk->session, 1);
}

static void it_says_what_its_card_is_and_does(void **state)
{
    struct talk *talk = *state;
    (void)session_tick(talk->session, 0);
    assert_int_equal(sent_int(talk, "memory_bytes"), (int64_t)24 << 30);
    assert_string_equal(sent_text(talk, "device_name"), "GPU 2 (A5000)");
    assert_true(json_is_true(json_object_get(talk->sent, "draws_shared")));
    assert_int_equal(sent_int(talk, "cards"), 2);
    assert_int_equal(sent_int(talk, "regroups"), 8);
    assert_int_equal(sent_int(talk, "largest_bytes"), (int64_t)48 << 30);
    assert_true(json_equal(json_object_get(talk->sent, "device_types"), talk->types));
    answer(talk, 1, "{}");
    (void)session_tick(talk->session, 1);
    const json_t *telemetry = json_object_get(talk->sent, "telemetry");
    assert_int_equal(json_integer_value(json_object_get(telemetry, "gpu_temperature_c")), 91);
    assert_null(json_object_get(talk->sent, "rest"));
    talk->rests = "too-hot";
    session_touch(talk->session);
    (void)session_tick(talk->session, 2);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(talk->sent, "rest"), "code")), "too-hot");
}

static void add_report(struct talk *talk, int64_t claim, const char *what)
{
    json_t *report = report_new(claim, what);
    json_object_set_new(report, "blender", json_string("3.4.1"));
    char *log = NULL;
    reports_add(talk->reports, &report, &log, 0);
}

static void ready_comes_first_then_sync(void **state)
{
    struct talk *talk = *state;
    assert_int_equal(session_tick(talk->session, 100), 100 + 1000 + 2000);
    assert_string_equal(sent_type(talk), "READY");
    assert_int_equal(sent_int(talk, "pid"), 77);
    assert_int_equal(talk->readies, 0);
    answer(talk, 200, "{}");
    assert_int_equal(talk->readies, 1);
    (void)session_tick(talk->session, 200);
    assert_string_equal(sent_type(talk), "SYNC");
    assert_int_equal(sent_int(talk, "session"), 5);
    assert_int_equal(sent_int(talk, "seq"), 2);
    assert_int_equal(talk->sends, 2);
}

static void nothing_is_sent_while_the_answer_is_parked(void **state)
{
    struct talk *talk = *state;
    get_ready(talk);
    int sends = talk->sends;
    (void)session_tick(talk->session, 500);
    (void)session_tick(talk->session, 2900);
    assert_int_equal(talk->sends, sends);
}

static void news_supersede_a_parked_message(void **state)
{
    struct talk *talk = *state;
    get_ready(talk);
    add_report(talk, 9, "started");
    session_touch(talk->session);
    (void)session_tick(talk->session, 10);
    assert_int_equal(json_array_size(json_object_get(talk->sent, "reports")), 1);
    assert_int_equal(sent_int(talk, "seq"), 3);
}

static void news_that_may_wait_go_with_others(void **state)
{
    struct talk *talk = *state;
    get_ready(talk);
    int sends = talk->sends;
    session_touch_by(talk->session, 20);
    assert_int_equal(session_tick(talk->session, 10), 20);
    session_touch_by(talk->session, 30); /* no later for that */
    assert_int_equal(session_tick(talk->session, 19), 20);
    assert_int_equal(talk->sends, sends);
    (void)session_tick(talk->session, 20);
    assert_int_equal(talk->sends, sends + 1);
    session_touch_by(talk->session, 40);
    session_touch(talk->session);
    (void)session_tick(talk->session, 21);
    assert_int_equal(talk->sends, sends + 2);
    assert_true(session_tick(talk->session, 40) > 40); /* it has been said */
    assert_int_equal(talk->sends, sends + 2);
}

static void a_report_is_repeated_until_it_is_settled(void **state)
{
    struct talk *talk = *state;
    get_ready(talk);
    add_report(talk, 9, "started");
    add_report(talk, 9, "returned");
    session_touch(talk->session);
    (void)session_tick(talk->session, 10);
    answer(talk, 20,
           "{\"settled\": [{\"claim\": 9, \"what\": \"started\", \"st\": \"accepted\"}]}");
    (void)session_tick(talk->session, 20);
    assert_int_equal(json_array_size(json_object_get(talk->sent, "reports")), 1);
    answer(talk, 30,
           "{\"settled\": [{\"claim\": 9, \"what\": \"returned\", \"st\": \"accepted\"}]}");
    (void)session_tick(talk->session, 30);
    assert_int_equal(json_array_size(json_object_get(talk->sent, "reports")), 0);
    assert_int_equal(talk->stale, 0);
}

static void a_stale_report_ends_the_claim(void **state)
{
    struct talk *talk = *state;
    get_ready(talk);
    add_report(talk, 9, "started");
    answer(talk, 20, "{\"settled\": [{\"claim\": 9, \"what\": \"started\", \"st\": \"stale\"}]}");
    assert_int_equal(talk->stale, 9);
    assert_int_equal(reports_count(talk->reports), 0);
}

static void a_stale_claim_takes_its_reports_along(void **state)
{
    struct talk *talk = *state;
    get_ready(talk);
    add_report(talk, 9, "returned");
    add_report(talk, 10, "returned");
    answer(talk, 20, "{\"stale\": [9]}");
    assert_int_equal(talk->stale, 9);
    assert_int_equal(reports_count(talk->reports), 1);
}

static void overdue_answers_are_asked_for_on_a_timer_only(void **state)
{
    struct talk *talk = *state;
    get_ready(talk);
    int64_t now_ms = 1;
    int64_t due_ms = session_tick(talk->session, now_ms);
    int64_t pauses[5];
    int sends = talk->sends;
    assert_int_equal(due_ms, 1 + 3000);
    for (int i = 0; i < 5; i++) {
        now_ms = due_ms;
        due_ms = session_tick(talk->session, now_ms);
        pauses[i] = due_ms - now_ms;
        session_touch(talk->session); /* news wait for the timer as well */
        assert_int_equal(session_tick(talk->session, now_ms + 1), due_ms);
        assert_int_equal(talk->sends, sends + i + 1);
        int64_t whole = i < 4 ? 1000 << i : 10000;
        assert_in_range(pauses[i], whole * 3 / 4, whole * 5 / 4);
    }
    assert_int_equal(talk->renewals, 1);
    answer(talk, now_ms, "{}");
    assert_int_equal(session_tick(talk->session, now_ms), now_ms + 3000);
}

static void a_late_answer_to_an_older_message_is_ignored(void **state)
{
    struct talk *talk = *state;
    get_ready(talk);
    json_t *old =
        json_pack("{s:s, s:I, s:i, s:[{s:i}]}", "t", "ANSWER", "seq",
                  (json_int_t)sent_int(talk, "seq") - 1, "session", 5, "grants", "claim", 3);
    session_answer(talk->session, old, 20);
    json_decref(old);
    assert_int_equal(talk->granted, 0);
}

static void an_unknown_session_says_ready_again(void **state)
{
    struct talk *talk = *state;
    get_ready(talk);
    talk->job = 3;
    int64_t seq = sent_int(talk, "seq");
    answer_type(talk, 20, "READY-AGAIN");
    (void)session_tick(talk->session, 20);
    assert_string_equal(sent_type(talk), "READY");
    assert_int_equal(sent_int(talk, "seq"), seq + 1); /* it never restarts */
    assert_int_equal(sent_int(talk, "job"), 3);
    int sends = talk->sends;
    answer_type(talk, 21, "READY-AGAIN"); /* of a READY: no loop at full speed */
    (void)session_tick(talk->session, 21);
    assert_int_equal(talk->sends, sends);
}

static void orders_of_an_old_session_have_not_been_seen(void **state)
{
    struct talk *talk = *state;
    get_ready(talk);
    answer(talk, 20, "{\"orders\": {\"n\": 6}}");
    (void)session_tick(talk->session, 20);
    assert_int_equal(sent_int(talk, "seen"), 6);
    answer_type(talk, 21, "READY-AGAIN");
    (void)session_tick(talk->session, 21);
    answer(talk, 22, "{}");
    (void)session_tick(talk->session, 22);
    assert_string_equal(sent_type(talk), "SYNC");
    assert_int_equal(sent_int(talk, "seen"), 0);
}

static void grants_and_orders_reach_the_owner(void **state)
{
    struct talk *talk = *state;
    talk->want = 2;
    get_ready(talk);
    answer(talk, 20,
           "{\"job\": {\"job\": 4}, \"grants\": [{\"claim\": 8}], \"orders\": {\"n\": 6, \"pause\":"
           " true, \"drain\": \"now\", \"rest\": \"soft\", \"return\": true, \"stop\": [1]}}");
    assert_int_equal(talk->jobs, 1);
    assert_int_equal(talk->granted, 8);
    assert_true(talk->orders.pause && talk->orders.give_back && talk->orders.drain);
    assert_true(talk->orders.rest && !talk->orders.rest_now);
    assert_true(talk->orders.now);
    assert_int_equal(talk->answered_want, 2);
    assert_int_equal(talk->answered_grants, 1);
    (void)session_tick(talk->session, 20);
    assert_int_equal(sent_int(talk, "seen"), 6);
}

static void leaving_is_the_last_word(void **state)
{
    struct talk *talk = *state;
    get_ready(talk);
    talk->leave = true;
    session_touch(talk->session);
    (void)session_tick(talk->session, 10);
    assert_true(json_is_true(json_object_get(talk->sent, "leave")));
    answer(talk, 20, "{}");
    assert_int_equal(talk->lefts, 1);
    assert_int_equal(session_tick(talk->session, 30), INT64_MAX);
}

static void a_refusal_ends_the_talk(void **state)
{
    struct talk *talk = *state;
    (void)session_tick(talk->session, 0);
    answer_type(talk, 1, "REFUSED");
    assert_int_equal(talk->refusals, 1);
    assert_int_equal(session_tick(talk->session, 5000), INT64_MAX);
}

#define TALK(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TALK(it_says_what_its_card_is_and_does),
        TALK(ready_comes_first_then_sync),
        TALK(nothing_is_sent_while_the_answer_is_parked),
        TALK(news_supersede_a_parked_message),
        TALK(news_that_may_wait_go_with_others),
        TALK(a_report_is_repeated_until_it_is_settled),
        TALK(a_stale_report_ends_the_claim),
        TALK(a_stale_claim_takes_its_reports_along),
        TALK(overdue_answers_are_asked_for_on_a_timer_only),
        TALK(a_late_answer_to_an_older_message_is_ignored),
        TALK(an_unknown_session_says_ready_again),
        TALK(orders_of_an_old_session_have_not_been_seen),
        TALK(grants_and_orders_reach_the_owner),
        TALK(leaving_is_the_last_word),
        TALK(a_refusal_ends_the_talk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
