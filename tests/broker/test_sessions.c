#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/sessions.h"
#include "proto/cleanup.h"

static struct sessions_place place(uint8_t peer)
{
    return (struct sessions_place){ .address = { .peer = { 0, 0, 0, 0, peer } } };
}

static void the_newest_request_is_the_one_to_answer(void **state)
{
    (void)state;
    CLEANUP(sessions_destroy) sessions_t *sessions = sessions_new();
    struct sessions_place first = place(1);
    struct sessions_place second = place(2);
    sessions_put(sessions, INT64_MAX, &first);
    sessions_put(sessions, INT64_MAX, &second);
    assert_int_equal(sessions_get(sessions, INT64_MAX)->address.peer[4], 2);
    assert_null(sessions_get(sessions, 1));
    sessions_forget(sessions, INT64_MAX);
    sessions_forget(sessions, INT64_MAX);
    assert_null(sessions_get(sessions, INT64_MAX));
}

static void many_sessions_are_told_apart(void **state)
{
    (void)state;
    CLEANUP(sessions_destroy) sessions_t *sessions = sessions_new();
    for (int64_t i = 0; i < 5000; i++) {
        struct sessions_place here = place((uint8_t)i);
        sessions_put(sessions, (INT64_C(1) << 61) + i, &here);
    }
    for (int64_t i = 0; i < 5000; i++) {
        const struct sessions_place *here = sessions_get(sessions, (INT64_C(1) << 61) + i);
        assert_non_null(here);
        assert_int_equal(here->address.peer[4], (uint8_t)i);
    }
}

static void a_doubt_ends_with_the_next_word(void **state)
{
    (void)state;
    CLEANUP(sessions_destroy) sessions_t *sessions = sessions_new();
    struct sessions_place here = place(1);
    int64_t gone = 0;
    sessions_put(sessions, 5, &here);
    sessions_put(sessions, 6, &here);
    sessions_put(sessions, 7, &here);
    assert_true(sessions_deadline(sessions) == INT64_MAX);
    sessions_doubt(sessions, 5, 100);
    sessions_doubt(sessions, 6, 50);
    sessions_doubt(sessions, 6, 9000); /* the first one counts */
    sessions_doubt(sessions, 8, 10);   /* nobody */
    assert_int_equal(sessions_deadline(sessions), 50);
    sessions_put(sessions, 5, &here);
    assert_false(sessions_gone(sessions, 49, &gone));
    assert_true(sessions_gone(sessions, 50, &gone));
    assert_int_equal(gone, 6);
    assert_null(sessions_get(sessions, 6));
    assert_false(sessions_gone(sessions, 5000, &gone));
    assert_true(sessions_deadline(sessions) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_request_is_the_one_to_answer),
        cmocka_unit_test(many_sessions_are_told_apart),
        cmocka_unit_test(a_doubt_ends_with_the_next_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
