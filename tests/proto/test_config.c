#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <czmq.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/cleanup.h"
#include "proto/config.h"
#include "tests/proto/files.h"

static config_t *opened(const char *text)
{
    if (text) {
        files_write("dblend.cfg", text, strlen(text));
    }
    config_t *config = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(config_open(files_path(""), &config, &error), CONFIG_OK);
    return config;
}

static void no_file_is_an_empty_config(void **state)
{
    (void)state;
    CLEANUP(config_close) config_t *config = opened(NULL);
    assert_int_equal(config_int(config, "keep", 30, 0, 100), 30);
    assert_true(config_bool(config, "x", true));
    assert_string_equal(config_str(config, "y", "-"), "-");
}

static void values_are_found_at_their_path(void **state)
{
    (void)state;
    CLEANUP(config_close)
    config_t *config = opened(
        "keep = 14\nworker\n    recycle = 500\n    factory = Yes\n"
        "    blender = \"/opt/blender 4/blender\"\n");
    assert_int_equal(config_int(config, "keep", 30, 0, 100), 14);
    assert_int_equal(config_int(config, "worker/recycle", 1, 0, 1000), 500);
    assert_true(config_bool(config, "worker/factory", false));
    assert_string_equal(config_str(config, "worker/blender", ""), "/opt/blender 4/blender");
}

static void what_is_no_number_or_out_of_range_falls_back(void **state)
{
    (void)state;
    CLEANUP(config_close)
    config_t *config = opened(
        "a = ten\nb = 101\nc = -1\nd = 5x\ne = 99999999999999999999\n"
        "f = maybe\n");
    const char *const names[] = { "a", "b", "c", "d", "e" };
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(config_int(config, names[i], 30, 0, 100), 30);
    }
    assert_false(config_bool(config, "f", false));
}

static void a_file_that_cannot_be_read_is_said_so(void **state)
{
    (void)state;
    assert_int_equal(mkdir(files_path("dblend.cfg"), 0700), 0);
    config_t *config = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(config_open(files_path(""), &config, &error), CONFIG_WRONG);
    assert_non_null(strstr(error, "dblend.cfg"));
    assert_null(config);
}

static void a_line_that_is_no_setting_is_refused(void **state)
{
    (void)state;
    files_write("dblend.cfg", "keep = 3\n  = 5\n%%%\n", 19);
    config_t *config = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(config_open(files_path(""), &config, &error), CONFIG_WRONG);
    assert_null(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, files_set_up, files_tear_down)

int main(void)
{
    zsys_handler_set(NULL);
    const struct CMUnitTest tests[] = {
        TEST(no_file_is_an_empty_config),
        TEST(values_are_found_at_their_path),
        TEST(what_is_no_number_or_out_of_range_falls_back),
        TEST(a_file_that_cannot_be_read_is_said_so),
        TEST(a_line_that_is_no_setting_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
