#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "tests/worker/temp_folder.h"
#include "worker/places.h"

static bool has(const struct places *places, const char *path)
{
    for (size_t i = 0; i < places->count; i++) {
        if (strcmp(places->paths[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static void folder(const struct temp_folder *base, const char *name)
{
    char *path = alloc_format("%s/%s", base->path, name);
    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
}

static void set(const char *name, const struct temp_folder *base, const char *tail)
{
    char *path = alloc_format("%s%s", base->path, tail);
    assert_int_equal(setenv(name, path, 1), 0);
    free(path);
}

static void path_home_and_desktop_entries_are_searched(void **state)
{
    const struct temp_folder *base = *state;
    struct places places = { .count = 0 };
    folder(base, "bin");
    folder(base, "home");
    folder(base, "home/blender-4.2");
    folder(base, "other");
    folder(base, "share");
    folder(base, "share/applications");
    char *in_path = temp_folder_file(base, "bin/blender", "");
    char *in_home = temp_folder_file(base, "home/blender-4.2/blender", "");
    char *in_entry = temp_folder_file(base, "other/blender-test", "");
    char *entry = alloc_format("[Desktop Entry]\nExec=\"%s\" %%f\n", in_entry);
    free(temp_folder_file(base, "share/applications/blender-test.desktop", entry));
    set("PATH", base, "/bin");
    set("HOME", base, "/home");
    set("XDG_DATA_HOME", base, "/share");
    set("XDG_DATA_DIRS", base, "/nothing");
    places_search(&places);
    assert_true(places.count >= 3);
    assert_string_equal(places.paths[0], in_path);
    assert_true(has(&places, in_home));
    assert_true(has(&places, in_entry));
    places_clear(&places);
    free(in_path);
    free(in_home);
    free(in_entry);
    free(entry);
}

static void the_same_file_is_one_place(void **state)
{
    const struct temp_folder *base = *state;
    struct places places = { .count = 0 };
    char *path = temp_folder_file(base, "blender", "");
    char *link_path = alloc_format("%s/other", base->path);
    assert_int_equal(symlink(path, link_path), 0);
    places_add_program(&places, path);
    places_add_program(&places, link_path);
    assert_int_equal(places.count, 1);
    places_clear(&places);
    free(path);
    free(link_path);
}

static void what_a_person_names_is_asked_even_if_it_is_not_there(void **state)
{
    struct places places = { .count = 0 };
    (void)state;
    places_add_program(&places, "/nonexistent/a");
    places_add_program(&places, "/nonexistent/b");
    assert_int_equal(places.count, 2);
    places_clear(&places);
}

#define FOLDER(test) cmocka_unit_test_setup_teardown(test, temp_folder_make, temp_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER(path_home_and_desktop_entries_are_searched),
        FOLDER(the_same_file_is_one_place),
        FOLDER(what_a_person_names_is_asked_even_if_it_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
