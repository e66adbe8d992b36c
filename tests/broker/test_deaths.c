#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/deaths.h"
#include "proto/cleanup.h"

static pid_t start(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (;;) {
            (void)pause();
        }
    }
    return pid;
}

static void end(pid_t pid)
{
    int status = 0;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static bool readable(const deaths_t *deaths, int wait_ms)
{
    struct pollfd item = { .fd = deaths_fd(deaths), .events = POLLIN };
    return poll(&item, 1, wait_ms) == 1;
}

static void an_end_is_told_once(void **state)
{
    (void)state;
    CLEANUP(deaths_destroy) deaths_t *deaths = deaths_new();
    pid_t first = start();
    pid_t second = start();
    int64_t session = 0;
    deaths_watch(deaths, 7, first);
    deaths_watch(deaths, INT64_MAX, second);
    assert_false(readable(deaths, 0));
    assert_false(deaths_next(deaths, &session));
    end(second);
    assert_true(readable(deaths, 5000));
    assert_true(deaths_next(deaths, &session));
    assert_true(session == INT64_MAX);
    assert_false(deaths_next(deaths, &session));
    assert_false(readable(deaths, 0));
    end(first);
    assert_true(readable(deaths, 5000));
    assert_true(deaths_next(deaths, &session));
    assert_int_equal(session, 7);
}

static void who_is_forgotten_ends_unnoticed(void **state)
{
    (void)state;
    CLEANUP(deaths_destroy) deaths_t *deaths = deaths_new();
    pid_t pid = start();
    int64_t session = 0;
    deaths_watch(deaths, 7, pid);
    deaths_watch(deaths, 8, pid); /* the same process speaks for two */
    deaths_forget(deaths, 7);
    deaths_forget(deaths, 7);
    deaths_forget(deaths, 9);
    end(pid);
    assert_true(readable(deaths, 5000));
    assert_true(deaths_next(deaths, &session));
    assert_int_equal(session, 8);
    assert_false(deaths_next(deaths, &session));
}

static void nobody_and_the_unknown_are_not_watched(void **state)
{
    (void)state;
    CLEANUP(deaths_destroy) deaths_t *deaths = deaths_new();
    int64_t session = 0;
    pid_t gone = start();
    end(gone);
    deaths_watch(deaths, 1, -1);
    deaths_watch(deaths, 2, INT64_MAX);
    deaths_watch(deaths, 3, gone);
    assert_false(readable(deaths, 0));
    assert_false(deaths_next(deaths, &session));
}

/* More than are watched: the first ones are, and nothing is lost of a place given back. */
static void so_many_are_watched(void **state)
{
    (void)state;
    enum { MANY = 1100, WATCHED = 1024 };
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max; /* a shell has 1,024 */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CLEANUP(deaths_destroy) deaths_t *deaths = deaths_new();
    pid_t pid = start();
    for (int64_t i = 0; i < MANY; i++) {
        deaths_watch(deaths, i, pid);
    }
    deaths_forget(deaths, 0);
    deaths_watch(deaths, MANY, pid);
    end(pid);
    assert_true(readable(deaths, 5000));
    int count = 0;
    bool last = false;
    for (int64_t session = 0; deaths_next(deaths, &session); count++) {
        assert_true(session > 0 && (session < WATCHED || session == MANY));
        last = last || session == MANY;
    }
    assert_int_equal(count, WATCHED);
    assert_true(last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_is_told_once),
        cmocka_unit_test(who_is_forgotten_ends_unnoticed),
        cmocka_unit_test(nobody_and_the_unknown_are_not_watched),
        cmocka_unit_test(so_many_are_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
