#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "broker/json_blocks.h"
#include "proto/cleanup.h"

enum {
    MANY = 20000,
    KEPT_BYTES_MOST = 5 * 512 * 1024,
};

static json_t *tree(int seed)
{
    return json_pack("{s:i, s:[i, s, n, f], s:{s:s}}", "one", seed, "more", seed + 1, "text", 0.5,
                     "map", "a key that is longer than most keys of a message are", "");
}

static void trees_are_whole_when_their_blocks_were_used_before(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        json_t *trees[100];
        for (int i = 0; i < 100; i++) {
            trees[i] = tree(i);
        }
        for (int i = 0; i < 100; i++) {
            CLEANUP(cleanup_json) json_t *same = tree(i);
            assert_true(json_equal(trees[i], same));
        }
        for (int i = 0; i < 100; i++) {
            json_decref(trees[i]);
        }
    }
}

static void strings_of_any_length_keep_their_bytes(void **state)
{
    (void)state;
    char text[601];
    for (size_t size = 0; size < sizeof text; size++) {
        memset(text, 'a' + (int)(size % 26), size);
        json_t *string = json_stringn(text, size);
        json_t *beside = json_stringn(text, size);
        assert_int_equal(json_string_length(string), size);
        assert_memory_equal(json_string_value(string), text, size);
        assert_true(json_equal(string, beside));
        json_decref(string);
        json_decref(beside);
    }
}

static void what_was_made_before_is_released_too(void **state)
{
    json_decref(*state);
    CLEANUP(cleanup_json) json_t *next = tree(7);
    CLEANUP(cleanup_free) char *text = json_dumps(next, JSON_COMPACT);
    assert_non_null(strstr(text, "\"one\":7"));
    *state = NULL;
}

static void a_flood_is_given_back(void **state)
{
    (void)state;
    size_t before = mallinfo2().uordblks;
    json_t *array = json_array();
    for (int i = 0; i < MANY; i++) {
        json_array_append_new(array, json_integer(i));
    }
    json_decref(array);
    assert_true(mallinfo2().uordblks <= before + KEPT_BYTES_MOST / 17);
}

static int begin(void **state)
{
    *state = tree(1);
    json_blocks_keep();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_made_before_is_released_too),
        cmocka_unit_test(trees_are_whole_when_their_blocks_were_used_before),
        cmocka_unit_test(strings_of_any_length_keep_their_bytes),
        cmocka_unit_test(a_flood_is_given_back),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
