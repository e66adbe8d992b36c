/* When a card is too hot, and when it is cool enough again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/heat.h"

static void it_rests_until_it_is_ten_degrees_cooler(void **state)
{
    struct heat heat = { .most_c = 85 };
    (void)state;
    assert_false(heat_update(&heat, 85));
    assert_true(heat_update(&heat, 86));
    assert_true(heat.hot);
    assert_false(heat_update(&heat, 85));
    assert_false(heat_update(&heat, 76));
    assert_true(heat.hot);
    assert_true(heat_update(&heat, 75));
    assert_false(heat.hot);
    assert_false(heat_update(&heat, 80));
}

static void without_a_limit_or_a_sensor_nothing_follows(void **state)
{
    struct heat none = { 0 };
    struct heat hot = { .most_c = 85, .hot = true };
    (void)state;
    assert_false(heat_update(&none, 1000));
    assert_false(heat_update(&hot, -1));
    assert_true(hot.hot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_rests_until_it_is_ten_degrees_cooler),
        cmocka_unit_test(without_a_limit_or_a_sensor_nothing_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
