#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/clock.h"
#include "tests/worker/temp_folder.h"
#include "worker/blender.h"
#include "worker/oom.h"
#include "worker/watch.h"

enum { PATIENCE_MS = 20000 };

/* Ends at its start. */
static const char still_born[] = "#!/bin/sh\nexit 3\n";

/* Gets ready, answers its first command, and ends. */
static const char short_lived[] =
    "#!/usr/bin/python3\n"
    "import json, socket, sys\n"
    "s = socket.socket(fileno=int(sys.argv[sys.argv.index('--fd') + 1]))\n"
    "s.sendall(b'{\"event\": \"ready\"}\\n')\n"
    "command = json.loads(s.recv(65536))\n"
    "s.sendall(json.dumps({'event': 'rendered', 'id': command['id']}).encode() + b'\\n')\n";

/* Ends as the kernel ends who takes too much memory. */
static const char killed[] = "#!/bin/sh\nkill -KILL $$\n";

struct bench {
    struct temp_folder *folder;
    struct blender_info info;
    blender_t *blender;
    int answers, ends;
    int answers_at_end; /* how many had come when its end was told */
    char code[32];      /* of its last end */
};

/* In the place of worker/oom: so many were ended by the kernel. */
static int64_t kills;

int64_t oom_kills(void)
{
    return kills;
}

/* worker/watch without a loop: the test decides what is handled, and in which order. */
static struct {
    int fd; /* -1: none */
    watch_call handler;
    void *arg;
} events = { .fd = -1 }, ending = { .fd = -1 };

void watch_fd(zloop_t *loop, int fd, watch_call handler, void *arg)
{
    (void)loop;
    if (events.fd < 0) { /* its socket comes first, then its pidfd */
        events.fd = fd;
        events.handler = handler;
        events.arg = arg;
    } else {
        ending.fd = fd;
        ending.handler = handler;
        ending.arg = arg;
    }
}

void watch_end(zloop_t *loop, int fd)
{
    (void)loop;
    events.fd = fd == events.fd ? -1 : events.fd;
    ending.fd = fd == ending.fd ? -1 : ending.fd;
}

static void wait_for(int fd)
{
    struct pollfd item = { .fd = fd, .events = POLLIN };
    assert_true(fd >= 0);
    assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
}

static void handle_event(void)
{
    wait_for(events.fd);
    events.handler(events.arg);
}

static void handle_end(void)
{
    wait_for(ending.fd);
    ending.handler(ending.arg);
}

static void answer(void *ctx, const json_t *json)
{
    assert_true(json_is_object(json));
    ((struct bench *)ctx)->answers++;
}

static void ended(void *ctx, const struct blender_end *end)
{
    struct bench *bench = ctx;
    assert_non_null(end->code);
    (void)snprintf(bench->code, sizeof bench->code, "%s", end->code);
    bench->answers_at_end = bench->answers;
    bench->ends++;
}

static void changed(void *ctx)
{
    (void)ctx;
}

static int begin(void **state)
{
    void *folder = NULL;
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    assert_int_equal(temp_folder_make(&folder), 0);
    bench->folder = folder;
    assert_int_equal(setenv("TMPDIR", bench->folder->path, 1), 0);
    *state = bench;
    return 0;
}

static int end(void **state)
{
    struct bench *bench = *state;
    void *folder = bench->folder;
    blender_destroy(&bench->blender);
    free(bench->info.path);
    free(bench);
    return temp_folder_remove(&folder);
}

static void want(struct bench *bench, const char *program, int64_t now_ms)
{
    static const struct blender_setup setup = { .script = "unread" };
    const struct blender_calls calls = { bench, answer, ended, changed };
    bench->info.path = temp_folder_file(bench->folder, "blender", program);
    bench->blender = blender_new(NULL, &setup, &calls);
    blender_want(bench->blender, &bench->info, now_ms);
}

/* It dies at its start: how long is the pause until it may start again? */
static void expect_pause(struct bench *bench, int64_t start_ms, int64_t expected_ms)
{
    (void)blender_tick(bench->blender, start_ms);
    assert_int_equal(blender_state(bench->blender), BLENDER_STARTING);
    wait_for(ending.fd);
    int64_t before_ms = clock_mono_ms();
    handle_end();
    int64_t after_ms = clock_mono_ms();
    assert_true(blender_off(bench->blender));
    int64_t next_ms = blender_tick(bench->blender, before_ms);
    assert_in_range(next_ms, before_ms + expected_ms, after_ms + expected_ms);
}

static void pauses_between_deaths_double_up_to_the_longest(void **state)
{
    static const int64_t pauses_ms[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
    struct bench *bench = *state;
    int64_t start_ms = clock_mono_ms();
    want(bench, still_born, start_ms);
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
        expect_pause(bench, start_ms, pauses_ms[i]);
        assert_int_equal(bench->ends, i + 1);
        start_ms = clock_mono_ms() + BLENDER_PAUSE_MAX_MS;
    }
    blender_praise(bench->blender);
    expect_pause(bench, start_ms, BLENDER_PAUSE_MIN_MS);
}

static void an_answer_before_its_end_counts(void **state)
{
    struct bench *bench = *state;
    static const struct pulse_limits limits = { .stall_ms = 2L * PATIENCE_MS };
    int64_t now_ms = clock_mono_ms();
    want(bench, short_lived, now_ms);
    (void)blender_tick(bench->blender, now_ms);
    handle_event();
    assert_int_equal(blender_state(bench->blender), BLENDER_IDLE);
    json_t *command = json_pack("{s:s}", "do", "render");
    blender_command(bench->blender, &command, &limits, now_ms);
    handle_end(); /* its answer has come meanwhile, and nobody has looked */
    assert_int_equal(bench->answers, 1);
    assert_int_equal(bench->ends, 1);
    assert_int_equal(bench->answers_at_end, 1);
}

static void one_that_the_kernel_ended_was_out_of_memory(void **state)
{
    struct bench *bench = *state;
    int64_t now_ms = clock_mono_ms();
    want(bench, killed, now_ms);
    (void)blender_tick(bench->blender, now_ms);
    kills++;
    handle_end();
    assert_string_equal(bench->code, "out-of-memory");
    (void)blender_tick(bench->blender, clock_mono_ms() + BLENDER_PAUSE_MAX_MS);
    handle_end(); /* that was the one before: this one somebody else has killed */
    assert_string_equal(bench->code, "crashed");
}

#define BENCH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(pauses_between_deaths_double_up_to_the_longest),
        BENCH(an_answer_before_its_end_counts),
        BENCH(one_that_the_kernel_ended_was_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
