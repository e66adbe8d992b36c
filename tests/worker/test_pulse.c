#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/worker/temp_folder.h"
#include "worker/pulse.h"
#include "worker/scratch.h"

/* Its child ends with the process that forks, also where a test fails. */
static pid_t fork_mortal(void)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1);
        }
    }
    return pid;
}

/* A child that only exists. */
static pid_t start_idle(void)
{
    pid_t pid = fork_mortal();
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

static const struct pulse_limits limits = { .stall_ms = 1000 };

/* Its verdict at each look until one is not "alive", at most until a time; *now_ms: when. */
static enum pulse_verdict watch(struct pulse *pulse, int64_t until_ms, int64_t *now_ms)
{
    enum pulse_verdict verdict = PULSE_ALIVE;
    while (verdict == PULSE_ALIVE && pulse_due_ms(pulse) <= until_ms) {
        *now_ms = pulse_due_ms(pulse);
        verdict = pulse_check(pulse, *now_ms);
    }
    return verdict;
}

static void silence_without_work_is_a_hang(void **state)
{
    struct pulse pulse;
    int64_t now_ms = 0;
    (void)state;
    pid_t pid = start_idle();
    pulse_begin(&pulse, pid, &limits, 0);
    assert_int_equal(watch(&pulse, 10000, &now_ms), PULSE_STALLED);
    assert_true(now_ms >= 1000 && now_ms <= 1200);
    end(pid);
}

static void a_line_is_a_sign_of_life(void **state)
{
    struct pulse pulse;
    int64_t now_ms = 0;
    (void)state;
    pid_t pid = start_idle();
    pulse_begin(&pulse, pid, &limits, 0);
    for (int64_t beat_ms = 500; beat_ms <= 5000; beat_ms += 500) {
        pulse_beat(&pulse, beat_ms);
        assert_int_equal(watch(&pulse, beat_ms + 499, &now_ms), PULSE_ALIVE);
    }
    assert_int_equal(watch(&pulse, 10000, &now_ms), PULSE_STALLED);
    assert_true(now_ms >= 6000 && now_ms <= 6200);
    end(pid);
}

/* Asks /proc until the process below pid that we started has done something. */
static void wait_for_use(pid_t pid, bool io)
{
    struct proc_use before = proc_tree_use(pid);
    struct proc_use use = before;
    while (io ? use.io_bytes == before.io_bytes : use.cpu_ms < before.cpu_ms + 20) {
        use = proc_tree_use(pid);
    }
}

/* Processor time, or I/O and hardly any processor time. */
static void work_for_ever(bool io)
{
    char byte = 0;
    int zero = open("/dev/zero", O_RDONLY);
    while (!io || read(zero, &byte, 1) == 1) {
        (void)usleep(io ? 2000 : 0);
    }
}

/* A child of ours that only waits for one of its own, which works until it is killed with it. */
static pid_t start_busy(bool io)
{
    pid_t pid = fork_mortal();
    if (pid == 0) {
        (void)setpgid(0, 0);
        if (fork_mortal() == 0) {
            work_for_ever(io);
        }
        for (;;) {
            pause();
        }
    }
    return pid;
}

static void end_group(pid_t pid)
{
    assert_int_equal(kill(-pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void work_of_what_it_started_is_a_sign_of_life(void **state)
{
    (void)state;
    for (int io = 0; io < 2; io++) {
        struct pulse pulse;
        pid_t pid = start_busy(io);
        pulse_begin(&pulse, pid, &limits, 0);
        for (int64_t now_ms = 500; now_ms < 20000; now_ms += 500) {
            wait_for_use(pid, io);
            assert_int_equal(pulse_check(&pulse, now_ms), PULSE_ALIVE);
        }
        end_group(pid);
        int64_t now_ms = 20000;
        assert_int_equal(watch(&pulse, 30000, &now_ms), PULSE_STALLED);
    }
}

static void what_lives_may_take_too_long(void **state)
{
    const struct pulse_limits both = { .stall_ms = 1000, .most_ms = 2500 };
    struct pulse pulse;
    int64_t now_ms = 0;
    (void)state;
    pid_t pid = start_idle();
    pulse_begin(&pulse, pid, &both, 0);
    for (int64_t beat_ms = 100; beat_ms < 2500; beat_ms += 100) {
        pulse_beat(&pulse, beat_ms);
        assert_int_equal(watch(&pulse, beat_ms + 99, &now_ms), PULSE_ALIVE);
    }
    pulse_beat(&pulse, 2499);
    assert_int_equal(watch(&pulse, 10000, &now_ms), PULSE_TOO_LONG);
    assert_int_equal(now_ms, 2500);
    end(pid);
}

static void processes_that_are_gone_have_nothing(void **state)
{
    (void)state;
    pid_t pid = start_idle();
    end(pid);
    assert_int_equal(proc_tree_use(pid).cpu_ms, 0);
    assert_int_equal(proc_tree_use(pid).io_bytes, 0);
    assert_int_equal(proc_rss_bytes(pid), 0);
    assert_true(proc_rss_bytes(getpid()) > 100000);
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
        cmocka_unit_test(work_of_what_it_started_is_a_sign_of_life),
        cmocka_unit_test(what_lives_may_take_too_long),
        cmocka_unit_test(processes_that_are_gone_have_nothing),
        cmocka_unit_test_setup_teardown(folders_of_the_dead_are_swept, temp_folder_make,
                                        temp_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
