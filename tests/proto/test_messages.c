#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"
#include "proto/messages.h"

static json_t *body_of(const char *text)
{
    json_error_t error;
    json_t *body = json_loads(text, 0, &error);
    if (!body) {
        print_error("%s at %d\n", error.text, error.position);
    }
    assert_non_null(body);
    return body;
}

static void checks(enum message_side side, const char *text, int outcome, const char *fault_text)
{
    CLEANUP(cleanup_json) json_t *body = body_of(text);
    struct message_fault fault = { "" };
    assert_int_equal(message_check(side, body, &fault), outcome);
    assert_string_equal(fault.text, fault_text);
    assert_int_equal(message_check(side, body, NULL), outcome);
}

#define SYNC_START "{\"v\":1,\"t\":\"SYNC\",\"session\":1,\"seq\":2,\"seen\":0,\"want\":1,"
#define SYNC_END "\"state\":\"idle\"}"

static void a_whole_sync_passes(void **state)
{
    (void)state;
    checks(MESSAGE_FROM_WORKER,
           SYNC_START
           "\"holding\":[{\"claim\":7,\"phase\":\"ahead\"}],"
           "\"reports\":[{\"claim\":6,\"what\":\"started\",\"blender\":\"3.4.1\"}],"
           "\"telemetry\":{\"blender_rss_bytes\":5},\"later\":[1,2]," SYNC_END,
           MESSAGE_OK, "");
}

static void nil_is_the_same_as_absent(void **state)
{
    (void)state;
    checks(MESSAGE_FROM_WORKER,
           SYNC_START "\"holding\":[],\"reports\":[],\"job\":null,\"leave\":null," SYNC_END,
           MESSAGE_OK, "");
    checks(MESSAGE_FROM_WORKER, SYNC_START "\"holding\":null,\"reports\":[]," SYNC_END,
           MESSAGE_MALFORMED, "holding: missing");
}

static void a_fault_is_named_with_its_place(void **state)
{
    (void)state;
    checks(MESSAGE_FROM_WORKER,
           SYNC_START
           "\"holding\":[{\"claim\":7,\"phase\":\"ahead\"},{\"claim\":8}],"
           "\"reports\":[]," SYNC_END,
           MESSAGE_MALFORMED, "holding[1].phase: missing");
    checks(MESSAGE_FROM_WORKER,
           SYNC_START
           "\"holding\":[],\"reports\":[{\"claim\":7,\"what\":\"kept\",\"files\":"
           "[{\"path\":\"x\",\"bytes\":1}]}]," SYNC_END,
           MESSAGE_MALFORMED, "reports[0].files[0].path: no absolute path");
}

static void a_report_needs_the_keys_of_its_kind(void **state)
{
    (void)state;
    checks(MESSAGE_FROM_WORKER,
           SYNC_START
           "\"holding\":[],\"reports\":[{\"claim\":7,\"what\":\"taken\",\"size\":1,"
           "\"mtime_ns\":2}]," SYNC_END,
           MESSAGE_MALFORMED, "reports[0].inode: missing");
    checks(MESSAGE_FROM_WORKER,
           SYNC_START "\"holding\":[],\"reports\":[{\"claim\":7,\"what\":\"dreamt\"}]," SYNC_END,
           MESSAGE_MALFORMED, "reports[0].what: no such word");
    checks(MESSAGE_FROM_WORKER,
           SYNC_START "\"holding\":[],\"reports\":[{\"claim\":7,\"what\":\"swept\"}]," SYNC_END,
           MESSAGE_OK, "");
}

static void numbers_have_ranges(void **state)
{
    (void)state;
    checks(MESSAGE_FROM_SUBMITTER,
           "{\"v\":1,\"t\":\"PRIORITY\",\"key\":\"k\",\"job\":1,\"priority\":101}",
           MESSAGE_MALFORMED, "priority: out of range");
    checks(MESSAGE_FROM_SUBMITTER,
           "{\"v\":1,\"t\":\"PRIORITY\",\"key\":\"k\",\"job\":0,\"priority\":1}", MESSAGE_MALFORMED,
           "job: out of range");
    checks(MESSAGE_FROM_SUBMITTER,
           "{\"v\":1,\"t\":\"PRIORITY\",\"key\":\"k\",\"job\":1.0,\"priority\":1}",
           MESSAGE_MALFORMED, "job: no integer");
}

static void a_change_needs_a_key(void **state)
{
    (void)state;
    checks(MESSAGE_FROM_SUBMITTER, "{\"v\":1,\"t\":\"CLEAR\"}", MESSAGE_MALFORMED, "key: missing");
    checks(MESSAGE_FROM_SUBMITTER, "{\"v\":1,\"t\":\"CLEAR\",\"key\":\"\"}", MESSAGE_MALFORMED,
           "key: too short");
}

static void the_options_of_a_job_are_checked(void **state)
{
    (void)state;
    const char *const good[] = {
        "{}",
        "{\"frames\":[1,10,1],\"frame_words\":[\"end\"],\"order\":\"every:3\",\"unknown\":1}",
        "{\"samples\":16,\"percentage\":25,\"denoise\":false,\"unbaked\":\"allow\"}",
    };
    const char *const bad[] = {
        "{\"frames\":[1,10]}",    "{\"frames\":[1,10,1,5,6,1]}",
        "{\"order\":\"random\"}", "{\"frame_words\":[\"first\"]}",
        "{\"samples\":0}",        "{\"denoise\":1}",
        "{\"unbaked\":\"no\"}",   "{\"attempts\":1001}",
        "{\"scene\":3}",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CLEANUP(cleanup_json) json_t *options = body_of(good[i]);
        assert_int_equal(message_check_options(options, NULL), MESSAGE_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CLEANUP(cleanup_json) json_t *options = body_of(bad[i]);
        struct message_fault fault;
        assert_int_equal(message_check_options(options, &fault), MESSAGE_MALFORMED);
    }
}

static void types_belong_to_one_side(void **state)
{
    (void)state;
    checks(MESSAGE_FROM_SUBMITTER, "{\"v\":1,\"t\":\"HELLO\"}", MESSAGE_OK, "");
    checks(MESSAGE_FROM_WORKER, "{\"v\":1,\"t\":\"HELLO\"}", MESSAGE_UNKNOWN,
           "body: no such message type");
    checks(MESSAGE_FROM_SUBMITTER, "{\"v\":1}", MESSAGE_UNKNOWN, "body: no such message type");
}

static void another_version_is_told_from_a_missing_one(void **state)
{
    (void)state;
    checks(MESSAGE_FROM_SUBMITTER, "{\"v\":2,\"t\":\"HELLO\"}", MESSAGE_VERSION,
           "body: another protocol version");
    checks(MESSAGE_FROM_SUBMITTER, "{\"t\":\"HELLO\"}", MESSAGE_MALFORMED, "body: no integer v");
    assert_int_equal(message_check(MESSAGE_FROM_WORKER, NULL, NULL), MESSAGE_MALFORMED);
}

static void a_deep_place_is_cut_not_overrun(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *body = msg_new("SUBMIT");
    msg_set_str(body, "key", "k");
    json_t *jobs = json_array();
    msg_set(body, "jobs", jobs);
    json_array_append_new(jobs, json_pack("{s:s}", "file", "/x.blend"));
    struct message_fault fault;
    assert_int_equal(message_check(MESSAGE_FROM_SUBMITTER, body, &fault), MESSAGE_MALFORMED);
    assert_string_equal(fault.text, "jobs[0].size: missing");
}

static void accessors_tell_absent_from_wrong(void **state)
{
    (void)state;
    CLEANUP(cleanup_json)
    json_t *map = body_of(
        "{\"i\":5,\"s\":\"abc\",\"b\":true,\"n\":null,"
        "\"a\":[1,2],\"m\":{},\"h\":\"0af\"}");
    int64_t number = -1;
    assert_int_equal(msg_int(map, "i", 0, 5, &number), MSG_OK);
    assert_int_equal(number, 5);
    assert_int_equal(msg_int(map, "i", 0, 4, &number), MSG_WRONG);
    assert_int_equal(msg_int(map, "s", 0, 4, &number), MSG_WRONG);
    assert_int_equal(msg_int(map, "n", 0, 4, &number), MSG_ABSENT);
    assert_int_equal(msg_int(map, "x", 0, 4, &number), MSG_ABSENT);
    const char *text = NULL;
    assert_int_equal(msg_str(map, "s", 3, &text), MSG_OK);
    assert_string_equal(text, "abc");
    assert_int_equal(msg_str(map, "s", 2, &text), MSG_WRONG);
    bool flag = false;
    assert_int_equal(msg_bool(map, "b", &flag), MSG_OK);
    assert_true(flag);
    assert_int_equal(msg_bool(map, "i", &flag), MSG_WRONG);
    const json_t *item = NULL;
    assert_int_equal(msg_array(map, "a", 2, &item), MSG_OK);
    assert_int_equal(msg_array(map, "a", 1, &item), MSG_WRONG);
    assert_int_equal(msg_map(map, "m", &item), MSG_OK);
    assert_int_equal(msg_map(map, "a", &item), MSG_WRONG);
    assert_int_equal(msg_hex(map, "h", 3, &text), MSG_OK);
    assert_int_equal(msg_hex(map, "s", 2, &text), MSG_WRONG);
    static const char *const words[] = { "xyz", "abc", NULL };
    int index = -1;
    assert_int_equal(msg_word(map, "s", words, &index), MSG_OK);
    assert_int_equal(index, 1);
    assert_int_equal(msg_word(map, "h", words, &index), MSG_WRONG);
}

static void accessors_fall_back(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *map = body_of("{\"i\":5,\"s\":\"abc\"}");
    assert_int_equal(msg_int_or(map, "i", 1), 5);
    assert_int_equal(msg_int_or(map, "s", 1), 1);
    assert_true(msg_bool_or(map, "i", true));
    assert_string_equal(msg_str_or(map, "s", "-"), "abc");
    assert_string_equal(msg_str_or(map, "x", "-"), "-");
    assert_null(msg_map_or_null(map, "i"));
    assert_null(msg_array_or_null(NULL, "i"));
    assert_string_equal(msg_type(map), "");
}

static void text_that_is_not_utf_8_is_still_sent(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *error = msg_error("file-missing", "no \"\xff\xe9.blend\"", NULL);
    CLEANUP(cleanup_free) char *text = json_dumps(error, JSON_COMPACT);
    assert_string_equal(
        text, "{\"code\":\"file-missing\",\"text\":\"no \\\"??.blend\\\"\",\"hint\":\"\"}");
    msg_set_str(error, "hint", NULL);
    assert_true(json_is_null(json_object_get(error, "hint")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_sync_passes),
        cmocka_unit_test(nil_is_the_same_as_absent),
        cmocka_unit_test(a_fault_is_named_with_its_place),
        cmocka_unit_test(a_report_needs_the_keys_of_its_kind),
        cmocka_unit_test(numbers_have_ranges),
        cmocka_unit_test(a_change_needs_a_key),
        cmocka_unit_test(the_options_of_a_job_are_checked),
        cmocka_unit_test(types_belong_to_one_side),
        cmocka_unit_test(another_version_is_told_from_a_missing_one),
        cmocka_unit_test(a_deep_place_is_cut_not_overrun),
        cmocka_unit_test(accessors_tell_absent_from_wrong),
        cmocka_unit_test(accessors_fall_back),
        cmocka_unit_test(text_that_is_not_utf_8_is_still_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
