#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/attend.h"
#include "proto/cleanup.h"

static void an_attendant_is_new_once(void **state)
{
    (void)state;
    CLEANUP(attend_destroy) attend_t *attend = attend_new();
    assert_true(attend_seen(attend, 0, 7, ATTEND_FARM));
    assert_false(attend_seen(attend, 1000, 7, ATTEND_FARM));
    assert_true(attend_seen(attend, 1000, 8, ATTEND_RENDER));
    assert_int_equal(attend_count(attend), 2);
}

static void who_is_silent_is_forgotten_once(void **state)
{
    (void)state;
    CLEANUP(attend_destroy) attend_t *attend = attend_new();
    int64_t pid = 0;
    enum attend_role role = ATTEND_FARM;
    assert_true(attend_deadline(attend, 5000) == INT64_MAX);
    attend_seen(attend, 0, 7, ATTEND_FARM);
    attend_seen(attend, 0, 8, ATTEND_RENDER);
    attend_seen(attend, 3000, 7, ATTEND_FARM);
    assert_int_equal(attend_deadline(attend, 5000), 5000);
    assert_false(attend_expire(attend, 4999, 5000, &pid, &role));
    assert_true(attend_expire(attend, 5000, 5000, &pid, &role));
    assert_int_equal(pid, 8);
    assert_int_equal(role, ATTEND_RENDER);
    assert_false(attend_expire(attend, 5000, 5000, &pid, &role));
    assert_int_equal(attend_deadline(attend, 5000), 8000);
}

static bool is_eight(int64_t pid)
{
    return pid == 8;
}

static void who_says_good_bye_is_forgotten_and_nobody_else(void **state)
{
    (void)state;
    CLEANUP(attend_destroy) attend_t *attend = attend_new();
    attend_seen(attend, 0, 7, ATTEND_FARM);
    attend_seen(attend, 0, 8, ATTEND_RENDER);
    assert_false(attend_leave(attend, 7, ATTEND_RENDER));
    assert_false(attend_leave(attend, 9, ATTEND_FARM));
    assert_true(attend_leave(attend, 7, ATTEND_FARM));
    assert_false(attend_leave(attend, 7, ATTEND_FARM));
    assert_int_equal(attend_count(attend), 1);
}

static void who_is_dead_is_dropped(void **state)
{
    (void)state;
    CLEANUP(attend_destroy) attend_t *attend = attend_new();
    int64_t pid = 0;
    enum attend_role role = ATTEND_FARM;
    attend_seen(attend, 0, 7, ATTEND_FARM);
    attend_seen(attend, 0, 8, ATTEND_RENDER);
    assert_true(attend_drop(attend, is_eight, &pid, &role));
    assert_int_equal(pid, 8);
    assert_int_equal(role, ATTEND_RENDER);
    assert_false(attend_drop(attend, is_eight, &pid, &role));
    assert_int_equal(attend_count(attend), 1);
}

static void more_than_there_is_room_for_are_not_counted(void **state)
{
    (void)state;
    CLEANUP(attend_destroy) attend_t *attend = attend_new();
    for (int64_t pid = 1; pid < 5000; pid++) {
        (void)attend_seen(attend, 0, pid, ATTEND_RENDER);
    }
    assert_in_range(attend_count(attend), 100, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attendant_is_new_once),
        cmocka_unit_test(who_is_silent_is_forgotten_once),
        cmocka_unit_test(who_says_good_bye_is_forgotten_and_nobody_else),
        cmocka_unit_test(who_is_dead_is_dropped),
        cmocka_unit_test(more_than_there_is_room_for_are_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
