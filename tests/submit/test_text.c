#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/table.h"
#include "submit/text.h"

/* Takes got. */
static void assert_text(char *got, const char *wanted)
{
    CLEANUP(cleanup_free) char *owned = got;
    assert_string_equal(owned, wanted);
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    (void)state;
    assert_text(text_clean("a\x1b[2Jb\nc\td"), "a?[2Jb?c?d");
    assert_text(text_clean("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    assert_text(text_clean("bad \xff\xfe end"), "bad ?? end");
    assert_text(text_clean("cut \xc3"), "cut ?");
}

static void width_is_columns_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(text_width("gr\xc3\xbc\xc3\x9f"), 4);
    assert_int_equal(text_width("\xe6\x97\xa5\xe6\x9c\xac"), 4);
    assert_int_equal(text_width(""), 0);
}

static void text_is_cut_or_filled_to_a_width(void **state)
{
    (void)state;
    assert_text(text_fit("ab", 5, false), "ab   ");
    assert_text(text_fit("ab", 5, true), "   ab");
    assert_text(text_fit("abcdef", 4, false), "abc\xe2\x80\xa6");
    assert_text(text_fit("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, false),
                "\xe6\x97\xa5\xe2\x80\xa6 ");
    assert_text(text_fit("abc", 0, false), "");
}

static void bars_show_the_part_that_is_done(void **state)
{
    (void)state;
    assert_text(text_bar(0.5, 4), "\xe2\x96\x88\xe2\x96\x88\xe2\x96\x91\xe2\x96\x91");
    assert_text(text_bar(2, 1), "\xe2\x96\x88");
    assert_text(text_bar(-1, 1), "\xe2\x96\x91");
}

static void durations_and_sizes_are_short(void **state)
{
    (void)state;
    assert_text(text_duration(400), "0.4 s");
    assert_text(text_duration(12999), "12 s");
    assert_text(text_duration(228000), "3m 48s");
    assert_text(text_duration(3840000), "1h 04m");
    assert_text(text_bytes(512), "512 B");
    assert_text(text_bytes(13002342), "12.4 MiB");
}

static void shell_words_can_be_pasted(void **state)
{
    (void)state;
    assert_text(text_shell("/a/b-####.png"), "'/a/b-####.png'");
    assert_text(text_shell("/a/b_%04d.png"), "/a/b_%04d.png");
    assert_text(text_shell("it's"), "'it'\\''s'");
    assert_text(text_shell(""), "''");
}

static void tables_align_by_columns(void **state)
{
    (void)state;
    static const struct table_column columns[] = { { "N", TABLE_RIGHT },
                                                   { "NAME", TABLE_LEFT },
                                                   { "X", TABLE_LEFT } };
    static const char *const cells[] = { "7", "gr\xc3\xbc\xc3\x9f", "a", "123", "b", "c" };
    CLEANUP(table_destroy) table_t *table = table_new(columns, 3);
    for (size_t i = 0; i < 6; i++) {
        table_cell(table, alloc_text(cells[i]));
    }
    CLEANUP(cleanup_file) FILE *file = tmpfile();
    char got[256] = "";
    assert_non_null(file);
    table_print(table, file);
    rewind(file);
    assert_true(fread(got, 1, sizeof got - 1, file) > 0);
    assert_string_equal(got, "  N  NAME  X\n  7  gr\xc3\xbc\xc3\x9f  a\n123  b     c\n");
}

static void empty_tables_print_nothing(void **state)
{
    (void)state;
    static const struct table_column columns[] = { { "N", TABLE_RIGHT } };
    CLEANUP(table_destroy) table_t *table = table_new(columns, 1);
    CLEANUP(cleanup_file) FILE *file = tmpfile();
    table_print(table, file);
    assert_int_equal(ftell(file), 0);
}

static void times_are_those_of_the_persons_zone(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "CET-1", 1), 0);
    tzset();
    CLEANUP(cleanup_free) char *clock = text_time("2026-11-22T23:05:10.123Z", false);
    CLEANUP(cleanup_free) char *dated = text_time("2026-11-22T23:05:10.123Z", true);
    CLEANUP(cleanup_free) char *other = text_time("soon", false);
    assert_string_equal(clock, "00:05:10");
    assert_string_equal(dated, "2026-11-23 00:05:10");
    assert_string_equal(other, "soon");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(width_is_columns_not_bytes),
        cmocka_unit_test(text_is_cut_or_filled_to_a_width),
        cmocka_unit_test(bars_show_the_part_that_is_done),
        cmocka_unit_test(durations_and_sizes_are_short),
        cmocka_unit_test(shell_words_can_be_pasted),
        cmocka_unit_test(tables_align_by_columns),
        cmocka_unit_test(empty_tables_print_nothing),
        cmocka_unit_test(times_are_those_of_the_persons_zone),
    };
    if (!setlocale(LC_CTYPE, "C.UTF-8")) {
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
