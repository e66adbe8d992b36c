/* map against an array, with random puts and removals. */

#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 500, STEPS = 50000 };

static void a_map_does_what_an_array_does(void **state)
{
    static char values[KEYS];
    char *array[KEYS] = { 0 };
    struct map map = { 0 };
    uint64_t random = 1;
    (void)state;
    assert_null(map_get(&map, 7));
    assert_null(map_remove(&map, 7));
    for (int i = 0; i < STEPS; i++) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        size_t at = (size_t)(random >> 33) % KEYS;
        int64_t key = (int64_t)(at * 1000003) - 50000;
        if ((random >> 20) % 2 == 0) {
            map_put(&map, key, &values[at]);
            array[at] = &values[at];
        } else {
            assert_ptr_equal(map_remove(&map, key), array[at]);
            array[at] = NULL;
        }
        at = (size_t)(random >> 40) % KEYS;
        assert_ptr_equal(map_get(&map, (int64_t)(at * 1000003) - 50000), array[at]);
    }
    size_t count = 0;
    for (size_t at = 0; at < KEYS; at++) {
        count += array[at] != NULL;
    }
    assert_int_equal(map.count, count);
    map_clear(&map);
}

static void equal_words_are_kept_once(void **state)
{
    struct words words = { 0 };
    const char *kept[300];
    char text[32];
    (void)state;
    assert_null(words_find(&words, "word 1"));
    for (int i = 0; i < 300; i++) {
        (void)snprintf(text, sizeof text, "word %d", i);
        kept[i] = words_keep(&words, text);
    }
    for (int i = 0; i < 300; i++) {
        (void)snprintf(text, sizeof text, "word %d", i);
        assert_ptr_equal(words_find(&words, text), kept[i]);
        assert_ptr_equal(words_keep(&words, text), kept[i]);
    }
    assert_null(words_keep(&words, NULL));
    words_clear(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_does_what_an_array_does),
        cmocka_unit_test(equal_words_are_kept_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
