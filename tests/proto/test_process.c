#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/process.h"

static void this_process_has_a_start(void **state)
{
    (void)state;
    int64_t start = process_start(getpid());
    assert_true(start > 0);
    assert_int_equal(start, process_field(getpid(), 22));
    assert_true(start >= process_start(getppid()));
    assert_int_equal(process_field(getpid(), 4), getppid());
}

static void a_dead_one_is_gone_before_it_is_waited_for(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    assert_true(process_start(pid) > 0);
    siginfo_t info;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(process_start(pid), -1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(process_start(pid), -1);
    assert_int_equal(process_field(pid, 4), -1);
}

static void a_boot_is_a_number_that_stays(void **state)
{
    (void)state;
    assert_true(process_boot() > 0);
    assert_int_equal(process_boot(), process_boot());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_process_has_a_start),
        cmocka_unit_test(a_dead_one_is_gone_before_it_is_waited_for),
        cmocka_unit_test(a_boot_is_a_number_that_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
