#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/cleanup.h"
#include "proto/frame_name.h"
#include <cmocka.h>

static void is_named(int digits, int32_t frame, const char *wanted)
{
    const struct frame_name name = { "/out/a_", digits, ".png" };
    CLEANUP(cleanup_free) char *path = frame_name(&name, frame);
    assert_string_equal(path, wanted);
    int32_t back = 77;
    assert_true(frame_name_match(&name, path, &back));
    assert_int_equal(back, frame);
}

static void numbers_have_at_least_their_digits(void **state)
{
    (void)state;
    is_named(4, 7, "/out/a_0007.png");
    is_named(4, 12345, "/out/a_12345.png");
    is_named(1, 0, "/out/a_0.png");
    is_named(4, -7, "/out/a_-0007.png");
    is_named(4, 1048574, "/out/a_1048574.png");
    is_named(4, -1048574, "/out/a_-1048574.png");
}

static void strange_digit_counts_are_held_in_limits(void **state)
{
    (void)state;
    const struct frame_name none = { "a", -3, "" };
    const struct frame_name many = { "a", 100000, "" };
    CLEANUP(cleanup_free) char *short_name = frame_name(&none, 5);
    CLEANUP(cleanup_free) char *long_name = frame_name(&many, 5);
    assert_string_equal(short_name, "a5");
    assert_int_equal(long_name[255], '5');
    assert_int_equal(long_name[256], '\0');
}

static void other_names_do_not_match(void **state)
{
    (void)state;
    const struct frame_name name = { "/out/a_", 4, ".png" };
    const char *const others[] = {
        "/out/a_.png",
        "/out/a_007.png",
        "/out/a_00007.png",
        "/out/a_0007.exr",
        "/out/b_0007.png",
        "/out/a_000x.png",
        "/out/a_+007.png",
        "/out/a_-.png",
        "/out/a_",
        "/out/a_0007.png1",
        "",
        "/out/a_99999999999999999.png",
        "/out/a_-0000.png",
    };
    int32_t frame = 77;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(frame_name_match(&name, others[i], &frame));
    }
    assert_int_equal(frame, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_at_least_their_digits),
        cmocka_unit_test(strange_digit_counts_are_held_in_limits),
        cmocka_unit_test(other_names_do_not_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
