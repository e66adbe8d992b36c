#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/objects.h"
#include "submit/spec.h"
#include "tests/submit/temp_folder.h"

#define FARM "0123456789abcdef"

static struct spec_how how_with(const json_t *options, bool go_on)
{
    return (struct spec_how){ FARM, options, NULL, 1795356000123, go_on };
}

static void spec_is_what_the_protocol_asks_for(void **state)
{
    CLEANUP(cleanup_free) char *path = temp_folder_file(*state, "shot 1.blend", "some bytes");
    CLEANUP(cleanup_json) json_t *options = json_pack("{s:i}", "priority", 7);
    CLEANUP(cleanup_json) json_t *spec = NULL;
    CLEANUP(cleanup_free) char *note = NULL;
    struct spec_how how = how_with(options, true);
    struct message_fault fault = { "" };
    assert_null(spec_make(path, &how, &spec, &note));
    assert_int_equal(message_check_spec(spec, &fault), MESSAGE_OK);
    assert_string_equal(objects_str(spec, "name"), "shot 1");
    assert_string_equal(objects_str(spec, "file"), path);
    assert_int_equal(objects_int(spec, "size"), 10);
    assert_int_equal(strlen(objects_str(spec, "hash")), 64);
    assert_true(json_is_true(json_object_get(spec, "go_on")));
    assert_int_equal(objects_int(spec, "submitted_at"), 1795356000123);
}

static void submitted_bytes_are_kept_beside_the_file(void **state)
{
    CLEANUP(cleanup_free) char *path = temp_folder_file(*state, "a.blend", "bytes");
    CLEANUP(cleanup_json) json_t *options = json_object();
    CLEANUP(cleanup_json) json_t *spec = NULL;
    CLEANUP(cleanup_free) char *note = NULL;
    struct spec_how how = how_with(options, false);
    assert_null(spec_make(path, &how, &spec, &note));
    const char *kept = objects_str(spec, "kept");
    assert_int_equal(access(kept, R_OK), 0);
    assert_int_equal(strncmp(kept, *state, strlen(*state)), 0);
    assert_null(json_object_get(spec, "go_on"));
    assert_null(note);
}

static void missing_file_is_refused(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *options = json_object();
    CLEANUP(cleanup_json) json_t *spec = NULL;
    CLEANUP(cleanup_free) char *note = NULL;
    struct spec_how how = how_with(options, false);
    CLEANUP(cleanup_json) json_t *refusal = spec_make("/no/such.blend", &how, &spec, &note);
    assert_string_equal(objects_str(refusal, "code"), "file-unreadable");
    assert_null(spec);
}

static void render_folder_is_named_by_the_time(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    CLEANUP(cleanup_free)
    char *pattern = spec_render_folder("/out", "/a/scenes/shot.blend", 1795356000123, false);
    assert_string_equal(pattern, "/out/scenes/shot_20261122-140000/shot-####");
}

static void newest_render_folder_goes_on(void **state)
{
    const char *const names[] = { "x/shot_20200101-000000", "x/shot_20210101-000000",
                                  "x/shot_2099-no", "x/other_20300101-000000" };
    CLEANUP(cleanup_free) char *parent = alloc_format("%s/x", (char *)*state);
    assert_int_equal(mkdir(parent, 0700), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CLEANUP(cleanup_free) char *path = alloc_format("%s/%s", (char *)*state, names[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    CLEANUP(cleanup_free) char *pattern = spec_render_folder(*state, "/x/shot.blend", 0, true);
    CLEANUP(cleanup_free)
    char *wanted = alloc_format("%s/x/shot_20210101-000000/shot-####", (char *)*state);
    assert_string_equal(pattern, wanted);
}

static void both_render_folder_and_its_pattern_are_sent(void **state)
{
    CLEANUP(cleanup_free) char *path = temp_folder_file(*state, "a.blend", "bytes");
    CLEANUP(cleanup_json) json_t *options = json_pack("{s:s}", "render_folder", "/out");
    CLEANUP(cleanup_json) json_t *spec = NULL;
    CLEANUP(cleanup_free) char *note = NULL;
    struct spec_how how = how_with(options, false);
    assert_null(spec_make(path, &how, &spec, &note));
    const json_t *sent = json_object_get(spec, "options");
    assert_string_equal(objects_str(sent, "render_folder"), "/out");
    assert_int_equal(strncmp(objects_str(sent, "output"), "/out/", 5), 0);
    assert_null(json_object_get(options, "output"));
}

static void values_are_counted_as_on_the_wire(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *value = json_pack("{s:[i, i], s:s}", "a", 1, 2, "b", "x");
    assert_int_equal(spec_values(value), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(spec_is_what_the_protocol_asks_for, temp_folder_make,
                                        temp_folder_remove),
        cmocka_unit_test_setup_teardown(submitted_bytes_are_kept_beside_the_file, temp_folder_make,
                                        temp_folder_remove),
        cmocka_unit_test(missing_file_is_refused),
        cmocka_unit_test(render_folder_is_named_by_the_time),
        cmocka_unit_test_setup_teardown(newest_render_folder_goes_on, temp_folder_make,
                                        temp_folder_remove),
        cmocka_unit_test_setup_teardown(both_render_folder_and_its_pattern_are_sent,
                                        temp_folder_make, temp_folder_remove),
        cmocka_unit_test(values_are_counted_as_on_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
