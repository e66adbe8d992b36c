#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/filehash.h"
#include "tests/proto/files.h"

static void the_hash_is_blake2b_256(void **state)
{
    (void)state;
    char hex[FILEHASH_DIGITS + 1];
    files_write("empty", "", 0);
    assert_int_equal(filehash(files_path("empty"), hex), 0);
    assert_string_equal(hex, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    files_write("abc", "abc", 3);
    assert_int_equal(filehash(files_path("abc"), hex), 0);
    assert_string_equal(hex, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

static void a_file_of_several_pieces_is_read_to_its_end(void **state)
{
    (void)state;
    CLEANUP(cleanup_free) char *bytes = alloc_zero(2500000, 1);
    char a[FILEHASH_DIGITS + 1];
    char b[FILEHASH_DIGITS + 1];
    files_write("big", bytes, 2500000);
    assert_int_equal(filehash(files_path("big"), a), 0);
    bytes[2499999] = 1;
    files_write("big", bytes, 2500000);
    assert_int_equal(filehash(files_path("big"), b), 0);
    assert_string_not_equal(a, b);
}

static void facts_hold_size_and_time(void **state)
{
    (void)state;
    files_write("f", "abc", 3);
    const struct timespec times[2] = { { 5, 6 }, { 1700000000, 123456789 } };
    assert_int_equal(utimensat(AT_FDCWD, files_path("f"), times, 0), 0);
    struct filehash_facts facts;
    assert_int_equal(filehash_facts(files_path("f"), &facts), FILEHASH_OK);
    assert_int_equal(facts.size, 3);
    assert_true(facts.mtime_ns == 1700000000123456789);
    assert_int_equal(strlen(facts.hash), FILEHASH_DIGITS);
    struct filehash_facts stat_only;
    assert_int_equal(filehash_stat(files_path("f"), &stat_only), FILEHASH_OK);
    assert_true(stat_only.mtime_ns == facts.mtime_ns);
    assert_string_equal(stat_only.hash, "");
}

static void what_is_no_file_is_refused_without_waiting(void **state)
{
    (void)state;
    char hex[FILEHASH_DIGITS + 1];
    struct filehash_facts facts;
    assert_int_equal(filehash(files_path("nothing"), hex), -ENOENT);
    assert_int_equal(filehash(files_path(""), hex), -EISDIR);
    assert_int_equal(mkfifo(files_path("pipe"), 0600), 0);
    assert_int_equal(filehash(files_path("pipe"), hex), -EINVAL);
    assert_int_equal(filehash_facts(files_path("nothing"), &facts), -ENOENT);
    assert_int_equal(filehash_stat(files_path(""), &facts), -EISDIR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_hash_is_blake2b_256),
        TEST(a_file_of_several_pieces_is_read_to_its_end),
        TEST(facts_hold_size_and_time),
        TEST(what_is_no_file_is_refused_without_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
