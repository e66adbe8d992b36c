#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "worker/reports.h"

static void add(reports_t *reports, json_t *report, const char *log_text)
{
    char *log = alloc_text(log_text);
    reports_add(reports, &report, &log, log_text ? strlen(log_text) : 0);
    assert_null(report);
    assert_null(log);
}

static const char *what_at(const json_t *message, size_t i)
{
    return json_string_value(json_object_get(json_array_get(message, i), "what"));
}

static void reports_stay_in_order_until_settled(void **state)
{
    struct reports_log logs[REPORTS_LOGS_A_MESSAGE];
    size_t log_count = 9;
    (void)state;
    reports_t *reports = reports_new();
    json_t *started = report_new(1, "started");
    json_object_set_new(started, "blender", json_string("3.4.1"));
    add(reports, started, NULL);
    add(reports, report_new(1, "returned"), NULL);
    assert_true(reports_ended(reports, 1));
    assert_false(reports_ended(reports, 2));
    json_t *message = reports_message(reports, logs, &log_count);
    assert_int_equal(json_array_size(message), 2);
    assert_string_equal(what_at(message, 0), "started");
    assert_int_equal(log_count, 0);
    json_decref(message);
    assert_true(reports_settle(reports, 1, "started"));
    assert_false(reports_settle(reports, 1, "started"));
    assert_int_equal(reports_count(reports), 1);
    reports_forget(reports, 1);
    assert_int_equal(reports_count(reports), 0);
    reports_destroy(&reports);
}

static void logs_go_with_their_reports(void **state)
{
    struct reports_log logs[REPORTS_LOGS_A_MESSAGE];
    size_t log_count = 0;
    (void)state;
    reports_t *reports = reports_new();
    for (int claim = 1; claim <= 6; claim++) {
        add(reports, report_error(claim, "crashed", "it ended", NULL, false),
            claim == 2 ? NULL : "printed");
    }
    json_t *message = reports_message(reports, logs, &log_count);
    assert_int_equal(log_count, REPORTS_LOGS_A_MESSAGE);
    size_t marked = 0;
    for (size_t i = 0; i < json_array_size(message); i++) {
        marked += json_is_true(json_object_get(json_array_get(message, i), "log"));
    }
    assert_int_equal(json_array_size(message), 6);
    assert_int_equal(marked, REPORTS_LOGS_A_MESSAGE);
    assert_memory_equal(logs[0].text, "printed", logs[0].size);
    json_decref(message);
    reports_destroy(&reports);
}

static void a_message_holds_eight(void **state)
{
    struct reports_log logs[REPORTS_LOGS_A_MESSAGE];
    size_t log_count = 0;
    (void)state;
    reports_t *reports = reports_new();
    for (int claim = 1; claim <= 10; claim++) {
        add(reports, report_new(claim, "returned"), NULL);
    }
    json_t *message = reports_message(reports, logs, &log_count);
    assert_int_equal(json_array_size(message), REPORTS_A_MESSAGE);
    json_decref(message);
    reports_destroy(&reports);
}

static void words_of_an_error_are_cut_and_cleaned(void **state)
{
    char text[2 * REPORTS_TEXT_BYTES];
    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "\xff\n\a", 3);
    memcpy(text + REPORTS_TEXT_BYTES - 1, "\xc3\xbc", 2);
    text[sizeof text - 1] = '\0';
    json_t *report = report_error(1, "crashed", text, NULL, true);
    const char *kept = json_string_value(json_object_get(report, "text"));
    assert_non_null(kept);
    assert_true(strlen(kept) <= REPORTS_TEXT_BYTES);
    assert_memory_equal(kept, "?\n?aaa", 6);
    assert_string_equal(json_string_value(json_object_get(report, "hint")), "");
    json_decref(report);
}

static void a_report_that_no_broker_takes_becomes_an_error(void **state)
{
    struct reports_log logs[REPORTS_LOGS_A_MESSAGE];
    size_t log_count = 0;
    (void)state;
    reports_t *reports = reports_new();
    json_t *huge = report_new(1, "kept");
    json_t *files = json_array();
    for (int i = 0; i < 200; i++) {
        char path[1024];
        memset(path, 'p', sizeof path);
        path[0] = '/';
        path[sizeof path - 1] = '\0';
        json_array_append_new(files, json_pack("{s:s, s:i, s:i, s:i, s:s, s:i, s:i}", "path", path,
                                               "bytes", 1, "width", 1, "height", 1, "view", "",
                                               "mtime_ns", 1, "inode", 1));
    }
    json_object_set_new(huge, "files", files);
    add(reports, huge, NULL);
    add(reports, report_new(2, "inspected"), NULL);
    json_t *message = reports_message(reports, logs, &log_count);
    assert_string_equal(what_at(message, 0), "error");
    assert_string_equal(what_at(message, 1), "error");
    json_decref(message);
    reports_destroy(&reports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_stay_in_order_until_settled),
        cmocka_unit_test(logs_go_with_their_reports),
        cmocka_unit_test(a_message_holds_eight),
        cmocka_unit_test(words_of_an_error_are_cut_and_cleaned),
        cmocka_unit_test(a_report_that_no_broker_takes_becomes_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
