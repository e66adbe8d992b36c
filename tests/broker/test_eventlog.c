#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/eventlog.h"
#include "proto/cleanup.h"
#include "temp_folder.h"

static int write_now(eventlog_t *log, const struct eventlog_line *line)
{
    eventlog_write(log, line);
    return eventlog_flush(log);
}

static void an_event_is_one_line(void **state)
{
    (void)state;
    CLEANUP(temp_folder_remove) char *folder = temp_folder_new();
    CLEANUP(cleanup_free) char *path = temp_folder_path(folder, "log");
    CLEANUP(eventlog_close) eventlog_t *log = NULL;
    assert_int_equal(eventlog_open(path, &log), 0);

    int32_t frame = 0;
    struct eventlog_line line = {
        .at_ms = 0,
        .event = "frame-error",
        .job = 12,
        .frame = &frame,
        .worker = "host/cpu:0-1",
        .text = "crashed\nlast line \x1b[31m\n",
    };
    eventlog_write(log, &line);
    line = (struct eventlog_line){ .at_ms = 0, .event = "broker-started" };
    assert_int_equal(write_now(log, &line), 0);
    assert_int_equal(eventlog_flush(log), 0);

    CLEANUP(cleanup_free) char *text = temp_folder_read(path);
    assert_string_equal(text,
                        "1970-01-01T00:00:00.000Z | frame-error | job=12 frame=0 "
                        "worker=host/cpu:0-1: crashed / last line [31m\n"
                        "1970-01-01T00:00:00.000Z | broker-started | \n");
}

static void numbers_are_written_whole(void **state)
{
    (void)state;
    CLEANUP(temp_folder_remove) char *folder = temp_folder_new();
    CLEANUP(cleanup_free) char *path = temp_folder_path(folder, "log");
    CLEANUP(eventlog_close) eventlog_t *log = NULL;
    assert_int_equal(eventlog_open(path, &log), 0);
    static const int64_t jobs[] = { INT64_MAX, INT64_MIN, 10, -1 };
    static const int32_t frames[] = { INT32_MAX, INT32_MIN + 1, -10, 0 };
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        struct eventlog_line line = { .event = "e", .job = jobs[i], .frame = &frames[i] };
        eventlog_write(log, &line);
    }
    assert_int_equal(eventlog_flush(log), 0);
    CLEANUP(cleanup_free) char *text = temp_folder_read(path);
    assert_string_equal(
        text,
        "1970-01-01T00:00:00.000Z | e | job=9223372036854775807 frame=2147483647\n"
        "1970-01-01T00:00:00.000Z | e | job=-9223372036854775808 frame=-2147483647\n"
        "1970-01-01T00:00:00.000Z | e | job=10 frame=-10\n"
        "1970-01-01T00:00:00.000Z | e | job=-1 frame=0\n");
}

static void after_a_rotation_lines_go_to_the_new_file(void **state)
{
    (void)state;
    CLEANUP(temp_folder_remove) char *folder = temp_folder_new();
    CLEANUP(cleanup_free) char *path = temp_folder_path(folder, "log");
    CLEANUP(cleanup_free) char *old = temp_folder_path(folder, "log.1");
    CLEANUP(eventlog_close) eventlog_t *log = NULL;
    assert_int_equal(eventlog_open(path, &log), 0);
    struct eventlog_line line = { .at_ms = 0, .event = "job-added", .job = 1 };

    assert_int_equal(write_now(log, &line), 0);
    assert_int_equal(rename(path, old), 0);
    assert_int_equal(write_now(log, &line), 0);
    assert_int_equal(eventlog_reopen(log), 0);
    line.job = 2;
    assert_int_equal(write_now(log, &line), 0);

    CLEANUP(cleanup_free) char *text = temp_folder_read(path);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z | job-added | job=2\n");
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    CLEANUP(eventlog_close) eventlog_t *log = NULL;
    assert_int_equal(eventlog_open("/dev/full", &log), 0);
    struct eventlog_line line = { .at_ms = 0, .event = "job-added" };
    assert_true(write_now(log, &line) < 0);
}

static void a_path_that_cannot_be_opened_is_told(void **state)
{
    (void)state;
    eventlog_t *log = NULL;
    assert_true(eventlog_open("/proc/no/such/log", &log) < 0);
    assert_null(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_one_line),
        cmocka_unit_test(numbers_are_written_whole),
        cmocka_unit_test(after_a_rotation_lines_go_to_the_new_file),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(a_path_that_cannot_be_opened_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
