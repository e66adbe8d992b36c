#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/output.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "temp_folder.h"

static const struct output_attempt attempt = {
    .job = 12,
    .claim = 70,
    .frame = 31,
    .worker = "host/cpu:0-1",
};

static void append(output_t *output, int32_t frame, int64_t claim, const char *text)
{
    struct output_attempt changed = attempt;
    changed.frame = frame;
    changed.claim = claim;
    assert_int_equal(output_append(output, &changed, text, strlen(text)), 0);
}

/* All of a frame, read in pieces of the given size. The caller frees it. */
static char *read_all(output_t *output, int32_t frame, size_t piece)
{
    char *text = alloc_zero(1, 2 * (size_t)OUTPUT_ATTEMPT_SIZE);
    size_t size = 0;
    size_t got = 0;
    do {
        struct output_place place = { .job = 12, .frame = frame, .offset = (int64_t)size };
        assert_int_equal(output_read(output, &place, text + size, piece, &got), 0);
        size += got;
    } while (got > 0);
    return text;
}

static void the_attempts_of_one_frame_are_read_in_order(void **state)
{
    (void)state;
    CLEANUP(temp_folder_remove) char *folder = temp_folder_new();
    CLEANUP(output_close) output_t *output = NULL;
    assert_int_equal(output_open(folder, &output), 0);
    append(output, 31, 70, "first try");
    append(output, 32, 71, "another frame\n==== frame 31 claim 9 bytes 1 is what Blender said\nx");
    append(output, 31, 72, "second try");

    for (size_t piece = 1; piece < 200; piece += 7) {
        CLEANUP(cleanup_free) char *text = read_all(output, 31, piece);
        assert_string_equal(text,
                            "==== frame 31 claim 70 bytes 9 at 1970-01-01T00:00:00.000Z worker "
                            "host/cpu:0-1\nfirst try\n"
                            "==== frame 31 claim 72 bytes 10 at 1970-01-01T00:00:00.000Z worker "
                            "host/cpu:0-1\nsecond try\n");
    }
}

static void what_is_not_kept_reads_as_empty(void **state)
{
    (void)state;
    CLEANUP(temp_folder_remove) char *folder = temp_folder_new();
    CLEANUP(output_close) output_t *output = NULL;
    assert_int_equal(output_open(folder, &output), 0);
    CLEANUP(cleanup_free) char *text = read_all(output, 31, 100);
    assert_string_equal(text, "");
    append(output, 31, 70, "first try");
    assert_int_equal(output_remove(output, 12), 0);
    assert_int_equal(output_remove(output, 12), 0);
    CLEANUP(cleanup_free) char *after = read_all(output, 31, 100);
    assert_string_equal(after, "");
}

static void a_long_attempt_keeps_its_head_and_its_tail(void **state)
{
    (void)state;
    CLEANUP(temp_folder_remove) char *folder = temp_folder_new();
    CLEANUP(output_close) output_t *output = NULL;
    assert_int_equal(output_open(folder, &output), 0);
    size_t size = 3 * (size_t)OUTPUT_ATTEMPT_SIZE;
    CLEANUP(cleanup_free) char *text = alloc_zero(1, size + 1);
    memset(text, 'm', size);
    static const char beginning[] = { 't', 'h', 'e', ' ', 'h', 'e', 'a', 'd' };
    static const char end[] = { 't', 'h', 'e', ' ', 't', 'a', 'i', 'l' };
    memcpy(text, beginning, sizeof beginning);
    memcpy(text + size - sizeof end, end, sizeof end);
    assert_int_equal(output_append(output, &attempt, text, size), 0);
    append(output, 31, 71, "next");

    CLEANUP(cleanup_free) char *kept = read_all(output, 31, 65536);
    assert_non_null(strstr(kept, "\nthe headmmm"));
    assert_non_null(strstr(kept, "mmmthe tail\n==== frame 31 claim 71 "));
    assert_non_null(strstr(kept, "the middle is not kept"));
    assert_in_range(strlen(kept), OUTPUT_ATTEMPT_SIZE, OUTPUT_ATTEMPT_SIZE + 300);
}

static void a_cut_block_does_not_hide_the_next(void **state)
{
    (void)state;
    CLEANUP(temp_folder_remove) char *folder = temp_folder_new();
    CLEANUP(cleanup_free) char *path = temp_folder_path(folder, "12");
    CLEANUP(output_close) output_t *output = NULL;
    assert_int_equal(output_open(folder, &output), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("==== frame 31 claim 70 by\n==== frame 31 claim 99 bytes 99999999999 at x\n", file);
    fclose(file);
    append(output, 31, 71, "whole");

    CLEANUP(cleanup_free) char *text = read_all(output, 31, 100);
    assert_non_null(strstr(text, "whole"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_attempts_of_one_frame_are_read_in_order),
        cmocka_unit_test(what_is_not_kept_reads_as_empty),
        cmocka_unit_test(a_long_attempt_keeps_its_head_and_its_tail),
        cmocka_unit_test(a_cut_block_does_not_hide_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
