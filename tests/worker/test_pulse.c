#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/worker/temp_folder.h"
#include "worker/pulse.h"
#include "worker/scratch.h"

/* A child that only exists. */
static pid_t start_idle(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    return pid;
}

static void end(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void silence_without_work_is_a_hang(void **state)
{
    struct pulse pulse;
    (void)state;
    pid_t pid = start_idle();
    pulse_begin(&pulse, pid, 1000, 0);
    assert_false(pulse_check(&pulse, 999));
    assert_true(pulse_check(&pulse, 1100));
    end(pid);
}

static void a_line_is_a_sign_of_life(void **state)
{
    struct pulse pulse;
    (void)state;
    pid_t pid = start_idle();
    pulse_begin(&pulse, pid, 1000, 0);
    for (int64_t now_ms = 500; now_ms < 5000; now_ms += 500) {
        pulse_beat(&pulse, now_ms);
        assert_false(pulse_check(&pulse, now_ms + 400));
    }
    assert_true(pulse_check(&pulse, 6000));
    end(pid);
}

static void work_in_silence_is_borne_for_six_times_as_long(void **state)
{
    struct pulse pulse;
    volatile unsigned long spin = 0;
    bool hung = false;
    int64_t now_ms = 0;
    (void)state;
    pulse_begin(&pulse, getpid(), 1000, 0);
    while (!hung && now_ms < 100000) {
        int64_t before = pulse_cpu_ms(getpid());
        while (pulse_cpu_ms(getpid()) < before + 20) { /* more than a hundredth of the time */
            spin++;
        }
        now_ms += 500;
        hung = pulse_check(&pulse, now_ms);
    }
    assert_int_equal(now_ms, 6000);
}

static void processes_that_are_gone_have_nothing(void **state)
{
    (void)state;
    pid_t pid = start_idle();
    end(pid);
    assert_int_equal(pulse_cpu_ms(pid), -1);
    assert_int_equal(pulse_start(pid), -1);
    assert_int_equal(pulse_rss_bytes(pid), 0);
    assert_true(pulse_start(getpid()) > 0);
    assert_true(pulse_rss_bytes(getpid()) > 100000);
}

static void folders_of_the_dead_are_swept(void **state)
{
    const struct temp_folder *base = *state;
    char *mine = NULL;
    char name[128];
    char *inside = NULL;
    pid_t pid = start_idle();
    end(pid);
    assert_int_equal(setenv("TMPDIR", base->path, 1), 0);
    assert_int_equal(scratch_make(&mine), 0);
    assert_true(snprintf(name, sizeof name, "%s/dblend-blender-%d-%d-abcdef", base->path,
                         (int)getuid(), (int)pid) > 0);
    assert_int_equal(mkdir(name, 0700), 0);
    assert_true(snprintf(name, sizeof name, "dblend-blender-%d-%d-abcdef/crash.txt", (int)getuid(),
                         (int)pid) > 0);
    inside = temp_folder_file(base, name, "x");
    scratch_sweep();
    assert_int_not_equal(access(inside, F_OK), 0);
    assert_int_equal(access(mine, F_OK), 0);
    scratch_remove(&mine);
    assert_null(mine);
    free(inside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_without_work_is_a_hang),
        cmocka_unit_test(a_line_is_a_sign_of_life),
        cmocka_unit_test(work_in_silence_is_borne_for_six_times_as_long),
        cmocka_unit_test(processes_that_are_gone_have_nothing),
        cmocka_unit_test_setup_teardown(folders_of_the_dead_are_swept, temp_folder_make,
                                        temp_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
