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
#include "worker/prover.h"

enum { STALL_MS = 1000, LONG_MS = 100000 };

/* Answers every request; dies of "die", speaks nonsense at "rave", hangs at "hang". */
static const char script[] =
    "import json, signal, socket, sys\n"
    "s = socket.socket(fileno=int(sys.argv[2]))\n"
    "for line in s.makefile():\n"
    "    request = json.loads(line)\n"
    "    if request['do'] == 'die': sys.exit(7)\n"
    "    if request['do'] == 'hang': signal.pause()\n"
    "    if request['do'] == 'rave': s.sendall(b'what?\\n')\n"
    "    s.sendall((json.dumps({'id': request['id'], 'is': request['do']}) + '\\n').encode())\n";

struct bench {
    zloop_t *loop;
    prover_t *prover;
    char path[64];
    int readies, answers, deaths, hangs, breaks;
    int until_readies, until_answers, until_deaths, until_breaks;
    int64_t ask_ms; /* when we ask */
    bool until_gone;
    char how[64]; /* of the last death */
    bool ticking; /* the prover gets its turn, as in the worker's loop */
};

static void is_ready(void *ctx)
{
    ((struct bench *)ctx)->readies++;
}

static void answers(void *ctx, const json_t *answer)
{
    assert_true(json_is_object(answer));
    ((struct bench *)ctx)->answers++;
}

static void dies(void *ctx, const char *how, bool hung)
{
    struct bench *bench = ctx;
    bench->deaths++;
    bench->hangs += hung;
    assert_true(snprintf(bench->how, sizeof bench->how, "%s", how) > 0);
}

static void breaks(void *ctx)
{
    ((struct bench *)ctx)->breaks++;
}

static int on_check(zloop_t *loop, int id, void *arg)
{
    struct bench *bench = arg;
    (void)loop;
    (void)id;
    if (bench->ticking) {
        (void)prover_tick(bench->prover, true, clock_mono_ms());
    }
    bool over = bench->readies >= bench->until_readies && bench->answers >= bench->until_answers &&
                bench->deaths >= bench->until_deaths && bench->breaks >= bench->until_breaks &&
                (!bench->until_gone || !prover_running(bench->prover));
    return over ? -1 : 0;
}

/* Run the loop until what is to be counted has been counted; the test's timeout is the limit. */
static void run(struct bench *bench)
{
    int timer = zloop_timer(bench->loop, 5, 0, on_check, bench);
    (void)zloop_start(bench->loop);
    (void)zloop_timer_end(bench->loop, timer);
}

static void make(struct bench *bench, const char *const *pythons)
{
    const struct prover_setup setup = { .script = bench->path, .host = "h", .pythons = pythons };
    const struct prover_calls calls = { bench, is_ready, answers, dies, breaks };
    bench->prover = prover_new(bench->loop, &setup, &calls);
    prover_set_farm(bench->prover, "0123456789abcdef");
}

static int begin(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    zsys_handler_set(NULL);
    assert_true(snprintf(bench->path, sizeof bench->path, "/tmp/test_prover_%d.py", getpid()) > 0);
    FILE *file = fopen(bench->path, "we");
    assert_non_null(file);
    assert_true(fputs(script, file) >= 0);
    assert_int_equal(fclose(file), 0);
    bench->loop = zloop_new();
    *state = bench;
    return 0;
}

static int end(void **state)
{
    struct bench *bench = *state;
    prover_destroy(&bench->prover);
    zloop_destroy(&bench->loop);
    (void)unlink(bench->path);
    free(bench);
    return 0;
}

static void ask(struct bench *bench, const char *what)
{
    json_t *request = json_pack("{s:s, s:i}", "do", what, "id", 1);
    prover_ask(bench->prover, &request, STALL_MS, bench->ask_ms);
    assert_null(request);
}

static const char *const good[] = { "/usr/bin/python3", NULL };

static void start_it(struct bench *bench)
{
    make(bench, good);
    assert_false(prover_ready(bench->prover, 0));
    bench->until_readies = 1;
    run(bench);
    assert_true(prover_ready(bench->prover, 0));
}

static void it_answers_when_it_is_ready(void **state)
{
    struct bench *bench = *state;
    start_it(bench);
    ask(bench, "look");
    ask(bench, "prove");
    bench->until_answers = 2;
    run(bench);
    assert_int_equal(bench->deaths, 0);
}

static void the_next_interpreter_is_tried(void **state)
{
    static const char *const several[] = { "/nonexistent/python3", "/bin/false", "/usr/bin/python3",
                                           NULL };
    struct bench *bench = *state;
    make(bench, several);
    (void)prover_ready(bench->prover, clock_mono_ms());
    bench->ticking = true;
    bench->until_readies = 1;
    run(bench);
    assert_int_equal(bench->breaks, 0);
}

static void without_any_interpreter_it_is_broken(void **state)
{
    static const char *const none[] = { "/nonexistent/python3", NULL };
    struct bench *bench = *state;
    make(bench, none);
    assert_false(prover_ready(bench->prover, 0));
    assert_int_equal(bench->breaks, 1);
    assert_int_equal(prover_tick(bench->prover, true, 0), INT64_MAX);
}

static void its_death_is_told_and_it_comes_again_after_a_pause(void **state)
{
    struct bench *bench = *state;
    start_it(bench);
    ask(bench, "die");
    bench->until_deaths = 1;
    run(bench);
    assert_non_null(strstr(bench->how, "7"));
    assert_false(prover_ready(bench->prover, 0));
    int64_t start_ms = prover_tick(bench->prover, true, 0);
    assert_true(start_ms > 0 && !prover_running(bench->prover));
    (void)prover_tick(bench->prover, true, start_ms);
    bench->until_readies = 2;
    run(bench);
    assert_int_equal(bench->readies, 2);
}

static void pauses_between_deaths_grow(void **state)
{
    struct bench *bench = *state;
    start_it(bench);
    for (int death = 1; death <= 3; death++) {
        ask(bench, "die");
        bench->until_deaths = death;
        run(bench);
        int64_t now_ms = clock_mono_ms();
        assert_false(prover_ready(bench->prover, now_ms));
        int64_t start_ms = prover_tick(bench->prover, true, now_ms);
        int64_t pause_ms = PROVER_PAUSE_MIN_MS << (death - 1);
        assert_true(start_ms > now_ms + pause_ms / 2 && start_ms <= now_ms + pause_ms);
        (void)prover_tick(bench->prover, true, start_ms);
        bench->until_readies = death + 1;
        run(bench);
    }
}

static void another_farm_is_not_for_this_prover(void **state)
{
    struct bench *bench = *state;
    start_it(bench);
    prover_set_farm(bench->prover, "0123456789abcdef");
    assert_true(prover_ready(bench->prover, 0));
    prover_set_farm(bench->prover, "fedcba9876543210");
    assert_false(prover_ready(bench->prover, 0));
    bench->until_gone = true;
    run(bench);
    assert_int_equal(bench->deaths, 0);
}

static void nonsense_is_a_death(void **state)
{
    struct bench *bench = *state;
    start_it(bench);
    ask(bench, "rave");
    bench->until_deaths = 1;
    run(bench);
    assert_false(prover_running(bench->prover));
}

/* Ticks at each deadline up to a time; the time of the last tick. */
static int64_t tick_until(struct bench *bench, int64_t now_ms, int64_t until_ms)
{
    int64_t next_ms = now_ms;
    while (next_ms <= until_ms && bench->deaths == 0) {
        now_ms = next_ms;
        next_ms = prover_tick(bench->prover, true, now_ms);
        next_ms = next_ms > now_ms ? next_ms : now_ms + 1;
    }
    return now_ms;
}

static void one_that_does_not_answer_is_killed(void **state)
{
    struct bench *bench = *state;
    start_it(bench);
    bench->ask_ms = clock_mono_ms();
    (void)tick_until(bench, bench->ask_ms, bench->ask_ms + LONG_MS); /* it owes nothing */
    assert_true(prover_ready(bench->prover, bench->ask_ms));
    ask(bench, "hang");
    int64_t end_ms = bench->ask_ms + STALL_MS;
    (void)tick_until(bench, bench->ask_ms, end_ms - 1);
    assert_true(prover_ready(bench->prover, end_ms));
    (void)tick_until(bench, end_ms, end_ms + STALL_MS / 5);
    assert_false(prover_ready(bench->prover, end_ms));
    bench->until_deaths = 1;
    run(bench);
    assert_int_equal(bench->hangs, 1);
    assert_non_null(strstr(bench->how, "signal 9"));
}

/* The loop does not run here, so that its end is not seen: as if the kernel held it. */
static void one_that_cannot_be_killed_is_left_behind(void **state)
{
    struct bench *bench = *state;
    start_it(bench);
    bench->ask_ms = clock_mono_ms();
    ask(bench, "hang");
    int64_t now_ms = tick_until(bench, bench->ask_ms, bench->ask_ms + LONG_MS);
    assert_int_equal(bench->hangs, 1);
    assert_false(prover_running(bench->prover));
    assert_true(now_ms >= bench->ask_ms + STALL_MS + PROVER_END_MS);
    assert_false(prover_ready(bench->prover, now_ms + PROVER_PAUSE_MIN_MS)); /* it starts */
    assert_true(prover_running(bench->prover));
    bench->until_readies = 2; /* the new one works while the old one's end comes in */
    run(bench);
    ask(bench, "look");
    bench->until_answers = 1;
    run(bench);
    assert_int_equal(bench->deaths, 1);
}

static void it_leaves_after_a_minute_without_a_claim_only(void **state)
{
    struct bench *bench = *state;
    start_it(bench);
    int64_t now_ms = 1000000000;
    assert_int_equal(prover_tick(bench->prover, true, now_ms), now_ms + PROVER_IDLE_MS);
    now_ms += 600000;
    (void)prover_tick(bench->prover, true, now_ms); /* a frame that renders for ten minutes */
    assert_true(prover_ready(bench->prover, now_ms));
    (void)prover_tick(bench->prover, false, now_ms + PROVER_IDLE_MS);
    assert_false(prover_ready(bench->prover, now_ms + PROVER_IDLE_MS));
    bench->until_gone = true;
    run(bench);
    assert_int_equal(bench->deaths, 0);
}

#define BENCH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(it_answers_when_it_is_ready),
        BENCH(the_next_interpreter_is_tried),
        BENCH(without_any_interpreter_it_is_broken),
        BENCH(its_death_is_told_and_it_comes_again_after_a_pause),
        BENCH(pauses_between_deaths_grow),
        BENCH(another_farm_is_not_for_this_prover),
        BENCH(nonsense_is_a_death),
        BENCH(one_that_does_not_answer_is_killed),
        BENCH(one_that_cannot_be_killed_is_left_behind),
        BENCH(it_leaves_after_a_minute_without_a_claim_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
