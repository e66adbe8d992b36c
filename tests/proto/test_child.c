#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/child.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#define SHELL(script)                                                                              \
    (const char *const[])                                                                          \
    {                                                                                              \
        "/bin/sh", "-c", script, NULL                                                              \
    }

static child_t *spawned(const struct child_spec *spec)
{
    child_t *child = NULL;
    assert_int_equal(child_spawn(spec, &child), 0);
    return child;
}

static void ends(child_t *child, bool signalled, int code)
{
    struct child_end end;
    assert_int_equal(child_wait(child, 10000, &end), CHILD_OK);
    assert_int_equal(end.signalled, signalled);
    assert_int_equal(end.code, code);
}

/* Everything from fd until its end; waits for it. */
static size_t read_all(int fd, char *out, size_t room)
{
    size_t size = 0;
    for (;;) {
        struct pollfd item = { .fd = fd, .events = POLLIN };
        assert_int_equal(poll(&item, 1, 10000), 1);
        ssize_t got = read(fd, out + size, room - 1 - size);
        if (got <= 0) {
            out[size] = '\0';
            return size;
        }
        size += (size_t)got;
    }
}

static void an_exit_status_comes_back(void **state)
{
    (void)state;
    for (int keeper = 0; keeper <= 1; keeper++) {
        struct child_spec spec = { .argv = SHELL("exit 9"), .keeper = keeper };
        CLEANUP(child_destroy) child_t *child = spawned(&spec);
        ends(child, false, 9);
        ends(child, false, 9);
    }
}

static void a_death_by_signal_comes_back(void **state)
{
    (void)state;
    for (int keeper = 0; keeper <= 1; keeper++) {
        struct child_spec spec = { .argv = SHELL("kill -SEGV $$"), .keeper = keeper };
        CLEANUP(child_destroy) child_t *child = spawned(&spec);
        ends(child, true, SIGSEGV);
    }
}

static void a_failing_exec_is_reported(void **state)
{
    (void)state;
    for (int keeper = 0; keeper <= 1; keeper++) {
        child_t *child = NULL;
        struct child_spec nowhere = { .argv = (const char *const[]){ "/no/such/program", NULL },
                                      .keeper = keeper };
        assert_int_equal(child_spawn(&nowhere, &child), -ENOENT);
        struct child_spec folder = { .argv = (const char *const[]){ "/", NULL }, .keeper = keeper };
        assert_int_equal(child_spawn(&folder, &child), -EACCES);
        struct child_spec bad_folder = { .argv = SHELL("true"),
                                         .folder = "/no/such/folder",
                                         .keeper = keeper };
        assert_int_equal(child_spawn(&bad_folder, &child), -ENOENT);
        struct child_spec unnamed = { .argv = (const char *const[]){ "no-such-name", NULL } };
        assert_int_equal(child_spawn(&unnamed, &child), -ENOENT);
        assert_null(child);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
    }
}

static void output_of_both_kinds_comes_through_one_pipe(void **state)
{
    (void)state;
    for (int keeper = 0; keeper <= 1; keeper++) {
        struct child_spec spec = { .argv = SHELL("echo out; echo err >&2; cat"),
                                   .output = true,
                                   .keeper = keeper };
        CLEANUP(child_destroy) child_t *child = spawned(&spec);
        char text[100];
        read_all(child_output(child), text, sizeof text);
        assert_string_equal(text, "out\nerr\n");
        ends(child, false, 0);
    }
}

static void the_environment_gets_additions_and_removals(void **state)
{
    (void)state;
    (void)setenv("DBLEND_TEST_A", "old", 1);
    (void)setenv("DBLEND_TEST_B", "old", 1);
    (void)setenv("DBLEND_TEST_AB", "stays", 1);
    struct child_spec spec = {
        .argv = SHELL("echo $DBLEND_TEST_A-${DBLEND_TEST_B-none}-$DBLEND_TEST_AB; pwd"),
        .env = (const char *const[]){ "DBLEND_TEST_A=new", "DBLEND_TEST_B", NULL },
        .folder = "/usr",
        .output = true,
    };
    CLEANUP(child_destroy) child_t *child = spawned(&spec);
    char text[100];
    read_all(child_output(child), text, sizeof text);
    assert_string_equal(text, "new-none-stays\n/usr\n");
    ends(child, false, 0);
}

static void a_passed_descriptor_has_the_asked_number(void **state)
{
    (void)state;
    for (int keeper = 0; keeper <= 1; keeper++) {
        int pair[2];
        assert_int_equal(child_socketpair(pair), 0);
        struct child_spec spec = { .argv = SHELL("read line <&7; echo \"got $line\" >&7"),
                                   .pass = &(struct child_pass){ pair[1], 7 },
                                   .pass_count = 1,
                                   .keeper = keeper };
        CLEANUP(child_destroy) child_t *child = spawned(&spec);
        cleanup_fd(&pair[1]);
        assert_int_equal(write(pair[0], "hello\n", 6), 6);
        char text[100];
        read_all(pair[0], text, sizeof text);
        assert_string_equal(text, "got hello\n");
        ends(child, false, 0);
        cleanup_fd(&pair[0]);
    }
}

static void descriptors_may_change_places(void **state)
{
    (void)state;
    char a_name[] = "/tmp/dblend-test-XXXXXX";
    char b_name[] = "/tmp/dblend-test-XXXXXX";
    CLEANUP(cleanup_fd) int a = mkostemp(a_name, O_CLOEXEC);
    CLEANUP(cleanup_fd) int b = mkostemp(b_name, O_CLOEXEC);
    const struct child_pass pass[] = { { a, b }, { b, a } };
    char script[100];
    (void)snprintf(script, sizeof script, "printf A >&%d; printf B >&%d", b, a);
    struct child_spec spec = { .argv = SHELL(script), .pass = pass, .pass_count = 2 };
    CLEANUP(child_destroy) child_t *child = spawned(&spec);
    ends(child, false, 0);
    char byte = 0;
    assert_int_equal(pread(a, &byte, 1, 0), 1);
    assert_int_equal(byte, 'A');
    assert_int_equal(pread(b, &byte, 1, 0), 1);
    assert_int_equal(byte, 'B');
    (void)unlink(a_name);
    (void)unlink(b_name);
}

static void stdout_may_be_a_file_of_ours(void **state)
{
    (void)state;
    char name[] = "/tmp/dblend-test-XXXXXX";
    CLEANUP(cleanup_fd) int file = mkostemp(name, O_CLOEXEC);
    (void)unlink(name);
    const struct child_pass pass[] = { { file, 1 }, { file, 2 } };
    struct child_spec spec = {
        .argv = SHELL("echo a; echo b >&2"), .pass = pass, .pass_count = 2, .own_session = true
    };
    CLEANUP(child_destroy) child_t *child = spawned(&spec);
    ends(child, false, 0);
    char text[10] = "";
    assert_int_equal(pread(file, text, 9, 0), 4);
    assert_string_equal(text, "a\nb\n");
}

static void nothing_else_is_inherited(void **state)
{
    (void)state;
    int open_fd = open("/dev/null", O_RDONLY); /* not close-on-exec, as a library might do */
    assert_true(open_fd > 2);
    for (int keeper = 0; keeper <= 1; keeper++) {
        struct child_spec spec = { .argv = (const char *const[]){ "ls", "/proc/self/fd", NULL },
                                   .output = true,
                                   .keeper = keeper };
        CLEANUP(child_destroy) child_t *child = spawned(&spec);
        char text[200];
        read_all(child_output(child), text, sizeof text);
        assert_string_equal(text, "0\n1\n2\n3\n"); /* 3 is the folder that ls reads */
        ends(child, false, 0);
    }
    (void)close(open_fd);
}

static void signals_are_as_new(void **state)
{
    (void)state;
    sigset_t mask;
    sigset_t old;
    (void)sigfillset(&mask);
    (void)sigprocmask(SIG_SETMASK, &mask, &old);
    (void)signal(SIGPIPE, SIG_IGN);
    for (int keeper = 0; keeper <= 1; keeper++) {
        struct child_spec spec = { .argv = (const char *const[]){ "grep", "-E", "^Sig(Blk|Ign)",
                                                                  "/proc/self/status", NULL },
                                   .output = true,
                                   .keeper = keeper };
        CLEANUP(child_destroy) child_t *child = spawned(&spec);
        char text[200];
        read_all(child_output(child), text, sizeof text);
        assert_string_equal(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
        ends(child, false, 0);
    }
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
}

static void term_reaches_the_whole_group(void **state)
{
    (void)state;
    for (int keeper = 0; keeper <= 1; keeper++) {
        struct child_spec spec = { .argv = SHELL("sleep 1000 & echo up; wait"),
                                   .output = true,
                                   .own_group = true,
                                   .keeper = keeper };
        CLEANUP(child_destroy) child_t *child = spawned(&spec);
        char text[4] = "";
        struct pollfd item = { .fd = child_output(child), .events = POLLIN };
        assert_int_equal(poll(&item, 1, 10000), 1);
        assert_int_equal(read(child_output(child), text, 3), 3);
        child_terminate(child, SIGTERM);
        /* the pipe ends when the sleep is gone too */
        char rest[10];
        assert_int_equal(read_all(child_output(child), rest, sizeof rest), 0);
        ends(child, true, SIGTERM);
        child_terminate(child, SIGTERM);
    }
}

static void kill_ends_what_does_not_listen(void **state)
{
    (void)state;
    for (int keeper = 0; keeper <= 1; keeper++) {
        struct child_spec spec = { .argv = SHELL("trap '' TERM; echo up; while :; do sleep 1000; "
                                                 "done"),
                                   .output = true,
                                   .own_group = true,
                                   .keeper = keeper };
        CLEANUP(child_destroy) child_t *child = spawned(&spec);
        struct pollfd item = { .fd = child_output(child), .events = POLLIN };
        assert_int_equal(poll(&item, 1, 10000), 1);
        child_terminate(child, SIGTERM);
        struct child_end end;
        assert_int_equal(child_wait(child, 30, &end), CHILD_RUNNING);
        child_terminate(child, SIGKILL);
        ends(child, true, SIGKILL);
    }
}

static void destroying_a_running_child_ends_it(void **state)
{
    (void)state;
    for (int keeper = 0; keeper <= 1; keeper++) {
        struct child_spec spec = { .argv = SHELL("exec sleep 1000"),
                                   .own_group = true,
                                   .keeper = keeper };
        child_t *child = spawned(&spec);
        pid_t pid = child_pid(child);
        assert_int_equal(kill(pid, 0), 0);
        child_destroy(&child);
        assert_null(child);
        assert_int_equal(kill(pid, 0), -1);
        assert_int_equal(errno, ESRCH);
        child_destroy(&child);
    }
}

static void a_released_child_lives_on(void **state)
{
    (void)state;
    struct child_spec spec = { .argv = SHELL("exec sleep 1000"), .own_session = true };
    child_t *child = spawned(&spec);
    pid_t pid = child_pid(child);
    assert_int_equal(getsid(pid), pid);
    child_release(&child);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* With a keeper: the end of the program ends also what it left behind, in whatever session. */
static void the_keeper_leaves_no_descendant(void **state)
{
    (void)state;
    struct child_spec spec = {
        .argv = SHELL("sleep 1000 & setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' & "
                      "sh -c 'sleep 1000 & echo up'; exit 3"),
        .output = true,
        .keeper = true,
    };
    CLEANUP(child_destroy) child_t *child = spawned(&spec);
    char text[20];
    read_all(child_output(child), text, sizeof text); /* ends when all of them are gone */
    assert_string_equal(text, "up\n");
    ends(child, false, 3);
}

static bool is_stopped(pid_t pid)
{
    char path[64];
    char stat[256] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    CLEANUP(cleanup_file) FILE *file = fopen(path, "r");
    const char *after_name = file && fgets(stat, sizeof stat, file) ? strrchr(stat, ')') : NULL;
    return after_name && after_name[2] == 'T';
}

/* We are gone while the program is stopped (Ctrl-Z, a debugger): it still hears the TERM. */
static void the_keeper_wakes_a_stopped_program_for_its_term(void **state)
{
    (void)state;
    int ends_of[2];
    assert_int_equal(pipe2(ends_of, O_CLOEXEC), 0);
    pid_t worker = fork();
    if (worker == 0) {
        struct child_spec spec = {
            .argv = SHELL("trap 'echo bye >&5; exit' TERM; echo $$ >&5; kill -STOP $$; "
                          "while :; do sleep 0.01; done"),
            .pass = &(struct child_pass){ ends_of[1], 5 },
            .pass_count = 1,
            .keeper = true,
        };
        child_t *child = NULL;
        if (child_spawn(&spec, &child) != 0) {
            _exit(1);
        }
        (void)pause();
        _exit(0);
    }
    cleanup_fd(&ends_of[1]);
    char text[16] = "";
    assert_true(read(ends_of[0], text, sizeof text - 1) > 0);
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    int64_t until_ms = clock_mono_ms() + 10000;
    while (!is_stopped(pid) && clock_mono_ms() < until_ms) {
        (void)sched_yield();
    }
    assert_true(is_stopped(pid));
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_int_equal(waitpid(worker, NULL, 0), worker);
    read_all(ends_of[0], text, sizeof text);
    assert_string_equal(text, "bye\n");
    cleanup_fd(&ends_of[0]);
}

/*
 * A worker of ours starts a program and is killed: keeper, program and what the program started
 * go with it. The pipe is held by the program and its child only.
 */
static void the_keeper_ends_everything_when_we_are_killed(void **state)
{
    (void)state;
    int ends_of[2];
    assert_int_equal(pipe2(ends_of, O_CLOEXEC), 0);
    pid_t worker = fork();
    if (worker == 0) {
        struct child_spec spec = {
            .argv = SHELL("trap '' TERM; echo up >&5; setsid sleep 1000 & sleep 1000; sleep 1000"),
            .pass = &(struct child_pass){ ends_of[1], 5 },
            .pass_count = 1,
            .keeper = true,
        };
        child_t *child = NULL;
        if (child_spawn(&spec, &child) != 0) {
            _exit(1);
        }
        (void)pause();
        _exit(0);
    }
    cleanup_fd(&ends_of[1]);
    char text[4] = "";
    assert_int_equal(read(ends_of[0], text, 3), 3);
    int64_t before_ms = clock_mono_ms();
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_int_equal(waitpid(worker, NULL, 0), worker);
    assert_int_equal(read_all(ends_of[0], text, sizeof text), 0);
    assert_in_range(clock_mono_ms() - before_ms, CHILD_GRACE_MS - 50, 5000);
    cleanup_fd(&ends_of[0]);
}

static void the_program_dies_with_a_killed_keeper(void **state)
{
    (void)state;
    struct child_spec spec = { .argv = SHELL("exec sleep 1000"), .output = true, .keeper = true };
    CLEANUP(child_destroy) child_t *child = spawned(&spec);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)child_pid(child));
    CLEANUP(cleanup_file) FILE *file = fopen(path, "r");
    assert_non_null(file);
    char stat[256] = "";
    assert_non_null(fgets(stat, sizeof stat, file));
    const char *after_name = strrchr(stat, ')'); /* ") S <parent> ..." */
    assert_non_null(after_name);
    pid_t keeper = (pid_t)strtol(after_name + 4, NULL, 10);
    assert_true(keeper > 1);
    assert_int_equal(kill(keeper, SIGKILL), 0);
    char text[4];
    assert_int_equal(read_all(child_output(child), text, sizeof text), 0);
    ends(child, true, SIGKILL);
}

static void a_lock_of_ours_does_not_live_on_in_the_keeper(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct child_spec spec = { .argv = SHELL("sleep 1000"), .keeper = true };
    CLEANUP(child_destroy) child_t *child = spawned(&spec);
    assert_int_not_equal(child_pid(child), 0);
    cleanup_fd(&pair[1]);
    char byte = 0;
    /* the end comes as soon as the keeper has closed its copy */
    assert_int_equal(read(pair[0], &byte, 1), 0);
    cleanup_fd(&pair[0]);
}

static void a_nice_child_is_nicer_than_we_are(void **state)
{
    (void)state;
    char text[64];
    char ours[64];
    for (int keeper = 0; keeper <= 1; keeper++) {
        const struct child_spec spec = {
            .argv = SHELL("nice"), .output = true, .nice = 3, .keeper = keeper == 1
        };
        CLEANUP(child_destroy) child_t *child = spawned(&spec);
        (void)read_all(child_output(child), text, sizeof text);
        ends(child, false, 0);
        assert_true(snprintf(ours, sizeof ours, "%d\n", getpriority(PRIO_PROCESS, 0) + 3) > 0);
        assert_string_equal(text, ours);
    }
}

static void programs_are_looked_up_in_path(void **state)
{
    (void)state;
    CLEANUP(cleanup_free) char *path = NULL;
    assert_int_equal(child_find_program("sh", &path), 0);
    assert_int_equal(access(path, X_OK), 0);
    CLEANUP(cleanup_free) char *same = NULL;
    assert_int_equal(child_find_program("./x/y", &same), 0);
    assert_string_equal(same, "./x/y");
    CLEANUP(cleanup_free) char *none = NULL;
    assert_int_equal(child_find_program("no-such-program", &none), -ENOENT);
    assert_null(none);
}

static void an_end_has_words(void **state)
{
    (void)state;
    char text[64];
    child_end_text(&(struct child_end){ .code = 1 }, text, sizeof text);
    assert_string_equal(text, "exit 1");
    child_end_text(&(struct child_end){ .signalled = true, .code = 9 }, text, sizeof text);
    assert_string_equal(text, "signal 9 (Killed)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exit_status_comes_back),
        cmocka_unit_test(a_death_by_signal_comes_back),
        cmocka_unit_test(a_failing_exec_is_reported),
        cmocka_unit_test(output_of_both_kinds_comes_through_one_pipe),
        cmocka_unit_test(the_environment_gets_additions_and_removals),
        cmocka_unit_test(a_passed_descriptor_has_the_asked_number),
        cmocka_unit_test(descriptors_may_change_places),
        cmocka_unit_test(stdout_may_be_a_file_of_ours),
        cmocka_unit_test(nothing_else_is_inherited),
        cmocka_unit_test(signals_are_as_new),
        cmocka_unit_test(term_reaches_the_whole_group),
        cmocka_unit_test(kill_ends_what_does_not_listen),
        cmocka_unit_test(destroying_a_running_child_ends_it),
        cmocka_unit_test(a_released_child_lives_on),
        cmocka_unit_test(the_keeper_leaves_no_descendant),
        cmocka_unit_test(the_keeper_wakes_a_stopped_program_for_its_term),
        cmocka_unit_test(the_keeper_ends_everything_when_we_are_killed),
        cmocka_unit_test(the_program_dies_with_a_killed_keeper),
        cmocka_unit_test(a_lock_of_ours_does_not_live_on_in_the_keeper),
        cmocka_unit_test(a_nice_child_is_nicer_than_we_are),
        cmocka_unit_test(programs_are_looked_up_in_path),
        cmocka_unit_test(an_end_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
