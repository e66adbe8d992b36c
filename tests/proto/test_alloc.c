#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"

static void zero_sized_requests_still_give_memory(void **state)
{
    (void)state;
    void *a = alloc_zero(0, 0);
    void *b = alloc_resize(NULL, 0, 8);
    assert_non_null(a);
    assert_non_null(b);
    free(a);
    free(b);
}

static void new_memory_is_zeroed(void **state)
{
    (void)state;
    unsigned char *bytes = alloc_zero(100, 10);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(bytes[i], 0);
    }
    free(bytes);
}

static void text_is_copied_and_null_stays_null(void **state)
{
    (void)state;
    char *copy = alloc_text("shot");
    assert_string_equal(copy, "shot");
    assert_null(alloc_text(NULL));
    free(copy);
}

static void bytes_get_a_nul_after_them(void **state)
{
    (void)state;
    char *copy = alloc_bytes("abcdef", 3);
    char *empty = alloc_bytes(NULL, 0);
    assert_string_equal(copy, "abc");
    assert_string_equal(empty, "");
    free(copy);
    free(empty);
}

static void format_takes_what_room_it_needs(void **state)
{
    (void)state;
    char *text = alloc_format("%0500d|%s", 7, "end");
    assert_int_equal(strlen(text), 504);
    assert_string_equal(text + 500, "|end");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_sized_requests_still_give_memory),
        cmocka_unit_test(new_memory_is_zeroed),
        cmocka_unit_test(text_is_copied_and_null_stays_null),
        cmocka_unit_test(bytes_get_a_nul_after_them),
        cmocka_unit_test(format_takes_what_room_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
