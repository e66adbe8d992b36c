#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/paths.h"

static char root[PATH_MAX]; /* a fresh folder per test */

static int set_up(void **state)
{
    (void)state;
    char template[] = "/tmp/dblend-test-XXXXXX";
    if (!mkdtemp(template) || !realpath(template, root)) {
        return -1;
    }
    (void)setenv("HOME", root, 1);
    (void)unsetenv("DBLEND_HOME");
    (void)unsetenv("DBLEND_DATA");
    (void)unsetenv("XDG_RUNTIME_DIR");
    (void)unsetenv("XDG_STATE_HOME");
    (void)unsetenv("XDG_CONFIG_HOME");
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of name in the folder of this test; the caller frees it. */
static char *in_root(const char *name)
{
    return alloc_format("%s/%s", root, name);
}

static void set_env(const char *name, const char *in)
{
    CLEANUP(cleanup_free) char *path = in_root(in);
    (void)setenv(name, path, 1);
}

static void assert_in_root(const char *path, const char *name)
{
    CLEANUP(cleanup_free) char *wanted = in_root(name);
    assert_string_equal(path, wanted);
}

static void home_moves_everything_into_one_folder(void **state)
{
    (void)state;
    set_env("DBLEND_HOME", "a/farm");
    struct paths paths = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(paths_find(&paths, &error), PATHS_OK);
    assert_in_root(paths.home, "a/farm");
    assert_in_root(paths.run, "a/farm/run");
    assert_in_root(paths.ledger, "a/farm/ledger.db");
    assert_in_root(paths.log, "a/farm/log");
    assert_in_root(paths.output_dir, "a/farm/blender");
    assert_in_root(paths.config, "a/farm/config");
    assert_in_root(paths.workers_sock, "a/farm/run/workers.sock");
    assert_in_root(paths.submitters_endpoint + strlen("ipc://"), "a/farm/run/submitters.sock");
    struct stat st;
    assert_int_equal(stat(paths.run, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(paths.output_dir, &st), 0);
    assert_int_equal(stat(paths.config, &st), 0);
    paths_free(&paths);
    assert_null(paths.run);
    paths_free(&paths);
}

static void a_relative_home_is_made_absolute(void **state)
{
    (void)state;
    assert_int_equal(chdir(root), 0);
    (void)setenv("DBLEND_HOME", "farm/./x/..", 1);
    CLEANUP(cleanup_free) char *sub = in_root("farm");
    assert_int_equal(mkdir(sub, 0755), 0);
    struct paths paths = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(paths_find(&paths, &error), PATHS_OK);
    assert_in_root(paths.home, "farm");
    paths_free(&paths);
    assert_int_equal(chdir("/"), 0);
}

static void a_home_of_any_mode_will_do(void **state)
{
    (void)state;
    CLEANUP(cleanup_free) char *home = in_root("open");
    assert_int_equal(mkdir(home, 0755), 0);
    assert_int_equal(chmod(home, 0777), 0);
    set_env("DBLEND_HOME", "open");
    struct paths paths = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(paths_find(&paths, &error), PATHS_OK);
    paths_free(&paths);
}

static void the_xdg_folders_are_used_without_home(void **state)
{
    (void)state;
    set_env("XDG_RUNTIME_DIR", "rt");
    set_env("XDG_STATE_HOME", "st");
    CLEANUP(cleanup_free) char *rt = in_root("rt");
    assert_int_equal(mkdir(rt, 0700), 0);
    struct paths paths = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(paths_find(&paths, &error), PATHS_OK);
    assert_null(paths.home);
    assert_in_root(paths.run, "rt/dblend");
    assert_in_root(paths.runtime, "rt/dblend");
    assert_in_root(paths.state, "st/dblend");
    assert_in_root(paths.config, ".config/dblend");
    struct stat st;
    assert_int_equal(stat(paths.state, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    paths_free(&paths);
}

static void a_runtime_folder_that_is_not_there_counts_as_not_set(void **state)
{
    (void)state;
    set_env("XDG_RUNTIME_DIR", "gone");
    set_env("DBLEND_HOME", "farm");
    struct paths paths = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(paths_find(&paths, &error), PATHS_OK);
    CLEANUP(cleanup_free) char *wanted = alloc_format("/tmp/dblend-%u", (unsigned)geteuid());
    assert_string_equal(paths.runtime, wanted);
    paths_free(&paths);
}

static void refuses(const char *words)
{
    struct paths paths = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(paths_find(&paths, &error), PATHS_REFUSED);
    assert_non_null(error);
    assert_non_null(strstr(error, words));
    assert_null(strchr(error, '\n'));
    assert_null(paths.run);
}

static void a_run_folder_that_others_may_enter_is_refused(void **state)
{
    (void)state;
    set_env("DBLEND_HOME", ".");
    CLEANUP(cleanup_free) char *run = in_root("run");
    assert_int_equal(mkdir(run, 0700), 0);
    assert_int_equal(chmod(run, 0750), 0);
    refuses("chmod 700");
}

static void a_run_folder_that_is_a_symlink_is_refused(void **state)
{
    (void)state;
    set_env("DBLEND_HOME", ".");
    CLEANUP(cleanup_free) char *run = in_root("run");
    CLEANUP(cleanup_free) char *elsewhere = in_root("elsewhere");
    assert_int_equal(mkdir(elsewhere, 0700), 0);
    assert_int_equal(symlink(elsewhere, run), 0);
    refuses("symlink");
}

static void a_run_folder_of_somebody_else_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip(); /* only root can give a folder away */
    }
    set_env("DBLEND_HOME", ".");
    CLEANUP(cleanup_free) char *run = in_root("run");
    assert_int_equal(mkdir(run, 0700), 0);
    assert_int_equal(chown(run, 12345, 12345), 0);
    refuses("belongs to user 12345");
}

static void a_home_below_a_file_is_refused(void **state)
{
    (void)state;
    CLEANUP(cleanup_free) char *file = in_root("file");
    FILE *made = fopen(file, "w");
    assert_non_null(made);
    assert_int_equal(fclose(made), 0);
    set_env("DBLEND_HOME", "file/farm");
    refuses("cannot make the folder");
}

static void a_long_socket_path_moves_under_a_hash(void **state)
{
    (void)state;
    set_env("XDG_RUNTIME_DIR", "rt");
    CLEANUP(cleanup_free) char *rt = in_root("rt");
    assert_int_equal(mkdir(rt, 0700), 0);
    char name[91];
    memset(name, 'n', 90);
    name[90] = '\0';
    set_env("DBLEND_HOME", name);
    struct paths paths = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(paths_find(&paths, &error), PATHS_OK);
    CLEANUP(cleanup_free) char *folder = in_root("rt/dblend/");
    assert_int_equal(strncmp(paths.workers_sock, folder, strlen(folder)), 0);
    const char *file = paths.workers_sock + strlen(folder);
    assert_int_equal(strspn(file, "0123456789abcdef"), 16);
    assert_string_equal(file + 16, "-workers.sock");
    assert_true(strlen(paths.submitters_sock) <= 100);
    struct stat st;
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    struct paths again = { 0 };
    assert_int_equal(paths_find(&again, &error), PATHS_OK);
    assert_string_equal(again.workers_sock, paths.workers_sock);
    paths_free(&again);
    paths_free(&paths);
}

/* "/run/submitters.sock" comes after the home. */
static void a_socket_path_of_100_bytes_stays_one_of_101_moves(void **state)
{
    (void)state;
    set_env("XDG_RUNTIME_DIR", "rt");
    CLEANUP(cleanup_free) char *rt = in_root("rt");
    assert_int_equal(mkdir(rt, 0700), 0);
    for (size_t size = 100; size <= 101; size++) {
        char name[PATH_MAX];
        size_t rest = size - strlen(root) - 1 - strlen("/run/submitters.sock");
        memset(name, 'n', rest);
        name[rest] = '\0';
        set_env("DBLEND_HOME", name);
        struct paths paths = { 0 };
        CLEANUP(cleanup_free) char *error = NULL;
        assert_int_equal(paths_find(&paths, &error), PATHS_OK);
        assert_int_equal(strncmp(paths.submitters_sock, rt, strlen(rt)) == 0, size == 101);
        paths_free(&paths);
    }
}

static void a_runtime_folder_of_somebody_else_counts_as_not_set(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip(); /* only root can give a folder away */
    }
    set_env("XDG_RUNTIME_DIR", "rt");
    set_env("DBLEND_HOME", "farm");
    CLEANUP(cleanup_free) char *rt = in_root("rt");
    assert_int_equal(mkdir(rt, 0700), 0);
    assert_int_equal(chown(rt, 12345, 12345), 0);
    struct paths paths = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(paths_find(&paths, &error), PATHS_OK);
    assert_int_not_equal(strncmp(paths.runtime, rt, strlen(rt)), 0);
    paths_free(&paths);
}

static void data_files_are_found_in_the_folder_that_is_named(void **state)
{
    (void)state;
    CLEANUP(cleanup_free) char *file = in_root("autorender.py");
    FILE *made = fopen(file, "w");
    assert_non_null(made);
    assert_int_equal(fclose(made), 0);
    (void)setenv("DBLEND_DATA", root, 1);
    CLEANUP(cleanup_free) char *path = NULL;
    assert_int_equal(paths_data("autorender.py", &path), 0);
    assert_string_equal(path, file);
    CLEANUP(cleanup_free) char *other = NULL;
    assert_int_equal(paths_data("nothing.py", &other), -ENOENT);
    assert_null(other);
}

static void programs_are_found_beside_us_and_in_path(void **state)
{
    (void)state;
    char self[PATH_MAX] = "";
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    CLEANUP(cleanup_free) char *beside = NULL;
    assert_int_equal(paths_program(strrchr(self, '/') + 1, &beside), 0);
    assert_string_equal(beside, self);
    CLEANUP(cleanup_free) char *in_path = NULL;
    assert_int_equal(paths_program("true", &in_path), 0);
    CLEANUP(cleanup_free) char *nowhere = NULL;
    assert_int_equal(paths_program("no-such-program-of-ours", &nowhere), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(home_moves_everything_into_one_folder),
        TEST(a_relative_home_is_made_absolute),
        TEST(a_home_of_any_mode_will_do),
        TEST(the_xdg_folders_are_used_without_home),
        TEST(a_runtime_folder_that_is_not_there_counts_as_not_set),
        TEST(a_run_folder_that_others_may_enter_is_refused),
        TEST(a_run_folder_that_is_a_symlink_is_refused),
        TEST(a_run_folder_of_somebody_else_is_refused),
        TEST(a_home_below_a_file_is_refused),
        TEST(a_long_socket_path_moves_under_a_hash),
        TEST(a_socket_path_of_100_bytes_stays_one_of_101_moves),
        TEST(a_runtime_folder_of_somebody_else_counts_as_not_set),
        TEST(data_files_are_found_in_the_folder_that_is_named),
        TEST(programs_are_found_beside_us_and_in_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
