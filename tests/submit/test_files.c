#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/files.h"
#include "submit/objects.h"
#include "tests/submit/temp_folder.h"

/* Takes got. */
static void assert_text(char *got, const char *wanted)
{
    CLEANUP(cleanup_free) char *owned = got;
    assert_string_equal(owned, wanted);
}

static void what_drag_and_drop_adds_is_taken_off(void **state)
{
    (void)state;
    assert_text(files_clean("'/a/my shot.blend' "), "/a/my shot.blend");
    assert_text(files_clean("\"/a/b.blend\"\n"), "/a/b.blend");
    assert_text(files_clean("'/a/it'\\''s.blend'"), "/a/it's.blend");
    assert_text(files_clean("  /a/b.blend\r\n"), "/a/b.blend");
    assert_text(files_clean("'unbalanced"), "'unbalanced");
    assert_text(files_clean("''"), "");
    assert_text(files_clean("'"), "'");
}

static void backslashes_go_only_if_that_file_is_there(void **state)
{
    struct files files = { 0 };
    CLEANUP(cleanup_free) char *path = temp_folder_file(*state, "a b.blend", "");
    CLEANUP(cleanup_free) char *typed = alloc_format("%s/a\\ b.blend", (char *)*state);
    files_add(&files, typed);
    files_add(&files, "/no/such\\ file");
    assert_string_equal(files.names[0], path);
    assert_string_equal(files.names[1], "/no/such\\ file");
    files_clear(&files);
}

static void file_that_is_named_with_quotes_is_meant_so(void **state)
{
    struct files files = { 0 };
    CLEANUP(cleanup_free) char *path = temp_folder_file(*state, "'x' ", "");
    files_add(&files, path);
    assert_string_equal(files.names[0], path);
    files_clear(&files);
}

static void lists_are_read_line_by_line(void **state)
{
    struct files files = { 0 };
    CLEANUP(cleanup_free)
    char *list = temp_folder_file(*state, "jobs", "/a.blend\n\n# no\n'/b c.blend'\r\n/d.blend");
    assert_int_equal(files_add_list(&files, list), 0);
    assert_int_equal(files.count, 3);
    assert_string_equal(files.names[0], "/a.blend");
    assert_string_equal(files.names[1], "/b c.blend");
    assert_string_equal(files.names[2], "/d.blend");
    files_clear(&files);
    assert_true(files_add_list(&files, "/no/such/list") < 0);
}

static void assert_refused(const char *name, const char *code)
{
    char *path = NULL;
    CLEANUP(cleanup_json) json_t *refusal = files_check(name, &path);
    assert_non_null(refusal);
    assert_null(path);
    assert_string_equal(objects_str(refusal, "code"), code);
    assert_string_not_equal(objects_str(refusal, "text"), "");
}

static void each_wrong_file_has_its_code(void **state)
{
    CLEANUP(cleanup_free) char *text = temp_folder_file(*state, "a.blend", "not a scene at all");
    CLEANUP(cleanup_free) char *empty = temp_folder_file(*state, "b.blend", "");
    CLEANUP(cleanup_free) char *cut = temp_folder_file(*state, "c.blend", "BLENDER-v304REND");
    CLEANUP(cleanup_free) char *pipe = alloc_format("%s/pipe.blend", (char *)*state);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_refused("/no/such.blend", "file-missing");
    assert_refused(*state, "not-blend");
    assert_refused(text, "not-blend");
    assert_refused(empty, "not-blend");
    assert_refused(pipe, "not-blend");
    assert_refused(cut, "file-truncated");
}

static void content_counts_not_the_name(void **state)
{
    char *path = NULL;
    CLEANUP(cleanup_free) char *name = alloc_format("%s/scene.old", (char *)*state);
    CLEANUP(cleanup_file) FILE *file = fopen(name, "w");
    /* a header, the one block that every file has, and the end */
    static const char dna[] =
        "DNA1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
        "ENDB\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    fputs("BLENDER-v304", file);
    fwrite(dna, 1, sizeof dna, file);
    fflush(file);
    CLEANUP(cleanup_json) json_t *refusal = files_check(name, &path);
    assert_null(refusal);
    assert_string_equal(path, name);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_drag_and_drop_adds_is_taken_off),
        cmocka_unit_test_setup_teardown(backslashes_go_only_if_that_file_is_there, temp_folder_make,
                                        temp_folder_remove),
        cmocka_unit_test_setup_teardown(file_that_is_named_with_quotes_is_meant_so,
                                        temp_folder_make, temp_folder_remove),
        cmocka_unit_test_setup_teardown(lists_are_read_line_by_line, temp_folder_make,
                                        temp_folder_remove),
        cmocka_unit_test_setup_teardown(each_wrong_file_has_its_code, temp_folder_make,
                                        temp_folder_remove),
        cmocka_unit_test_setup_teardown(content_counts_not_the_name, temp_folder_make,
                                        temp_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
