#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "broker/answer_form.h"
#include "proto/cleanup.h"

static const char farm[] = "0123456789abcdef";

/* seq tells answers apart; the other numbers follow from it. */
static json_t *answer(int64_t seq, size_t settled, size_t grants)
{
    struct queue_answer answer = { .seq = seq, .session = 2, .park_ms = 1000 };
    for (size_t i = 0; i < settled; i++) {
        answer.settled[answer.settled_count++] =
            (struct queue_settled){ .claim = 10 * seq + (int64_t)i,
                                    .what = i == 2 ? REPORT_STARTED : REPORT_FINISHED,
                                    .accepted = i != 3 };
        answer.stale[answer.stale_count++] = 10 * seq + (int64_t)i;
    }
    json_t *body = answer_form_body(&answer, farm, json_pack("{s:I}", "n", seq));
    for (size_t i = 0; i < grants; i++) {
        struct queue_grant grant = { .claim = 100 * seq + (int64_t)i, .kind = CLAIM_RENDER };
        grant.job = seq;
        grant.frame = -(int32_t)i;
        grant.attempt = 3;
        json_array_append_new(json_object_get(body, "grants"), answer_form_grant(&grant));
    }
    return body;
}

static void assert_says(const json_t *body, const char *expected)
{
    CLEANUP(cleanup_free) char *text = json_dumps(body, JSON_COMPACT);
    assert_string_equal(text, expected);
}

#define HEAD(seq)                                                                                  \
    "{\"v\":1,\"t\":\"ANSWER\",\"seq\":" #seq                                                      \
    ",\"session\":2,\"farm\":\"0123456789abcdef\",\"park_ms\":1000,\"orders\":{\"n\":" #seq "},"

static const char plain[] = HEAD(7) "\"settled\":[],\"stale\":[],\"grants\":[]}";

static const char full[] =
    HEAD(8) "\"settled\":[{\"claim\":80,\"what\":\"finished\",\"st\":\"accepted\"},"
            "{\"claim\":81,\"what\":\"finished\",\"st\":\"accepted\"},"
            "{\"claim\":82,\"what\":\"started\",\"st\":\"accepted\"},"
            "{\"claim\":83,\"what\":\"finished\",\"st\":\"stale\"},"
            "{\"claim\":84,\"what\":\"finished\",\"st\":\"accepted\"}],"
            "\"stale\":[80,81,82,83,84],"
            "\"grants\":[{\"claim\":800,\"kind\":\"render\",\"job\":8,\"frame\":0,\"again\":false,"
            "\"attempt\":3},{\"claim\":801,\"kind\":\"render\",\"job\":8,\"frame\":-1,"
            "\"again\":false,\"attempt\":3}]}";

static void an_answer_has_nothing_of_the_one_before(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        json_t *one = answer(8, 5, 2);
        assert_says(one, full);
        json_object_set_new(one, "job", json_object());
        json_decref(one);
        CLEANUP(cleanup_json) json_t *two = answer(7, 0, 0);
        assert_says(two, plain);
    }
}

static void an_answer_that_somebody_keeps_stays_as_it_is(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *kept = answer(8, 5, 2);
    for (int64_t seq = 20; seq < 30; seq++) {
        json_decref(answer(seq, 8, QUEUE_GRANTS));
        assert_says(kept, full);
    }
}

static void a_part_that_somebody_keeps_stays_as_it_is(void **state)
{
    (void)state;
    json_t *whole = answer(8, 5, 2);
    CLEANUP(cleanup_json) json_t *settled = json_incref(json_object_get(whole, "settled"));
    CLEANUP(cleanup_json)
    json_t *grant = json_incref(json_array_get(json_object_get(whole, "grants"), 0));
    json_decref(whole);
    json_decref(answer(9, 8, QUEUE_GRANTS));
    assert_int_equal(json_integer_value(json_object_get(grant, "claim")), 800);
    assert_int_equal(json_array_size(settled), 5);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(settled, 0), "claim")), 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_nothing_of_the_one_before),
        cmocka_unit_test(an_answer_that_somebody_keeps_stays_as_it_is),
        cmocka_unit_test(a_part_that_somebody_keeps_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
