#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/cleanup.h"
#include "proto/filehash.h"
#include "proto/kept.h"
#include "proto/process.h"
#include "tests/proto/files.h"

#define FARM "0123456789abcdef"

/* As Blender saves: a new file, renamed over the old one. */
static void save_again(const char *name, const char *text)
{
    files_write("new@", text, strlen(text));
    assert_int_equal(rename(files_path("new@"), files_path(name)), 0);
}

static bool no_links;
static bool saved_meanwhile;
static const char *made_meanwhile; /* by another process, under this name */

/* glibc's, but for file systems that have none, and for an artist: kept.c takes this one. */
int link(const char *from, const char *to)
{
    if (saved_meanwhile) {
        save_again("shot.blend", "second");
    }
    if (made_meanwhile) {
        (void)linkat(AT_FDCWD, from, AT_FDCWD, made_meanwhile, 0);
    }
    if (no_links) {
        errno = EPERM;
        return -1;
    }
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

static struct filehash_facts facts_of(const char *name)
{
    struct filehash_facts facts;
    assert_int_equal(filehash_facts(files_path(name), &facts), FILEHASH_OK);
    return facts;
}

static void holds(const char *path, const char *wanted)
{
    size_t size = 0;
    CLEANUP(cleanup_free) char *text = files_read(path, &size);
    assert_string_equal(text, wanted);
}

static void the_kept_file_lies_beside_and_outlives_a_save(void **state)
{
    (void)state;
    files_write("shot.blend", "first", 5);
    struct filehash_facts facts = facts_of("shot.blend");
    CLEANUP(cleanup_free) char *kept = NULL;
    assert_int_equal(kept_make(files_path("shot.blend"), &facts, FARM, &kept), KEPT_OK);
    char wanted[PATH_MAX];
    (void)snprintf(wanted, sizeof wanted, "%s.%s.blend", files_path(".shot." FARM), facts.hash);
    assert_string_equal(kept, wanted);
    save_again("shot.blend", "second");
    holds(kept, "first");
    struct filehash_facts kept_facts;
    assert_int_equal(filehash_facts(kept, &kept_facts), FILEHASH_OK);
    assert_true(kept_facts.mtime_ns == facts.mtime_ns);
    assert_int_equal(kept_remove(kept), 0);
    assert_int_equal(access(kept, F_OK), -1);
    assert_int_equal(kept_remove(kept), 0);
}

static void where_there_are_no_links_it_is_copied_with_its_mtime(void **state)
{
    (void)state;
    files_write("shot.blend", "first", 5);
    const struct timespec long_ago[2] = { { 1000000000, 5 }, { 1000000000, 7 } };
    assert_int_equal(utimensat(AT_FDCWD, files_path("shot.blend"), long_ago, 0), 0);
    struct filehash_facts facts = facts_of("shot.blend");
    CLEANUP(cleanup_free) char *kept = NULL;
    no_links = true;
    int rc = kept_make(files_path("shot.blend"), &facts, FARM, &kept);
    no_links = false;
    assert_int_equal(rc, KEPT_OK);
    holds(kept, "first");
    struct filehash_facts kept_facts;
    assert_int_equal(filehash_facts(kept, &kept_facts), FILEHASH_OK);
    assert_true(kept_facts.mtime_ns == facts.mtime_ns);
    struct stat one;
    struct stat other;
    assert_int_equal(stat(kept, &one), 0);
    assert_int_equal(stat(files_path("shot.blend"), &other), 0);
    assert_true(one.st_ino != other.st_ino);
}

static void a_file_that_is_saved_meanwhile_is_not_kept(void **state)
{
    (void)state;
    for (int copied = 0; copied <= 1; copied++) {
        files_write("shot.blend", "first", 5);
        struct filehash_facts facts = facts_of("shot.blend");
        CLEANUP(cleanup_free) char *kept = NULL;
        saved_meanwhile = true;
        no_links = copied;
        int rc = kept_make(files_path("shot.blend"), &facts, FARM, &kept);
        saved_meanwhile = false;
        no_links = false;
        /* a copy is made of the file that was open: the first one */
        assert_int_equal(rc, copied ? KEPT_OK : KEPT_CHANGED);
        if (copied) {
            holds(kept, "first");
        }
    }
}

static void two_who_make_it_at_once_leave_one_name(void **state)
{
    (void)state;
    files_write("shot.blend", "first", 5);
    struct filehash_facts facts = facts_of("shot.blend");
    CLEANUP(cleanup_free) char *path = kept_path_of(files_path("shot.blend"), facts.hash, FARM);
    CLEANUP(cleanup_free) char *kept = NULL;
    made_meanwhile = path;
    int rc = kept_make(files_path("shot.blend"), &facts, FARM, &kept);
    made_meanwhile = NULL;
    assert_int_equal(rc, KEPT_OK);
    struct stat st;
    assert_int_equal(stat(kept, &st), 0);
    assert_int_equal(st.st_nlink, 2); /* itself and the kept one, no temporary one */
}

static void a_long_name_is_cut_between_characters(void **state)
{
    (void)state;
    static const char hash[] = "abababababababababababababababababababababababababababababababab";
    for (int shift = 0; shift < 3; shift++) {
        char name[300];
        int size = snprintf(name, sizeof name, "/f/%.*s", shift, "ab");
        for (int i = 0; i < 80; i++) {
            size += snprintf(name + size, sizeof name - (size_t)size, "\xe2\x82\xac"); /* euro */
        }
        (void)snprintf(name + size, sizeof name - (size_t)size, ".blend");
        CLEANUP(cleanup_free) char *path = kept_path_of(name, hash, FARM);
        CLEANUP(cleanup_json) json_t *text = json_string(path);
        assert_non_null(text); /* UTF-8 */
        assert_true(strlen(path) - 3 <= NAME_MAX && strlen(path) - 3 > NAME_MAX - 3);
    }
}

static void a_folder_in_the_place_of_the_cache_link_stays(void **state)
{
    (void)state;
    files_write("shot.blend", "first", 5);
    struct filehash_facts facts = facts_of("shot.blend");
    CLEANUP(cleanup_free) char *kept = NULL;
    assert_int_equal(kept_make(files_path("shot.blend"), &facts, FARM, &kept), KEPT_OK);
    CLEANUP(cleanup_free) char *cache = kept_cache_link(kept);
    assert_int_equal(mkdir(cache, 0700), 0);
    assert_int_equal(kept_remove(kept), 0);
    assert_int_equal(access(kept, F_OK), -1);
    assert_int_equal(rmdir(cache), 0);
}

static void making_it_twice_finds_it_made(void **state)
{
    (void)state;
    files_write("shot.blend", "first", 5);
    struct filehash_facts facts = facts_of("shot.blend");
    CLEANUP(cleanup_free) char *one = NULL;
    CLEANUP(cleanup_free) char *two = NULL;
    assert_int_equal(kept_make(files_path("shot.blend"), &facts, FARM, &one), KEPT_OK);
    save_again("shot.blend", "second");
    assert_int_equal(kept_make(files_path("shot.blend"), &facts, FARM, &two), KEPT_OK);
    assert_string_equal(one, two);
}

static void another_file_under_the_kept_name_is_replaced(void **state)
{
    (void)state;
    files_write("shot.blend", "first", 5);
    struct filehash_facts facts = facts_of("shot.blend");
    CLEANUP(cleanup_free) char *path = kept_path_of(files_path("shot.blend"), facts.hash, FARM);
    files_write(strrchr(path, '/') + 1, "something else", 14);
    CLEANUP(cleanup_free) char *kept = NULL;
    assert_int_equal(kept_make(files_path("shot.blend"), &facts, FARM, &kept), KEPT_OK);
    holds(kept, "first");
}

static void a_file_that_was_saved_since_is_not_kept(void **state)
{
    (void)state;
    files_write("shot.blend", "first", 5);
    struct filehash_facts facts = facts_of("shot.blend");
    save_again("shot.blend", "other bytes");
    CLEANUP(cleanup_free) char *kept = NULL;
    assert_int_equal(kept_make(files_path("shot.blend"), &facts, FARM, &kept), KEPT_CHANGED);
    assert_null(kept);
    CLEANUP(cleanup_free) char *path = kept_path_of(files_path("shot.blend"), facts.hash, FARM);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_cache_folder_gets_a_link_under_the_kept_name(void **state)
{
    (void)state;
    files_write("shot.blend", "first", 5);
    assert_int_equal(mkdir(files_path("blendcache_shot"), 0700), 0);
    files_write("blendcache_shot/x.bphys", "cache", 5);
    struct filehash_facts facts = facts_of("shot.blend");
    for (int twice = 0; twice < 2; twice++) {
        CLEANUP(cleanup_free) char *kept = NULL;
        assert_int_equal(kept_make(files_path("shot.blend"), &facts, FARM, &kept), KEPT_OK);
        CLEANUP(cleanup_free) char *cache = kept_cache_link(kept);
        char inside[PATH_MAX];
        (void)snprintf(inside, sizeof inside, "%s/x.bphys", cache);
        holds(inside, "cache");
        if (twice) {
            assert_int_equal(kept_remove(kept), 0);
            struct stat st;
            assert_int_equal(lstat(cache, &st), -1);
            assert_int_equal(access(files_path("blendcache_shot/x.bphys"), F_OK), 0);
        }
    }
}

static void nothing_is_left_behind_but_the_kept_file(void **state)
{
    (void)state;
    files_write("shot.blend", "first", 5);
    struct filehash_facts facts = facts_of("shot.blend");
    CLEANUP(cleanup_free) char *kept = NULL;
    assert_int_equal(kept_make(files_path("shot.blend"), &facts, FARM, &kept), KEPT_OK);
    CLEANUP(cleanup_free) char *again = NULL;
    assert_int_equal(kept_make(files_path("shot.blend"), &facts, FARM, &again), KEPT_OK);
    CLEANUP(cleanup_folder) DIR *folder = opendir(files_path(""));
    assert_non_null(folder);
    int count = 0;
    while (readdir(folder)) {
        count++;
    }
    assert_int_equal(count, 4); /* with . and .. */
}

/* What a kill -9 leaves has this name, and a sweep reads it. */
static void a_half_made_file_names_who_makes_it(void **state)
{
    char host[256] = "";
    char wanted[400];
    (void)state;
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    assert_true(snprintf(wanted, sizeof wanted, "/a folder/.dblend-%s-%d-%lld.blend", host,
                         (int)getpid(), (long long)process_start(getpid())) > 0);
    CLEANUP(cleanup_free) char *path = kept_making_path("/a folder/shot.blend");
    assert_string_equal(path, wanted);
}

static void a_folder_that_is_gone_is_an_error_not_a_change(void **state)
{
    (void)state;
    struct filehash_facts facts = { .size = 1 };
    CLEANUP(cleanup_free) char *kept = NULL;
    assert_int_equal(kept_make(files_path("no/shot.blend"), &facts, FARM, &kept), -ENOENT);
}

static void long_names_stay_within_what_a_folder_takes(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'n', 249);
    for (int i = 160; i < 170; i += 2) {
        name[i] = '\xc3'; /* n with tilde */
        name[i + 1] = '\xb1';
    }
    (void)snprintf(name + 249, sizeof name - 249, ".blend");
    files_write(name, "first", 5);
    struct filehash_facts facts = facts_of(name);
    CLEANUP(cleanup_free) char *kept = NULL;
    assert_int_equal(kept_make(files_path(name), &facts, FARM, &kept), KEPT_OK);
    const char *kept_name = strrchr(kept, '/') + 1;
    assert_in_range(strlen(kept_name), 250, 255);
    assert_non_null(strstr(kept_name, "\xc3\xb1." FARM)); /* no half character before the dot */
}

static void a_name_without_blend_is_kept_whole(void **state)
{
    (void)state;
    CLEANUP(cleanup_free) char *path = kept_path_of("/a.b/shot.BLEND", "h", "f");
    assert_string_equal(path, "/a.b/.shot.f.h.blend");
    CLEANUP(cleanup_free) char *other = kept_path_of("/a.b/shot", "h", "f");
    assert_string_equal(other, "/a.b/.shot.f.h.blend");
    CLEANUP(cleanup_free) char *cache = kept_cache_link("/a.b/.shot.f.h.blend");
    assert_string_equal(cache, "/a.b/blendcache_.shot.f.h");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_kept_file_lies_beside_and_outlives_a_save),
        TEST(where_there_are_no_links_it_is_copied_with_its_mtime),
        TEST(a_file_that_is_saved_meanwhile_is_not_kept),
        TEST(two_who_make_it_at_once_leave_one_name),
        TEST(a_long_name_is_cut_between_characters),
        TEST(a_folder_in_the_place_of_the_cache_link_stays),
        TEST(making_it_twice_finds_it_made),
        TEST(another_file_under_the_kept_name_is_replaced),
        TEST(a_file_that_was_saved_since_is_not_kept),
        TEST(a_cache_folder_gets_a_link_under_the_kept_name),
        TEST(nothing_is_left_behind_but_the_kept_file),
        TEST(a_half_made_file_names_who_makes_it),
        TEST(a_folder_that_is_gone_is_an_error_not_a_change),
        TEST(long_names_stay_within_what_a_folder_takes),
        TEST(a_name_without_blend_is_kept_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
