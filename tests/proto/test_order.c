#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "proto/order.h"

static struct order parsed(const char *text)
{
    struct order order = { 0 };
    assert_int_equal(order_parse(text, &order), ORDER_OK);
    return order;
}

static void gives(const char *text, int64_t total, const int *ranks)
{
    struct order order = parsed(text);
    for (int64_t k = 0; k < total; k++) {
        assert_int_equal(order_rank(&order, total, k), ranks[k]);
    }
}

static void the_orders_are_those_of_the_manual(void **state)
{
    (void)state;
    gives("first", 5, (const int[]){ 0, 1, 2, 3, 4 });
    gives("last", 5, (const int[]){ 4, 3, 2, 1, 0 });
    gives("middle", 10, (const int[]){ 4, 5, 3, 6, 2, 7, 1, 8, 0, 9 });
    gives("middle", 5, (const int[]){ 2, 3, 1, 4, 0 });
    gives("every:4", 10, (const int[]){ 0, 4, 8, 9, 1, 2, 3, 5, 6, 7 });
    gives("every:4", 9, (const int[]){ 0, 4, 8, 1, 2, 3, 5, 6, 7 });
    gives("every:1", 4, (const int[]){ 0, 1, 2, 3 });
    gives("every:100", 4, (const int[]){ 0, 3, 1, 2 });
}

static void every_order_gives_every_frame_once_and_finds_it_again(void **state)
{
    (void)state;
    const char *const texts[] = { "first",   "last",    "middle",  "every:1",
                                  "every:2", "every:3", "every:7", "every:50" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct order order = parsed(texts[i]);
        for (int64_t total = 1; total <= 40; total++) {
            uint64_t seen = 0;
            for (int64_t k = 0; k < total; k++) {
                int64_t rank = order_rank(&order, total, k);
                assert_in_range(rank, 0, total - 1);
                assert_int_equal(order_position(&order, total, rank), k);
                seen |= (uint64_t)1 << rank;
            }
            assert_true(seen == ((uint64_t)1 << total) - 1);
        }
    }
}

static void a_million_frames_need_no_list(void **state)
{
    (void)state;
    struct order order = parsed("every:1000");
    assert_int_equal(order_rank(&order, 2097149, 2097), 2097000);
    assert_int_equal(order_rank(&order, 2097149, 2098), 2097148);
    assert_int_equal(order_rank(&order, 2097149, 2099), 1);
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    const char *const texts[] = { "",         "First",    "every",         "every:",
                                  "every:0",  "every:-1", "every:1x",      "every: 2",
                                  "every:+2", "firstly",  "every:2097150", "every:99999999" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct order order;
        assert_int_equal(order_parse(texts[i], &order), ORDER_WRONG);
    }
}

static void an_order_is_written_as_it_was_read(void **state)
{
    (void)state;
    const char *const texts[] = { "first", "last", "middle", "every:12" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct order order = parsed(texts[i]);
        char *text = order_format(&order);
        assert_string_equal(text, texts[i]);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_orders_are_those_of_the_manual),
        cmocka_unit_test(every_order_gives_every_frame_once_and_finds_it_again),
        cmocka_unit_test(a_million_frames_need_no_list),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(an_order_is_written_as_it_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
