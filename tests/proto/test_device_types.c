#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/device_types.h"

static void types_are_read_in_their_order(void **state)
{
    (void)state;
    struct device_types types;
    char *error_text = NULL;
    assert_int_equal(device_types_parse("cuda,OptiX", &types, &error_text), 0);
    assert_int_equal(types.count, 2);
    assert_string_equal(types.words[0], "CUDA");
    assert_string_equal(types.words[1], "OPTIX");
    assert_null(types.words[2]);
    assert_true(device_types_has(&types, "OPTIX"));
    assert_false(device_types_has(&types, "HIP"));
    assert_int_equal(device_types_parse("hip,oneapi,metal,optix,cuda", &types, &error_text), 0);
    assert_int_equal(types.count, DEVICE_TYPES_MAX);
}

static void what_is_no_list_of_types_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",      "cuda,",     ",cuda", "cud",       "cudaa",
                                         "cuda ", "cuda,cuda", "cpu",   "optix;cuda" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct device_types types = { .count = 77 };
        char *error_text = NULL;
        assert_int_equal(device_types_parse(wrong[i], &types, &error_text), DEVICE_TYPES_WRONG);
        assert_non_null(strstr(error_text, "optix, cuda"));
        assert_int_equal(types.count, 77);
        free(error_text);
    }
}

static void each_type_has_a_bit_of_its_own(void **state)
{
    (void)state;
    static const char *const words[] = { "OPTIX", "CUDA", "HIP", "ONEAPI", "METAL" };
    unsigned all = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        assert_int_equal(all & device_types_bit(words[i]), 0);
        all |= device_types_bit(words[i]);
    }
    assert_int_equal(all, 31);
    assert_int_equal(device_types_bit("optix"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_read_in_their_order),
        cmocka_unit_test(what_is_no_list_of_types_is_refused),
        cmocka_unit_test(each_type_has_a_bit_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
