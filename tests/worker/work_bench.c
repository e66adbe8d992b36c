#include "tests/worker/work_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/alloc.h"

static bool prover_ready_now(void *ctx)
{
    return ((struct bench *)ctx)->prover_is_ready;
}

static int64_t int_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

const char *bench_text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void ask_prover(void *ctx, json_t *request, int64_t stall_ms)
{
    struct bench *bench = ctx;
    bench->stall_ms = stall_ms;
    size_t used = strlen(bench->asks_text);
    assert_true(snprintf(bench->asks_text + used, sizeof bench->asks_text - used, "%s %d; ",
                         bench_text_of(request, "do"), (int)int_of(request, "claim")) > 0);
    json_decref(bench->asked);
    bench->asked = request;
    bench->asks++;
    if (strcmp(bench_text_of(request, "do"), "take") == 0) {
        json_decref(bench->take);
        bench->take = json_incref(request);
    }
}

static enum blender_state state_now(void *ctx)
{
    return ((struct bench *)ctx)->blender;
}

static const struct blender_info *info_now(void *ctx)
{
    return &((struct bench *)ctx)->info;
}

static void want(void *ctx, const struct blender_info *info)
{
    struct bench *bench = ctx;
    bench->unwanted += info == NULL;
    bench->wanted += info != NULL;
}

static void restart(void *ctx, const char *reason)
{
    struct bench *bench = ctx;
    assert_non_null(reason);
    bench->restarts++;
    bench->blender = BLENDER_CLOSING;
}

static void command(void *ctx, json_t *sent, const struct pulse_limits *limits)
{
    struct bench *bench = ctx;
    bench->limits = *limits;
    json_decref(bench->command);
    bench->command = sent;
    bench->commands++;
    if (strcmp(bench_text_of(sent, "do"), "open") == 0) {
        json_decref(bench->opening);
        bench->opening = json_incref(sent);
    }
    bench->blender =
        strcmp(bench_text_of(sent, "do"), "render") == 0 ? BLENDER_RENDERING : BLENDER_OPENING;
}

static char *take_log(void *ctx, size_t *size)
{
    const struct bench *bench = ctx;
    *size = strlen(bench->prints);
    return alloc_text(bench->prints);
}

static void mark(void *ctx)
{
    ((struct bench *)ctx)->marks++;
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static void tell(void *ctx)
{
    ((struct bench *)ctx)->tells++;
}

static void tell_by(void *ctx, int64_t at_ms)
{
    ((struct bench *)ctx)->tell_by_ms = at_ms;
}

static int64_t rss(void *ctx)
{
    return ((struct bench *)ctx)->rss;
}

static struct work_peaks peaks(void *ctx)
{
    return ((struct bench *)ctx)->peaks;
}

static char *held(void *ctx, int64_t *had_bytes)
{
    const struct bench *bench = ctx;
    *had_bytes = bench->had_bytes;
    return alloc_text(bench->held_by);
}

static void look(void *ctx, struct source_ask *ask)
{
    struct bench *bench = ctx;
    bench->look = ask->id;
    bench->looks++;
    assert_true(
        snprintf(bench->opened, sizeof bench->opened, "%s", ask->opened ? ask->opened : "") >= 0);
    source_ask_clear(ask);
}

static void watch_begin(void *ctx, bool on_card)
{
    struct bench *bench = ctx;
    bench->watches++;
    bench->on_card = on_card;
}

static json_t *watch_end(void *ctx)
{
    const struct bench *bench = ctx;
    return bench->elsewhere ? json_loads(bench->elsewhere, 0, NULL) : NULL;
}

static const char job_text[] =
    "{\"job\": 5, \"file\": \"/a/b.blend\", \"size\": 10, \"mtime_ns\": 20, \"hash\": \"00\","
    " \"options\": {}, \"found\": {\"digest\": \"d1\", \"file_version\": 304, \"width\": 32,"
    " \"height\": 24, \"stamped\": true, \"outputs\":"
    " [{\"view\": \"\", \"head\": \"/a/out/\", \"digits\": 4, \"tail\": \".png\"}]}}";

static void make_work(struct bench *bench, bool inspector)
{
    const struct work_ports ports = { bench,      prover_ready_now,
                                      ask_prover, state_now,
                                      info_now,   want,
                                      restart,    command,
                                      take_log,   mark,
                                      nothing,    rss,
                                      peaks,      held,
                                      look,       tell,
                                      tell_by,    watch_begin,
                                      watch_end };
    const struct work_setup setup = {
        .blenders = &bench->blenders,
        .device = bench->device,
        .inspector = inspector,
        .memory_bytes = MEMORY_BYTES,
        .stall_ms = STALL_MS,
    };
    bench->work = work_new(&setup, &ports, bench->reports);
    work_set_farm(bench->work, "0123456789abcdef");
}

void bench_make_inspector(struct bench *bench)
{
    work_destroy(&bench->work);
    make_work(bench, true);
}

void bench_make_device(struct bench *bench, const struct device *device)
{
    work_destroy(&bench->work);
    bench->device = device;
    make_work(bench, false);
}

int bench_begin(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->info = (struct blender_info){ .version = "3.4.1", .series = 304, .patch = 1 };
    bench->blenders = (struct blenders){ .items = &bench->info, .count = 1 };
    bench->took_ms = 12;
    bench->prints = "Saved";
    bench->error_code = "no-camera";
    bench->error_text = "no camera";
    bench->prover_is_ready = true;
    bench->blender = BLENDER_IDLE;
    bench->reports = reports_new();
    bench->about = json_loads(job_text, 0, NULL);
    assert_non_null(bench->about);
    make_work(bench, false);
    *state = bench;
    return 0;
}

int bench_end(void **state)
{
    struct bench *bench = *state;
    work_destroy(&bench->work);
    reports_destroy(&bench->reports);
    json_decref(bench->asked);
    json_decref(bench->take);
    json_decref(bench->command);
    json_decref(bench->opening);
    json_decref(bench->about);
    free(bench);
    return 0;
}

static void grant(struct bench *bench, int64_t claim, int frame, bool fresh)
{
    json_t *given = json_pack("{s:I, s:s, s:i, s:i, s:i}", "claim", (json_int_t)claim, "kind",
                              "render", "job", 5, "frame", frame, "attempt", 1);
    if (fresh) {
        json_object_set_new(given, "fresh", json_true());
    }
    if (work_job(bench->work) == 0) {
        work_assign(bench->work, bench->about);
    }
    work_grant(bench->work, given, 1);
    work_answered(bench->work, 1, 1);
    json_decref(given);
    (void)work_step(bench->work, 1);
}

void bench_grant(struct bench *bench, int64_t claim, int frame)
{
    grant(bench, claim, frame, false);
}

void bench_grant_fresh(struct bench *bench, int64_t claim, int frame)
{
    grant(bench, claim, frame, true);
}

void bench_prover_answers(struct bench *bench, const json_t *request, const char *is)
{
    json_t *answer = json_pack("{s:I, s:s, s:s, s:[]}", "id", (json_int_t)int_of(request, "id"),
                               "is", is, "path", "/a/out/.temp", "files");
    work_prover_answer(bench->work, answer, 2);
    json_decref(answer);
    (void)work_step(bench->work, 2);
}

void bench_prover_says(struct bench *bench, const char *is)
{
    bench_prover_answers(bench, bench->asked, is);
}

void bench_source_says(struct bench *bench, enum source_verdict verdict)
{
    struct source_answer answer = { .id = bench->look, .verdict = verdict };
    char use[] = "/a/b.blend";
    answer.use = verdict == SOURCE_OK ? use : NULL;
    work_source_answer(bench->work, &answer, 3);
    (void)work_step(bench->work, 3);
}

void bench_blender_says(struct bench *bench, const char *event)
{
    json_t *answer = json_pack("{s:s, s:i, s:s, s:s, s:b, s:b}", "event", event, "ms",
                               bench->took_ms, "code", bench->error_code, "text", bench->error_text,
                               "fatal", true, "scripts", bench->scripts);
    if (bench->used) {
        json_object_set_new(answer, "device", json_loads(bench->used, 0, NULL));
    }
    bench->blender = BLENDER_IDLE;
    work_blender_answer(bench->work, answer, 4);
    json_decref(answer);
    (void)work_step(bench->work, 4);
}

void bench_open_file(struct bench *bench)
{
    assert_string_equal(bench->opened, "");
    bench_source_says(bench, SOURCE_OK);
    assert_string_equal(bench_text_of(bench->command, "do"), "open");
    bench_blender_says(bench, "opened");
    assert_string_equal(bench->opened, "/a/b.blend");
    bench_source_says(bench, SOURCE_OK);
}

void bench_render_first(struct bench *bench, int64_t claim, int frame)
{
    bench_grant(bench, claim, frame);
    assert_string_equal(bench_text_of(bench->asked, "do"), "look");
    bench_prover_says(bench, "render");
    bench_open_file(bench);
    assert_string_equal(bench_text_of(bench->asked, "do"), "take");
    bench_prover_says(bench, "mine");
    assert_int_equal(bench->blender, BLENDER_RENDERING);
}

void bench_render_next(struct bench *bench, int64_t claim, int frame)
{
    bench_grant(bench, claim, frame);
    bench_prover_says(bench, "render");
    bench_prover_says(bench, "mine");
    assert_int_equal(bench->blender, BLENDER_RENDERING);
}

const char *bench_phase_of(const struct bench *bench, int64_t claim)
{
    static char phase[16];
    json_t *holding = work_holding(bench->work);
    size_t i = 0;
    json_t *entry = NULL;
    phase[0] = '\0';
    json_array_foreach(holding, i, entry)
    {
        if (int_of(entry, "claim") == claim) {
            assert_true(snprintf(phase, sizeof phase, "%s", bench_text_of(entry, "phase")) > 0);
        }
    }
    json_decref(holding);
    return phase;
}

void bench_expect_reports(const struct bench *bench, const char *expected)
{
    struct reports_log logs[REPORTS_LOGS_A_MESSAGE];
    size_t log_count = 0;
    char text[256] = "";
    json_t *message = reports_message(bench->reports, logs, &log_count);
    size_t i = 0;
    json_t *report = NULL;
    json_array_foreach(message, i, report)
    {
        size_t used = strlen(text);
        assert_true(snprintf(text + used, sizeof text - used, "%s %d; ",
                             bench_text_of(report, "what"), (int)int_of(report, "claim")) > 0);
    }
    json_decref(message);
    assert_string_equal(text, expected);
}

void bench_expect_report(const struct bench *bench, int64_t claim, const char *what,
                         const char *code, const char *words)
{
    struct reports_log logs[REPORTS_LOGS_A_MESSAGE];
    size_t log_count = 0;
    json_t *message = reports_message(bench->reports, logs, &log_count);
    size_t i = 0;
    json_t *report = NULL;
    bool found = false;
    json_array_foreach(message, i, report)
    {
        const json_t *warning = json_array_get(json_object_get(report, "warnings"), 0);
        const json_t *says = strcmp(what, "error") == 0 ? report : warning;
        if (int_of(report, "claim") != claim || strcmp(bench_text_of(report, "what"), what) != 0) {
            continue;
        }
        found = true;
        assert_string_equal(bench_text_of(says, "code"), code ? code : "");
        assert_non_null(strstr(bench_text_of(says, "text"), words ? words : ""));
    }
    json_decref(message);
    assert_true(found);
}
