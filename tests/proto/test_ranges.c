#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"
#include "proto/ranges.h"

static struct ranges parsed(const char *text)
{
    struct ranges ranges = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(ranges_parse(text, &ranges, &error), RANGES_OK);
    return ranges;
}

static void becomes(const char *text, const char *wanted)
{
    CLEANUP(ranges_clear) struct ranges ranges = parsed(text);
    CLEANUP(cleanup_free) char *back = ranges_format(&ranges);
    assert_string_equal(back, wanted);
}

static void lists_are_sorted_and_merged(void **state)
{
    (void)state;
    becomes("7", "7");
    becomes("1-10", "1-10");
    becomes("5,1,3-4", "1,3-5");
    becomes("1-10,5-12", "1-12");
    becomes("3,3,3", "3");
    becomes("1-10x3", "1-10x3");
    becomes("1-11x3", "1-10x3");
    becomes("5-5x7", "5");
    becomes("1-100x2,2-100x2", "1-100");
    becomes("1-9x2,2-4x2", "1-5,7-9x2");
    becomes("1-3,4-6", "1-6");
    becomes("1-5x2,7-9x2", "1-9x2");
    becomes(" 1 , 2-3 ", "1-3");
    becomes("0", "0");
}

static void numbers_may_be_negative(void **state)
{
    (void)state;
    becomes("-5--1", "-5--1");
    becomes("-5", "-5");
    becomes("-3-3x3", "-3-3x3");
    becomes("-1048574-1048574", "-1048574-1048574");
}

static void words_are_kept_for_the_scene(void **state)
{
    (void)state;
    becomes("start,end", "start,end");
    becomes("end,5,current", "5,current,end");
    CLEANUP(ranges_clear) struct ranges ranges = parsed("start");
    assert_int_equal(ranges.words, RANGES_START);
    assert_int_equal(ranges_count(&ranges), 0);
}

static void refuses(const char *text, const char *words)
{
    struct ranges ranges = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(ranges_parse(text, &ranges, &error), RANGES_WRONG);
    assert_non_null(strstr(error, words));
    assert_null(ranges.items);
}

static void what_is_no_frame_list_is_named(void **state)
{
    (void)state;
    refuses("", "empty");
    refuses("1,", "empty");
    refuses("1,,2", "empty");
    refuses("a", "\"a\"");
    refuses("1\n\033[2J", "\"1??[2J\""); /* one line, and no controls of a terminal */
    refuses("1,Start", "\"Start\"");
    refuses("5-1", "ends before it begins");
    refuses("-1--5", "ends before it begins");
    refuses("1-10x0", "step under 1");
    refuses("1-10x-1", "step under 1");
    refuses("1-10x", "no step");
    refuses("1-", "no last frame");
    refuses("1x2", "is no frame");
    refuses("1-2-3", "is no frame");
    refuses("--1", "is no frame");
    refuses("1 2", "is no frame");
    refuses("1.5", "is no frame");
    refuses("1048575", "outside");
    refuses("-1048575", "outside");
    refuses("99999999999999999999999", "is no frame");
}

/* Frames whose distances hardly repeat */
static char *scattered(int count)
{
    char *text = malloc((size_t)count * 12);
    assert_non_null(text);
    char *at = text;
    int frame = 0;
    for (int i = 0; i < count; i++) {
        at += sprintf(at, i ? ",%d" : "%d", frame);
        frame += 2 + i % 97 + (i % 3) * 50;
    }
    return text;
}

static void too_many_ranges_are_refused_after_merging_only(void **state)
{
    (void)state;
    CLEANUP(cleanup_free) char *many = scattered(10000);
    struct ranges ranges = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(ranges_parse(many, &ranges, &error), RANGES_TOO_MANY);
    assert_non_null(strstr(error, "4096"));
    CLEANUP(cleanup_free) char *text = malloc(120000);
    assert_non_null(text);
    char *at = text;
    for (int i = 0; i < 10000; i++) {
        at += sprintf(at, i ? ",%d" : "%d", 3 * i);
    }
    CLEANUP(ranges_clear) struct ranges merged = parsed(text);
    assert_int_equal(merged.count, 1);
    assert_int_equal(ranges_count(&merged), 10000);
}

static void rank_and_frame_stand_for_each_other(void **state)
{
    (void)state;
    CLEANUP(ranges_clear) struct ranges ranges = parsed("-5--1,3,10-20x5,100-1000x7");
    assert_int_equal(ranges_count(&ranges), 5 + 1 + 3 + 129);
    int32_t before = INT32_MIN;
    for (int64_t rank = 0; rank < ranges_count(&ranges); rank++) {
        int32_t frame = 0;
        assert_true(ranges_at(&ranges, rank, &frame));
        assert_true(frame > before);
        assert_int_equal(ranges_rank(&ranges, frame), rank);
        before = frame;
    }
    int32_t frame = 77;
    assert_false(ranges_at(&ranges, -1, &frame));
    assert_false(ranges_at(&ranges, 138, &frame));
    assert_int_equal(frame, 77);
    const int32_t absent[] = { -6, 0, 2, 4, 11, 21, 101, 1001, 1048574 };
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        assert_int_equal(ranges_rank(&ranges, absent[i]), -1);
    }
}

static void an_empty_list_has_no_frames(void **state)
{
    (void)state;
    struct ranges empty = { 0 };
    int32_t frame = 0;
    assert_int_equal(ranges_normalise(&empty), RANGES_OK);
    assert_int_equal(ranges_count(&empty), 0);
    assert_false(ranges_at(&empty, 0, &frame));
    assert_int_equal(ranges_rank(&empty, 1), -1);
    CLEANUP(cleanup_free) char *text = ranges_format(&empty);
    assert_string_equal(text, "");
    struct ranges copy = { 0 };
    ranges_copy(&empty, &copy);
    assert_int_equal(copy.count, 0);
    ranges_clear(&copy);
}

static bool overlap(const char *a_text, const char *b_text)
{
    CLEANUP(ranges_clear) struct ranges a = parsed(a_text);
    CLEANUP(ranges_clear) struct ranges b = parsed(b_text);
    bool ab = ranges_overlap(&a, &b);
    assert_int_equal(ab, ranges_overlap(&b, &a));
    return ab;
}

static void lists_overlap_only_in_a_common_frame(void **state)
{
    (void)state;
    assert_true(overlap("1-10", "10-20"));
    assert_false(overlap("1-10", "11-20"));
    assert_false(overlap("1-99x2", "2-100x2"));
    assert_true(overlap("1-99x2", "2-100x3"));
    assert_false(overlap("0-100x6", "3-99x6,101"));
    assert_true(overlap("0-100x6", "3-99x6,96"));
    assert_true(overlap("1,5,9", "2-8x3,9"));
    assert_true(overlap("-1048574-1048574", "0"));
    assert_true(overlap("0-1000000x1000", "1-1000000x999"));
}

static void words_are_resolved_by_the_scene(void **state)
{
    (void)state;
    const struct ranges_scene scene = { .current = 7, .start = 1, .end = 20, .step = 3 };
    const char *const cases[][2] = {
        { "start,current,end", "1,7,20" },
        { "5-8,end", "5-8,20" },
        { "current,7", "7" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CLEANUP(ranges_clear) struct ranges list = parsed(cases[i][0]);
        CLEANUP(ranges_clear) struct ranges out = { 0 };
        assert_int_equal(ranges_resolve(&list, &scene, &out), RANGES_OK);
        CLEANUP(cleanup_free) char *text = ranges_format(&out);
        assert_string_equal(text, cases[i][1]);
    }
}

static void no_list_means_the_range_of_the_scene(void **state)
{
    (void)state;
    const struct ranges_scene scene = { .current = 7, .start = 1, .end = 20, .step = 3 };
    const struct ranges_scene backwards = { .current = 7, .start = 5, .end = 4, .step = 1 };
    struct ranges none = { 0 };
    CLEANUP(ranges_clear) struct ranges out = { 0 };
    assert_int_equal(ranges_resolve(&none, &scene, &out), RANGES_OK);
    CLEANUP(cleanup_free) char *text = ranges_format(&out);
    assert_string_equal(text, "1-19x3");
    struct ranges untouched = { 0 };
    assert_int_equal(ranges_resolve(&none, &backwards, &untouched), RANGES_WRONG);
    assert_null(untouched.items);
}

static void json_carries_a_list_there_and_back(void **state)
{
    (void)state;
    CLEANUP(ranges_clear) struct ranges list = parsed("-5--1,10-20x5,start,end");
    CLEANUP(cleanup_json) json_t *frames = ranges_to_json(&list);
    CLEANUP(cleanup_json) json_t *words = ranges_words_to_json(&list);
    CLEANUP(cleanup_free) char *text = json_dumps(frames, JSON_COMPACT);
    assert_string_equal(text, "[-5,-1,1,10,20,5]");
    CLEANUP(ranges_clear) struct ranges back = { 0 };
    assert_int_equal(ranges_from_json(frames, words, &back), RANGES_OK);
    CLEANUP(cleanup_free) char *again = ranges_format(&back);
    assert_string_equal(again, "-5--1,10-20x5,start,end");
}

static int from_text(const char *text)
{
    CLEANUP(cleanup_json) json_t *frames = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(frames);
    CLEANUP(ranges_clear) struct ranges out = { 0 };
    return ranges_from_json(frames, NULL, &out);
}

static void json_that_is_not_normalised_is_refused(void **state)
{
    (void)state;
    assert_int_equal(from_text("[]"), RANGES_OK);
    assert_int_equal(from_text("null"), RANGES_OK);
    assert_int_equal(from_text("[1,10,1,11,20,1]"), RANGES_OK);
    assert_int_equal(from_text("[1,10,1,10,20,1]"), RANGES_WRONG);
    assert_int_equal(from_text("[11,20,1,1,10,1]"), RANGES_WRONG);
    assert_int_equal(from_text("[1,10]"), RANGES_WRONG);
    assert_int_equal(from_text("[1,10,0]"), RANGES_WRONG);
    assert_int_equal(from_text("[10,1,1]"), RANGES_WRONG);
    assert_int_equal(from_text("[1,1048575,1]"), RANGES_WRONG);
    assert_int_equal(from_text("[1,2,\"1\"]"), RANGES_WRONG);
    assert_int_equal(from_text("[1,9223372036854775807,1]"), RANGES_WRONG);
    assert_int_equal(from_text("{}"), RANGES_WRONG);
}

static void json_words_that_are_unknown_are_refused(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *words = json_pack("[s,s]", "start", "first");
    CLEANUP(ranges_clear) struct ranges out = { 0 };
    assert_int_equal(ranges_from_json(NULL, words, &out), RANGES_WRONG);
}

static void merging_loses_and_invents_no_frame(void **state)
{
    (void)state;
    uint32_t seed = 99;
    for (int round = 0; round < 300; round++) {
        bool wanted[200] = { false };
        CLEANUP(ranges_clear) struct ranges list = { 0 };
        for (int i = 0; i < 6; i++) {
            seed = seed * 1664525u + 1013904223u;
            int first = (int)(seed >> 8) % 100;
            int last = first + (int)(seed >> 16) % 100;
            int step = 1 + (int)(seed >> 24) % 9;
            assert_int_equal(ranges_add(&list, first - 100, last - 100, step), RANGES_OK);
            for (int frame = first; frame <= last; frame += step) {
                wanted[frame] = true;
            }
        }
        assert_int_equal(ranges_normalise(&list), RANGES_OK);
        for (int frame = 0; frame < 200; frame++) {
            assert_int_equal(ranges_rank(&list, frame - 100) >= 0, wanted[frame]);
        }
        for (size_t i = 1; i < list.count; i++) {
            assert_true(list.items[i].first > list.items[i - 1].last);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_sorted_and_merged),
        cmocka_unit_test(numbers_may_be_negative),
        cmocka_unit_test(words_are_kept_for_the_scene),
        cmocka_unit_test(what_is_no_frame_list_is_named),
        cmocka_unit_test(too_many_ranges_are_refused_after_merging_only),
        cmocka_unit_test(rank_and_frame_stand_for_each_other),
        cmocka_unit_test(an_empty_list_has_no_frames),
        cmocka_unit_test(lists_overlap_only_in_a_common_frame),
        cmocka_unit_test(words_are_resolved_by_the_scene),
        cmocka_unit_test(no_list_means_the_range_of_the_scene),
        cmocka_unit_test(json_carries_a_list_there_and_back),
        cmocka_unit_test(json_that_is_not_normalised_is_refused),
        cmocka_unit_test(json_words_that_are_unknown_are_refused),
        cmocka_unit_test(merging_loses_and_invents_no_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
