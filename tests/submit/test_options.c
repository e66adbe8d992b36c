#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/options.h"
#include "tests/submit/parse_options.h"

static void assert_json(const json_t *map, const char *expected)
{
    CLEANUP(cleanup_json) json_t *wanted = json_loads(expected, 0, NULL);
    CLEANUP(cleanup_free) char *got = json_dumps(map, JSON_COMPACT | JSON_SORT_KEYS);
    if (!json_equal(map, wanted)) {
        fail_msg("got %s, wanted %s", got, expected);
    }
}

static void only_what_was_given_is_in_the_map(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *none = parse_options(WORDS(NULL));
    CLEANUP(cleanup_json) json_t *two = parse_options(WORDS("-S", "Shot 2", "--no-denoise"));
    assert_json(none, "{}");
    assert_json(two, "{\"scene\": \"Shot 2\", \"denoise\": false}");
}

static void every_option_has_its_key(void **state)
{
    (void)state;
    CLEANUP(cleanup_json)
    json_t *map = parse_options(WORDS(
        "-f", "3,1-2,end", "-o", "/x/f-####", "-E", "cycles", "--samples", "16", "--percentage",
        "25", "--format", "png", "-p", "0", "--overwrite", "--trust-scripts", "--order", "every:4",
        "--attempts", "2", "--placeholder-timeout", "60", "--strict", "--allow-missing",
        "--unbaked", "allow", "--mix", "--again", "--device-type", "optix,cuda", "--allow-cpu"));
    assert_json(map,
                "{\"frames\": [1, 3, 1], \"frame_words\": [\"end\"], \"output\": \"/x/f-####\","
                " \"engine\": \"CYCLES\", \"samples\": 16, \"percentage\": 25,"
                " \"format\": \"PNG\", \"priority\": 0, \"overwrite\": true,"
                " \"trust_scripts\": true, \"order\": \"every:4\", \"attempts\": 2,"
                " \"placeholder_timeout_s\": 60, \"strict\": true, \"allow_missing\": true,"
                " \"unbaked\": \"allow\", \"mix\": true, \"again\": true,"
                " \"device_type\": \"optix,cuda\", \"allow_cpu\": true}");
    struct message_fault fault = { "" };
    assert_int_equal(message_check_options(map, &fault), MESSAGE_OK);
}

static void limits_of_a_frames_time_have_their_keys(void **state)
{
    (void)state;
    CLEANUP(cleanup_json)
    json_t *map = parse_options(
        WORDS("--stall", "604800", "--max-frame-time", "90", "--min-frame-time", "0.5"));
    assert_json(map,
                "{\"stall_s\": 604800, \"max_frame_time_s\": 90,"
                " \"min_frame_time_ms\": 500}");
}

static void negative_frames_need_the_equals_sign(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *map = parse_options(WORDS("--frames=-5--1"));
    assert_json(map, "{\"frames\": [-5, -1, 1]}");
}

static void the_last_of_two_lists_counts(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *map = parse_options(WORDS("-f", "1-9", "-f", "current"));
    assert_json(map, "{\"frame_words\": [\"current\"]}");
}

static void relative_output_is_fixed_at_submit(void **state)
{
    (void)state;
    CLEANUP(cleanup_free) char *cwd = getcwd(NULL, 0);
    CLEANUP(cleanup_json) json_t *map = parse_options(WORDS("-o", "./out/f-####"));
    const char *output = json_string_value(json_object_get(map, "output"));
    assert_int_equal(strncmp(output, cwd, strlen(cwd)), 0);
    assert_string_equal(output + strlen(cwd), "/out/f-####");
}

static void blenders_own_relative_path_is_left_alone(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *map = parse_options(WORDS("-o", "//out/f-####"));
    assert_json(map, "{\"output\": \"//out/f-####\"}");
}

static void wrong_values_are_usage_errors(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        { "-f", "5-1" },
        { "-f", "" },
        { "-f", "1x0" },
        { "-p", "101" },
        { "-p", "-1" },
        { "-p", "high" },
        { "--samples", "0" },
        { "--percentage", "0" },
        { "--percentage", "1001" },
        { "--order", "sideways" },
        { "--order", "every:0" },
        { "--attempts", "0" },
        { "--unbaked", "maybe" },
        { "--device-type", "vulkan" },
        { "-o", "" },
        { "--placeholder-timeout", "0" },
        { "--stall", "0" },
        { "--stall", "604801" },
        { "--stall", "1.5" },
        { "--max-frame-time", "0" },
        { "--min-frame-time", "-1" },
        { "--min-frame-time", "." },
        { "--min-frame-time", "0x10" },
        { "--min-frame-time", "nan" },
        { "--min-frame-time", "86401" },
        { "--min-frame-time", "" },
        { "-S", "" },
        { "-E", "" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int status = parse_options_status(&options_argp, WORDS(wrong[i][0], wrong[i][1]));
        if (status != 2) {
            fail_msg("%s '%s' ends with %d", wrong[i][0], wrong[i][1], status);
        }
    }
}

static void contradictions_are_usage_errors(void **state)
{
    (void)state;
    assert_int_equal(parse_options_status(&options_argp, WORDS("--keep", "--overwrite")), 2);
    assert_int_equal(parse_options_status(&options_argp, WORDS("--trust-scripts", "--no-scripts")),
                     2);
    assert_int_equal(
        parse_options_status(&options_argp, WORDS("-o", "/x/#", "--render-folder", "/y")), 2);
}

static void accept_takes_answers_only(void **state)
{
    (void)state;
    assert_int_equal(parse_options_status(&options_answer_argp, WORDS("--keep")), 0);
    assert_int_equal(parse_options_status(&options_answer_argp, WORDS("-E", "CYCLES")), 0);
    assert_int_equal(parse_options_status(&options_answer_argp, WORDS("--samples", "4")), 2);
}

static void answers_are_picked_from_the_map(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *map = parse_options(WORDS("--keep", "-p", "7", "-E", "cycles"));
    CLEANUP(cleanup_json) json_t *answers = options_answers(map);
    assert_json(answers, "{\"keep\": true, \"engine\": \"CYCLES\"}");
}

static void typed_answers_become_flags(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *map = json_object();
    assert_true(options_answer("pictures", "k", map));
    assert_true(options_answer("scripts-blocked", "--no-scripts", map));
    assert_true(options_answer("engine-missing", "CYCLES", map));
    assert_true(options_answer("unbaked", "allow", map));
    assert_true(options_answer("output-in-use", "/new/f-####", map));
    assert_true(options_answer("warnings", "yes", map));
    assert_json(map,
                "{\"keep\": true, \"no_scripts\": true, \"engine\": \"CYCLES\","
                " \"unbaked\": \"allow\", \"output\": \"/new/f-####\"}");
}

static void what_does_not_answer_is_refused(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *map = json_object();
    assert_false(options_answer("pictures", "maybe", map));
    assert_false(options_answer("pictures", "", map));
    assert_false(options_answer("warnings", "no", map));
    assert_false(options_answer("no-such-question", "x", map));
    assert_int_equal(json_object_size(map), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_given_is_in_the_map),
        cmocka_unit_test(every_option_has_its_key),
        cmocka_unit_test(limits_of_a_frames_time_have_their_keys),
        cmocka_unit_test(negative_frames_need_the_equals_sign),
        cmocka_unit_test(the_last_of_two_lists_counts),
        cmocka_unit_test(relative_output_is_fixed_at_submit),
        cmocka_unit_test(blenders_own_relative_path_is_left_alone),
        cmocka_unit_test(wrong_values_are_usage_errors),
        cmocka_unit_test(contradictions_are_usage_errors),
        cmocka_unit_test(accept_takes_answers_only),
        cmocka_unit_test(answers_are_picked_from_the_map),
        cmocka_unit_test(typed_answers_become_flags),
        cmocka_unit_test(what_does_not_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
