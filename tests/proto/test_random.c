#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proto/random.h"

static void hex_has_the_asked_digits_and_nothing_else(void **state)
{
    (void)state;
    const size_t sizes[] = { 0, 1, 16, 32, 127, 128, 129, 300 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char text[400];
        memset(text, 'z', sizeof text);
        random_hex(text, sizes[i]);
        assert_int_equal(strlen(text), sizes[i]);
        assert_int_equal(strspn(text, "0123456789abcdef"), sizes[i]);
        assert_int_equal(text[sizes[i] + 1], 'z');
    }
}

static void two_ids_differ(void **state)
{
    (void)state;
    char a[33];
    char b[33];
    random_hex(a, 32);
    random_hex(b, 32);
    assert_string_not_equal(a, b);
}

static void numbers_stay_below_the_limit_and_reach_each_value(void **state)
{
    (void)state;
    int seen[5] = { 0 };
    for (int i = 0; i < 1000; i++) {
        uint32_t value = random_below(5);
        assert_in_range(value, 0, 4);
        seen[value]++;
    }
    for (int i = 0; i < 5; i++) {
        assert_true(seen[i] > 0);
    }
    assert_int_equal(random_below(0), 0);
    assert_int_equal(random_below(1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_has_the_asked_digits_and_nothing_else),
        cmocka_unit_test(two_ids_differ),
        cmocka_unit_test(numbers_stay_below_the_limit_and_reach_each_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
