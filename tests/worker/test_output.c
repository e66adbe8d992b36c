#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/output.h"

static void add(output_t *output, const char *line)
{
    output_add(output, line, strlen(line));
}

static void little_output_is_kept_whole(void **state)
{
    (void)state;
    size_t size = 0;
    output_t *output = output_new();
    add(output, "one");
    add(output, "");
    add(output, "two");
    char *text = output_text(output, &size);
    assert_string_equal(text, "one\n\ntwo\n");
    assert_int_equal(size, strlen(text));
    free(text);
    output_destroy(&output);
    assert_null(output);
}

static void much_output_keeps_head_and_tail(void **state)
{
    (void)state;
    size_t size = 0;
    output_t *output = output_new();
    for (int i = 0; i < 100000; i++) {
        char line[64];
        assert_true(snprintf(line, sizeof line, "line %06d of many", i) > 0);
        add(output, line);
    }
    char *text = output_text(output, &size);
    assert_true(size <= OUTPUT_MAX_BYTES);
    assert_true(size > 200000);
    assert_memory_equal(text, "line 000000 of many\n", 20);
    assert_string_equal(text + size - 20, "line 099999 of many\n");
    assert_non_null(strstr(text, "bytes left out"));
    free(text);
    output_destroy(&output);
}

static void a_line_longer_than_the_ring_leaves_its_end(void **state)
{
    (void)state;
    size_t size = 0;
    size_t length = 1000000;
    output_t *output = output_new();
    char *line = malloc(length);
    assert_non_null(line);
    memset(line, 'a', length);
    line[length - 1] = 'z';
    output_add(output, line, length);
    char *text = output_text(output, &size);
    assert_string_equal(text + size - 2, "z\n");
    free(text);
    free(line);
    output_destroy(&output);
}

static void the_last_lines_are_found(void **state)
{
    (void)state;
    output_t *output = output_new();
    add(output, "one");
    add(output, "two");
    add(output, "three");
    char *last = output_last(output, 2, 100);
    assert_string_equal(last, "two\nthree");
    free(last);
    last = output_last(output, 50, 4);
    assert_string_equal(last, "hree");
    free(last);
    output_clear(output);
    last = output_last(output, 50, 100);
    assert_string_equal(last, "");
    free(last);
    output_destroy(&output);
}

static void what_is_no_text_becomes_question_marks(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "plain", "plain" },
        { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "\xff\xfe", "??" },
        { "cut \xc3", "cut ?" },
        { "\xc0\xaf", "??" },
        { "\xed\xa0\x80", "???" },
        { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
        { "bell\a and\ttab", "bell? and\ttab" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        assert_true(snprintf(text, sizeof text, "%s", cases[i].in) >= 0);
        assert_int_equal(output_clean(text, strlen(text)), strlen(cases[i].out));
        assert_string_equal(text, cases[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_output_is_kept_whole),
        cmocka_unit_test(much_output_keeps_head_and_tail),
        cmocka_unit_test(a_line_longer_than_the_ring_leaves_its_end),
        cmocka_unit_test(the_last_lines_are_found),
        cmocka_unit_test(what_is_no_text_becomes_question_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
