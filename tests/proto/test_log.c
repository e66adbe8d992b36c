#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/log.h"

static int saved_stderr = -1;
static int reader = -1;

/* stderr becomes a pipe that is large enough for what a test writes. */
static int capture(void **state)
{
    (void)state;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return -1;
    }
    saved_stderr = dup(STDERR_FILENO);
    (void)dup2(ends[1], STDERR_FILENO);
    (void)close(ends[1]);
    reader = ends[0];
    log_open("dblend-test", false);
    return 0;
}

static int release(void **state)
{
    (void)state;
    (void)dup2(saved_stderr, STDERR_FILENO);
    (void)close(saved_stderr);
    (void)close(reader);
    return 0;
}

static size_t written(char *out, size_t room)
{
    ssize_t size = read(reader, out, room - 1);
    out[size > 0 ? size : 0] = '\0';
    return size > 0 ? (size_t)size : 0;
}

static void a_line_has_time_program_level_and_text(void **state)
{
    (void)state;
    log_info("frame %d: %s", 31, "claimed -> done");
    char text[512];
    size_t size = written(text, sizeof text);
    assert_int_equal(text[10], 'T');
    assert_int_equal(text[23], 'Z');
    assert_string_equal(text + 24, " dblend-test info frame 31: claimed -> done\n");
    assert_int_equal(size, 24 + strlen(text + 24));
}

static void every_level_says_its_name(void **state)
{
    (void)state;
    log_error("a");
    log_warning("b");
    char text[512];
    written(text, sizeof text);
    assert_non_null(strstr(text, " error a\n"));
    assert_non_null(strstr(text, " warning b\n"));
}

static void debug_is_silent_until_it_is_switched_on(void **state)
{
    (void)state;
    char text[512];
    log_debug("hidden");
    assert_int_equal(written(text, sizeof text), 0);
    log_set_debug(true);
    assert_true(log_is_debug());
    log_debug("shown");
    written(text, sizeof text);
    assert_non_null(strstr(text, " debug shown\n"));
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    (void)state;
    log_info("name=\"%s\"", "a\nfake line\x1b[31m\x7f");
    char text[512];
    written(text, sizeof text);
    assert_non_null(strstr(text, "name=\"a?fake line?[31m?\"\n"));
}

static void an_endless_text_is_cut_and_still_one_line(void **state)
{
    (void)state;
    char *endless = malloc(20001);
    assert_non_null(endless);
    memset(endless, 'x', 20000);
    endless[20000] = '\0';
    log_info("%s", endless);
    free(endless);
    char text[30000];
    size_t size = written(text, sizeof text);
    assert_in_range(size, 8000, 8192);
    assert_ptr_equal(strchr(text, '\n'), text + size - 1);
}

static void errno_survives_a_message(void **state)
{
    (void)state;
    errno = ENOSPC;
    log_warning("write ledger");
    assert_int_equal(errno, ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_time_program_level_and_text, capture, release),
        cmocka_unit_test_setup_teardown(every_level_says_its_name, capture, release),
        cmocka_unit_test_setup_teardown(debug_is_silent_until_it_is_switched_on, capture, release),
        cmocka_unit_test_setup_teardown(control_characters_do_not_reach_the_terminal, capture,
                                        release),
        cmocka_unit_test_setup_teardown(an_endless_text_is_cut_and_still_one_line, capture,
                                        release),
        cmocka_unit_test_setup_teardown(errno_survives_a_message, capture, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
