/*
 * prover: what the worker hears of its prover, in any order and at any time
 *
 * The input is lines, fake_child.h's, and: a asks it something, q closes it, w is another farm, h
 * and H make time pass with and without claims held.
 */

#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"
#include "proto/clock.h"
#include "tests/fuzz/fake_child.h"
#include "tests/fuzz/fuzz.h"
#include "worker/prover.h"

enum { STEPS = 200, STALL_MS = 60000 };

static prover_t *prover;
static int64_t now_ms;
static bool broken;

static void on_ready(void *ctx)
{
    (void)ctx;
    FUZZ_CHECK(prover_running(prover), "ready without a process");
}

static void on_answer(void *ctx, const json_t *answer)
{
    (void)ctx;
    FUZZ_CHECK(json_is_object(answer), "an answer that is no object");
}

static void on_died(void *ctx, const char *how, bool hung)
{
    (void)ctx;
    (void)hung;
    FUZZ_CHECK(how && how[0], "it died of nothing");
    FUZZ_CHECK(!prover_running(prover), "dead, and still there");
}

static void on_broken(void *ctx)
{
    (void)ctx;
    FUZZ_CHECK(!prover_running(prover) && !broken, "broken twice");
    broken = true;
}

static void ask(void)
{
    if (!prover_ready(prover, now_ms)) {
        return;
    }
    free(fake_child_heard());
    json_t *request = json_pack("{s:s, s:i}", "do", "look", "id", 7);
    prover_ask(prover, &request, STALL_MS, now_ms);
    FUZZ_CHECK(!request, "the request was not taken");
}

static void tick(bool held)
{
    int64_t due_ms = prover_tick(prover, held, now_ms);
    /* one that died at once may be followed by another interpreter now */
    FUZZ_CHECK(due_ms >= now_ms, "due %lld ms ago", (long long)(now_ms - due_ms));
}

static void step(const char *line, size_t size)
{
    char what = line[0];
    uint8_t how = (uint8_t)strtoul(line + 1, NULL, 10);
    switch (what) {
    case 'a':
        ask();
        break;
    case 'h':
    case 'H':
        now_ms += 1LL << how % 20;
        tick(what == 'h');
        break;
    case 'q':
        prover_close(prover, now_ms);
        break;
    case 'w':
        prover_set_farm(prover, how % 2 ? "fedcba9876543210" : "0123456789abcdef");
        break;
    default:
        fake_child_step(line, size);
        break;
    }
}

static void step_and_turn(const char *line, size_t size)
{
    step(line, size);
    fake_child_turn();
    FUZZ_CHECK(fake_child_runs() == prover_running(prover), "it is not what it seems");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const pythons[] = { "/one/python3", "/two/python3", NULL };
    static const struct prover_setup setup = {
        .script = "/prove.py", .host = "host", .start = 5, .pythons = pythons
    };
    static const struct prover_calls calls = {
        .ready = on_ready, .answer = on_answer, .died = on_died, .broken = on_broken
    };
    struct fuzz_bytes bytes = { data, size };
    prover = prover_new(NULL, &setup, &calls);
    now_ms = clock_mono_ms(); /* its handlers ask the clock */
    broken = false;
    prover_set_farm(prover, "0123456789abcdef");
    (void)prover_ready(prover, now_ms);
    for (int i = 0; i < STEPS && bytes.left > 0; i++) {
        size_t length = 0;
        CLEANUP(cleanup_free) char *line = fuzz_line(&bytes, &length);
        if (length > 0) {
            step_and_turn(line, length);
        }
    }
    prover_destroy(&prover);
    fake_child_check_gone();
    return 0;
}
