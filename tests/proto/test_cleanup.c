#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

static void a_descriptor_is_closed_at_the_end_of_its_block(void **state)
{
    (void)state;
    int seen = -1;
    {
        CLEANUP(cleanup_fd) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        seen = fd;
    }
    assert_int_equal(fcntl(seen, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
}

static void closing_leaves_errno_as_it_was(void **state)
{
    (void)state;
    int fd = 100000;
    errno = EAGAIN;
    cleanup_fd(&fd);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(fd, -1);
}

static void released_pointers_become_null(void **state)
{
    (void)state;
    char *text = alloc_text("x");
    cleanup_free(&text);
    assert_null(text);
    FILE *file = fopen("/dev/null", "r");
    cleanup_file(&file);
    assert_null(file);
    DIR *folder = opendir("/");
    cleanup_folder(&folder);
    assert_null(folder);
    json_t *json = json_object();
    cleanup_json(&json);
    assert_null(json);
    char **list = alloc_zero(3, sizeof *list);
    list[0] = alloc_text("a");
    list[1] = alloc_text("b");
    cleanup_list(&list);
    assert_null(list);
}

static void null_is_accepted_everywhere(void **state)
{
    (void)state;
    void *nothing = NULL;
    cleanup_free(&nothing);
    cleanup_file(&nothing);
    cleanup_folder(&nothing);
    cleanup_json(&nothing);
    cleanup_list(&nothing);
    assert_null(nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_is_closed_at_the_end_of_its_block),
        cmocka_unit_test(closing_leaves_errno_as_it_was),
        cmocka_unit_test(released_pointers_become_null),
        cmocka_unit_test(null_is_accepted_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
