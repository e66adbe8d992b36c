#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/clock.h"

static void the_monotonic_clock_never_goes_back(void **state)
{
    (void)state;
    int64_t before = clock_mono_ms();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_mono_ms();
        assert_true(now >= before);
        before = now;
    }
}

static void the_wall_clock_is_in_this_century(void **state)
{
    (void)state;
    assert_true(clock_wall_ms() > 1600000000000LL);
    assert_true(clock_wall_ms() < 4102444800000LL);
}

static void check(int64_t wall_ms, const char *expected)
{
    char text[CLOCK_TEXT_SIZE];
    clock_rfc3339(wall_ms, text);
    assert_string_equal(text, expected);
}

static void times_are_written_as_rfc_3339_with_milliseconds(void **state)
{
    (void)state;
    check(0, "1970-01-01T00:00:00.000Z");
    check(1795356000123LL, "2026-11-22T14:00:00.123Z");
    check(951782399999LL, "2000-02-28T23:59:59.999Z");
}

static void times_before_1970_round_down(void **state)
{
    (void)state;
    check(-1, "1969-12-31T23:59:59.999Z");
    check(-1000, "1969-12-31T23:59:59.000Z");
}

static void times_outside_four_digit_years_are_held_at_the_edge(void **state)
{
    (void)state;
    check(INT64_MAX, "9999-12-31T23:59:59.999Z");
    check(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_monotonic_clock_never_goes_back),
        cmocka_unit_test(the_wall_clock_is_in_this_century),
        cmocka_unit_test(times_are_written_as_rfc_3339_with_milliseconds),
        cmocka_unit_test(times_before_1970_round_down),
        cmocka_unit_test(times_outside_four_digit_years_are_held_at_the_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
