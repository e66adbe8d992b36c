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

/* Where it stands in the list. */
static size_t index_of(const struct places *places, const char *path)
{
    size_t i = 0;
    while (i < places->count && strcmp(places->paths[i], path) != 0) {
        i++;
    }
    assert_true(i < places->count);
    return i;
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

/* Those of PATH come first, as the shell takes them; the rest may be between this machine's own. */
static void path_home_and_desktop_entries_are_searched_in_this_order(void **state)
{
    const struct temp_folder *base = *state;
    struct places places = { .count = 0 };
    folder(base, "bin");
    folder(base, "a second bin");
    folder(base, "home");
    folder(base, "home/blender-3.6");
    folder(base, "home/blender-4.2");
    folder(base, "other");
    folder(base, "share");
    folder(base, "share/applications");
    char *in_path = temp_folder_file(base, "bin/blender", "");
    char *in_second = temp_folder_file(base, "a second bin/blender", "");
    char *older = temp_folder_file(base, "home/blender-3.6/blender", "");
    char *in_home = temp_folder_file(base, "home/blender-4.2/blender", "");
    char *in_entry = temp_folder_file(base, "other/blender-test", "");
    char *entry = alloc_format("[Desktop Entry]\nExec=\"%s\" %%f\n", in_entry);
    free(temp_folder_file(base, "share/applications/blender-test.desktop", entry));
    char *path = alloc_format("%s/bin:%s/a second bin", base->path, base->path);
    assert_int_equal(setenv("PATH", path, 1), 0);
    set("HOME", base, "/home");
    set("XDG_DATA_HOME", base, "/share");
    set("XDG_DATA_DIRS", base, "/nothing");
    places_search(&places);
    assert_int_equal(index_of(&places, in_path), 0);
    assert_int_equal(index_of(&places, in_second), 1);
    assert_int_equal(index_of(&places, older), index_of(&places, in_home) + 1);
    assert_true(index_of(&places, older) < index_of(&places, in_entry));
    places_clear(&places);
    free(path);
    free(in_path);
    free(in_second);
    free(older);
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
        FOLDER(path_home_and_desktop_entries_are_searched_in_this_order),
        FOLDER(the_same_file_is_one_place),
        FOLDER(what_a_person_names_is_asked_even_if_it_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
