/*
 * blender: what the worker hears of Blender - JSON lines of its script, the lines that it prints,
 * its end - in any order and at any time
 *
 * The input is lines; the first character says what happens: fake_child.h's, and
 *
 *     c, o, i  a command: render, open, inspect
 *     tN       time passes, 2^N ms
 *     w, n, r  another Blender is wanted; none; a restart
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"
#include "proto/clock.h"
#include "tests/fuzz/fake_child.h"
#include "tests/fuzz/fuzz.h"
#include "worker/blender.h"

enum { STEPS = 200 };

static const struct blender_info infos[] = {
    { .path = (char[]){ "/one/blender" }, .version = "3.4.1", .series = 304 },
    { .path = (char[]){ "/two/blender" }, .version = "2.93.0", .series = 293 },
};

static blender_t *blender;
static int64_t now_ms;
static int commands; /* sent and neither answered nor ended */

static bool is_busy(enum blender_state state)
{
    return state == BLENDER_OPENING || state == BLENDER_INSPECTING || state == BLENDER_RENDERING;
}

static void on_answer(void *ctx, const json_t *answer)
{
    (void)ctx;
    FUZZ_CHECK(json_is_string(json_object_get(answer, "event")), "an answer without an event");
    FUZZ_CHECK(blender_state(blender) == BLENDER_IDLE, "answered, and %s",
               blender_state_name(blender_state(blender)));
    FUZZ_CHECK(commands-- == 1, "an answer to nothing");
}

static void on_ended(void *ctx, const struct blender_end *end)
{
    (void)ctx;
    FUZZ_CHECK(end->code && end->text && end->hint, "it ended without a reason");
    FUZZ_CHECK(strlen(end->code) > 0 && strlen(end->code) <= 64, "code \"%s\"", end->code);
    FUZZ_CHECK(strlen(end->text) <= 4096, "a reason too long for the wire");
    FUZZ_CHECK(blender_off(blender), "ended, and still there");
    commands = 0;
}

static void on_changed(void *ctx)
{
    (void)ctx;
    const struct phase *phase = blender_phase(blender);
    FUZZ_CHECK(memchr(phase->text, '\0', sizeof phase->text), "a phase without an end");
    FUZZ_CHECK(phase->done >= 0 && phase->done <= phase->total, "%d of %d", phase->done,
               phase->total);
}

static void command(const char *word)
{
    static const struct pulse_limits limits = { .stall_ms = 60000, .most_ms = 200000 };
    if (blender_state(blender) != BLENDER_IDLE) {
        return;
    }
    json_t *request = json_pack("{s:s, s:i}", "do", word, "frame", 1);
    free(fake_child_heard());
    commands = 1;
    blender_mark(blender);
    blender_command(blender, &request, &limits, now_ms);
    FUZZ_CHECK(!request, "the command was not taken");
    if (!is_busy(blender_state(blender))) {
        return; /* it does not read */
    }
    CLEANUP(cleanup_free) char *heard = fake_child_heard();
    CLEANUP(cleanup_json) json_t *line = heard ? json_loads(heard, 0, NULL) : NULL;
    FUZZ_CHECK(json_is_integer(json_object_get(line, "id")), "the command on the wire: %s",
               heard ? heard : "nothing");
}

static void tick(void)
{
    int64_t due_ms = blender_tick(blender, now_ms);
    FUZZ_CHECK(due_ms > now_ms, "due %lld ms ago", (long long)(now_ms - due_ms));
}

static void step(const char *line, size_t size)
{
    char what = line[0];
    uint8_t how = (uint8_t)strtoul(line + 1, NULL, 10);
    switch (what) {
    case 'c':
        command("render");
        break;
    case 'o':
        command("open");
        break;
    case 'i':
        command("inspect");
        break;
    case 't':
        now_ms += 1LL << how % 20;
        tick();
        break;
    case 'w':
        blender_want(blender, &infos[how % 2], now_ms);
        break;
    case 'n':
        blender_want(blender, NULL, now_ms);
        break;
    case 'r':
        blender_restart(blender, "the input says so", now_ms);
        break;
    default:
        fake_child_step(line, size);
        break;
    }
}

static void check_output(void)
{
    size_t size = 0;
    CLEANUP(cleanup_free) char *text = output_text(blender_output(blender), &size);
    FUZZ_CHECK(size <= OUTPUT_MAX_BYTES && text[size] == '\0', "%zu bytes of output", size);
    CLEANUP(cleanup_json) json_t *word = json_stringn(text, size);
    FUZZ_CHECK(word, "the output is not UTF-8");
}

static void step_and_turn(const char *line, size_t size)
{
    step(line, size);
    fake_child_turn();
    FUZZ_CHECK(fake_child_runs() == !blender_off(blender), "it is not what it seems");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct blender_setup setup = { .script = "/autorender.py" };
    static const struct blender_calls calls = { .answer = on_answer,
                                                .ended = on_ended,
                                                .changed = on_changed };
    struct fuzz_bytes bytes = { data, size };
    blender = blender_new(NULL, &setup, &calls);
    now_ms = clock_mono_ms(); /* its handlers ask the clock */
    commands = 0;
    blender_want(blender, &infos[0], now_ms);
    tick();
    for (int i = 0; i < STEPS && bytes.left > 0; i++) {
        size_t length = 0;
        CLEANUP(cleanup_free) char *line = fuzz_line(&bytes, &length);
        if (length > 0) {
            step_and_turn(line, length);
        }
    }
    if (size % 16 == 0) {
        check_output();
    }
    blender_destroy(&blender);
    fake_child_check_gone();
    return 0;
}
