#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "worker/work.h"

enum { MEMORY_BYTES = 1000, STALL_MS = 1000 };

/* A worker without children: what work says to them is noted, what they answer is written here. */
struct bench {
    work_t *work;
    reports_t *reports;
    struct blender_info info;
    struct blenders blenders;
    bool prover_is_ready;
    enum blender_state blender;
    json_t *asked;              /* the last request to the prover, */
    json_t *take;               /* the last `take` */
    json_t *command;            /* the last command to Blender */
    json_t *about;              /* the job */
    struct pulse_limits limits; /* of the last command */
    int64_t stall_ms;           /* of the last request to the prover */
    int64_t look;               /* id of the last look at the file */
    char opened[64];            /* of that look: the file that was opened, "" for a look before */
    int asks, commands, restarts, looks;
    char asks_text[512]; /* "look 1, take 1, ..." */
    int64_t rss;
    const char *prints; /* Blender's output of an attempt */
    const char *error_code, *error_text;
    int took_ms;  /* what a frame takes */
    int unwanted; /* how often no Blender was wanted any more */
};

static bool prover_ready_now(void *ctx)
{
    return ((struct bench *)ctx)->prover_is_ready;
}

static int64_t int_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
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
                         text_of(request, "do"), (int)int_of(request, "claim")) > 0);
    json_decref(bench->asked);
    bench->asked = request;
    bench->asks++;
    if (strcmp(text_of(request, "do"), "take") == 0) {
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
    bench->blender =
        strcmp(text_of(sent, "do"), "render") == 0 ? BLENDER_RENDERING : BLENDER_OPENING;
}

static char *take_log(void *ctx, size_t *size)
{
    const struct bench *bench = ctx;
    *size = strlen(bench->prints);
    return alloc_text(bench->prints);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static int64_t rss(void *ctx)
{
    return ((struct bench *)ctx)->rss;
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

static const char job_text[] =
    "{\"job\": 5, \"file\": \"/a/b.blend\", \"size\": 10, \"mtime_ns\": 20, \"hash\": \"00\","
    " \"options\": {}, \"found\": {\"digest\": \"d1\", \"file_version\": 304, \"width\": 32,"
    " \"height\": 24, \"stamped\": true, \"outputs\":"
    " [{\"view\": \"\", \"head\": \"/a/out/\", \"digits\": 4, \"tail\": \".png\"}]}}";

static int begin(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    const struct work_ports ports = {
        bench,   prover_ready_now, ask_prover, state_now, info_now, want, restart,
        command, take_log,         nothing,    nothing,   rss,      look, nothing
    };
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
    const struct work_setup setup = { .blenders = &bench->blenders,
                                      .memory_bytes = MEMORY_BYTES,
                                      .stall_ms = STALL_MS };
    bench->work = work_new(&setup, &ports, bench->reports);
    work_set_farm(bench->work, "0123456789abcdef");
    *state = bench;
    return 0;
}

static int end(void **state)
{
    struct bench *bench = *state;
    work_destroy(&bench->work);
    reports_destroy(&bench->reports);
    json_decref(bench->asked);
    json_decref(bench->take);
    json_decref(bench->command);
    json_decref(bench->about);
    free(bench);
    return 0;
}

static void grant(struct bench *bench, int64_t claim, int frame)
{
    json_t *given = json_pack("{s:I, s:s, s:i, s:i, s:i}", "claim", (json_int_t)claim, "kind",
                              "render", "job", 5, "frame", frame, "attempt", 1);
    if (work_job(bench->work) == 0) {
        work_assign(bench->work, bench->about);
    }
    work_grant(bench->work, given, 1);
    work_answered(bench->work, 1, 1);
    json_decref(given);
    (void)work_step(bench->work, 1);
}

/* The prover answers a request. */
static void prover_answers(struct bench *bench, const json_t *request, const char *is)
{
    json_t *answer = json_pack("{s:I, s:s, s:s, s:[]}", "id", (json_int_t)int_of(request, "id"),
                               "is", is, "path", "/a/out/.temp", "files");
    work_prover_answer(bench->work, answer, 2);
    json_decref(answer);
    (void)work_step(bench->work, 2);
}

/* The prover answers its last request. */
static void prover_says(struct bench *bench, const char *is)
{
    prover_answers(bench, bench->asked, is);
}

static void source_says(struct bench *bench, enum source_verdict verdict)
{
    struct source_answer answer = { .id = bench->look, .verdict = verdict };
    char use[] = "/a/b.blend";
    answer.use = verdict == SOURCE_OK ? use : NULL;
    work_source_answer(bench->work, &answer, 3);
    (void)work_step(bench->work, 3);
}

static void blender_says(struct bench *bench, const char *event)
{
    json_t *answer = json_pack("{s:s, s:i, s:s, s:s, s:b}", "event", event, "ms", bench->took_ms,
                               "code", bench->error_code, "text", bench->error_text, "fatal", true);
    bench->blender = BLENDER_IDLE;
    work_blender_answer(bench->work, answer, 4);
    json_decref(answer);
    (void)work_step(bench->work, 4);
}

/* The file is looked at, opened, and looked at again. */
static void open_file(struct bench *bench)
{
    assert_string_equal(bench->opened, "");
    source_says(bench, SOURCE_OK);
    assert_string_equal(text_of(bench->command, "do"), "open");
    blender_says(bench, "opened");
    assert_string_equal(bench->opened, "/a/b.blend");
    source_says(bench, SOURCE_OK);
}

/* From the grant to a Blender that renders it. */
static void render_first(struct bench *bench, int64_t claim, int frame)
{
    grant(bench, claim, frame);
    assert_string_equal(text_of(bench->asked, "do"), "look");
    prover_says(bench, "render");
    open_file(bench);
    assert_string_equal(text_of(bench->asked, "do"), "take");
    prover_says(bench, "mine");
    assert_int_equal(bench->blender, BLENDER_RENDERING);
}

/* The same for a further frame of the open job. */
static void render_next(struct bench *bench, int64_t claim, int frame)
{
    grant(bench, claim, frame);
    prover_says(bench, "render");
    prover_says(bench, "mine");
    assert_int_equal(bench->blender, BLENDER_RENDERING);
}

static const char *phase_of(const struct bench *bench, int64_t claim)
{
    static char phase[16];
    json_t *holding = work_holding(bench->work);
    size_t i = 0;
    json_t *entry = NULL;
    phase[0] = '\0';
    json_array_foreach(holding, i, entry)
    {
        if (int_of(entry, "claim") == claim) {
            assert_true(snprintf(phase, sizeof phase, "%s", text_of(entry, "phase")) > 0);
        }
    }
    json_decref(holding);
    return phase;
}

/* "started 1; finished 1; " */
static void expect_reports(const struct bench *bench, const char *expected)
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
        assert_true(snprintf(text + used, sizeof text - used, "%s %d; ", text_of(report, "what"),
                             (int)int_of(report, "claim")) > 0);
    }
    json_decref(message);
    assert_string_equal(text, expected);
}

/* What a claim came to, or its first warning, has this code, and these words in its text; NULL: it
 * has no warning. */
static void expect_report(const struct bench *bench, int64_t claim, const char *what,
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
        if (int_of(report, "claim") != claim || strcmp(text_of(report, "what"), what) != 0) {
            continue;
        }
        found = true;
        assert_string_equal(text_of(says, "code"), code ? code : "");
        assert_non_null(strstr(text_of(says, "text"), words ? words : ""));
    }
    json_decref(message);
    assert_true(found);
}

static void a_frame_goes_its_whole_way(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 7);
    assert_string_equal(text_of(bench->command, "path"), "/a/out/.temp");
    assert_string_equal(text_of(bench->command, "digest"), "dblend:d1:3.4");
    assert_string_equal(phase_of(bench, 1), "rendering");
    blender_says(bench, "rendered");
    assert_string_equal(phase_of(bench, 1), "proof");
    prover_says(bench, "done");
    expect_reports(bench, "started 1; finished 1; ");
    assert_true(work_empty(bench->work));
    assert_string_equal(bench->asks_text, "look 1; take 1; prove 1; ");
}

static void the_next_is_looked_at_while_one_renders(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 1);
    assert_int_equal(work_want(bench->work), 1);
    grant(bench, 2, 2);
    assert_string_equal(bench->asks_text, "look 1; take 1; look 2; ");
    prover_says(bench, "render");
    assert_string_equal(bench->asks_text, "look 1; take 1; look 2; ");
    assert_string_equal(phase_of(bench, 2), "ahead");
    assert_int_equal(work_want(bench->work), 0);
    blender_says(bench, "rendered");
    assert_int_equal(bench->commands, 2);
    assert_string_equal(bench->asks_text, "look 1; take 1; look 2; take 2; prove 1; ");
    prover_answers(bench, bench->take, "mine");
    assert_int_equal(bench->commands, 3);
    assert_int_equal(bench->looks, 2);
}

static void with_two_in_proof_blender_waits(void **state)
{
    struct bench *bench = *state;
    json_t *proofs[2];
    render_first(bench, 1, 1);
    blender_says(bench, "rendered");
    proofs[0] = json_incref(bench->asked);
    grant(bench, 2, 2);
    prover_says(bench, "render");
    prover_says(bench, "mine");
    blender_says(bench, "rendered");
    proofs[1] = json_incref(bench->asked);
    grant(bench, 3, 3);
    prover_says(bench, "render");
    assert_string_equal(phase_of(bench, 3), "ahead");
    assert_int_equal(bench->blender, BLENDER_IDLE);
    json_decref(bench->asked);
    bench->asked = proofs[1];
    prover_says(bench, "done");
    assert_string_equal(text_of(bench->asked, "do"), "take");
    json_decref(proofs[0]);
}

static void kept_and_taken_open_no_file(void **state)
{
    struct bench *bench = *state;
    grant(bench, 1, 1);
    prover_says(bench, "kept");
    grant(bench, 2, 2);
    prover_says(bench, "taken");
    expect_reports(bench, "kept 1; taken 2; ");
    assert_int_equal(bench->looks, 0);
    assert_int_equal(bench->commands, 0);
}

static void a_file_that_changed_fails_the_job(void **state)
{
    struct bench *bench = *state;
    grant(bench, 1, 1);
    prover_says(bench, "render");
    source_says(bench, SOURCE_CHANGED);
    expect_reports(bench, "error 1; ");
    assert_int_equal(bench->commands, 0);
}

static void a_file_that_changes_while_it_opens_is_opened_again(void **state)
{
    struct bench *bench = *state;
    grant(bench, 1, 1);
    prover_says(bench, "render");
    for (int i = 0; i < WORK_OPENS_MAX; i++) {
        assert_int_equal(reports_count(bench->reports), 0);
        source_says(bench, SOURCE_OK);
        blender_says(bench, "opened");
        source_says(bench, SOURCE_CHANGED);
    }
    assert_int_equal(bench->commands, WORK_OPENS_MAX);
    expect_reports(bench, "error 1; ");
}

static void an_error_gives_the_frame_up_and_wants_a_new_blender(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 1);
    blender_says(bench, "error");
    assert_string_equal(text_of(bench->asked, "do"), "give-up");
    expect_reports(bench, "started 1; ");
    prover_says(bench, "gone");
    expect_reports(bench, "started 1; error 1; ");
    assert_int_equal(bench->restarts, 1);
    bench->blender = BLENDER_IDLE;
    grant(bench, 2, 2);
    prover_says(bench, "render");
    open_file(bench);
    assert_int_equal(bench->restarts, 1);
}

static void a_crash_takes_the_last_words_along(void **state)
{
    struct bench *bench = *state;
    const struct blender_end crash = { BLENDER_RENDERING, "crashed", "it ended", "" };
    render_first(bench, 1, 1);
    bench->blender = BLENDER_OFF;
    work_blender_ended(bench->work, &crash, 5);
    (void)work_step(bench->work, 5);
    prover_says(bench, "gone");
    expect_reports(bench, "started 1; error 1; ");
    struct reports_log logs[REPORTS_LOGS_A_MESSAGE];
    size_t log_count = 0;
    json_decref(reports_message(bench->reports, logs, &log_count));
    assert_int_equal(log_count, 1);
}

static void a_picture_after_a_device_failed_is_none(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 1);
    bench->prints = "Error: System is out of GPU memory\nSaved: '/a/out/.temp'\n";
    blender_says(bench, "rendered");
    assert_string_equal(text_of(bench->asked, "do"), "give-up");
    prover_says(bench, "gone");
    expect_reports(bench, "started 1; error 1; ");
    expect_report(bench, 1, "error", "out-of-gpu-memory", "frame 1 is not whole");
    assert_int_equal(bench->restarts, 1);
}

static void blenders_words_give_an_error_its_code(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 1);
    bench->error_code = "out-of-memory";
    bench->error_text = "Error: Out of memory in CUDA queue enqueue (shade)";
    blender_says(bench, "error");
    prover_says(bench, "gone");
    expect_report(bench, 1, "error", "out-of-gpu-memory", "CUDA queue");
}

static void a_stopped_frame_is_given_up_after_blender_is_gone(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 1);
    work_stop(bench->work, 1, 5);
    (void)work_step(bench->work, 5);
    assert_int_equal(bench->restarts, 1);
    assert_string_equal(text_of(bench->asked, "do"), "take");
    bench->blender = BLENDER_OFF;
    (void)work_step(bench->work, 6);
    assert_string_equal(text_of(bench->asked, "do"), "give-up");
    prover_says(bench, "gone");
    expect_reports(bench, "started 1; returned 1; ");
}

static void what_was_published_before_a_stop_counts(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 1);
    blender_says(bench, "rendered");
    json_t *prove = json_incref(bench->asked);
    work_stop(bench->work, 1, 5);
    (void)work_step(bench->work, 5);
    json_t *give_up = bench->asked;
    bench->asked = prove;
    prover_says(bench, "done");
    bench->asked = give_up;
    prover_says(bench, "gone");
    json_decref(prove);
    expect_reports(bench, "started 1; finished 1; ");
}

static void a_stale_claim_ends_without_a_report(void **state)
{
    struct bench *bench = *state;
    grant(bench, 1, 1);
    work_drop(bench->work, 1, 5);
    assert_true(work_empty(bench->work));
    expect_reports(bench, "");
    prover_says(bench, "render"); /* too late: nobody cares */
    assert_true(work_empty(bench->work));
}

static void pause_returns_what_is_ahead(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 1);
    grant(bench, 2, 2);
    work_set_orders(bench->work, true, false, 5);
    expect_reports(bench, "started 1; returned 2; ");
    assert_string_equal(phase_of(bench, 1), "rendering");
    blender_says(bench, "rendered");
    work_asked(bench->work);
    work_answered(bench->work, 0, 0);
    assert_int_equal(work_job(bench->work), 0);
    assert_int_equal(work_want(bench->work), 2); /* inspections are still given out */
}

static void set_option(struct bench *bench, const char *key, int value)
{
    json_object_set_new(json_object_get(bench->about, "options"), key, json_integer(value));
}

static void a_frame_may_take_as_long_as_its_job_says(void **state)
{
    struct bench *bench = *state;
    set_option(bench, "stall_s", 7);
    set_option(bench, "max_frame_time_s", 9);
    grant(bench, 1, 1);
    prover_says(bench, "render");
    open_file(bench);
    assert_int_equal(bench->limits.stall_ms, 7000);
    assert_int_equal(bench->limits.most_ms, 0); /* an open is no frame */
    prover_says(bench, "mine");
    assert_int_equal(bench->limits.stall_ms, 7000);
    assert_int_equal(bench->limits.most_ms, 9000);
    assert_int_equal(bench->stall_ms, 7000);
}

static void else_four_times_what_they_usually_take(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 1);
    assert_int_equal(bench->limits.stall_ms, STALL_MS);
    assert_int_equal(bench->limits.most_ms, 0);
    bench->took_ms = 5000;
    blender_says(bench, "rendered");
    prover_says(bench, "done");
    render_next(bench, 2, 2);
    assert_int_equal(bench->limits.stall_ms, 20000);
    blender_says(bench, "rendered");
    prover_says(bench, "done");
    bench->took_ms = 1;
    for (int frame = 3; frame <= 5; frame++) {
        render_next(bench, frame, frame);
        blender_says(bench, "rendered");
        prover_says(bench, "done");
    }
    render_next(bench, 6, 6);
    assert_int_equal(bench->limits.stall_ms, STALL_MS);
}

static void a_frame_that_was_too_fast_has_a_warning(void **state)
{
    struct bench *bench = *state;
    set_option(bench, "min_frame_time_ms", 1000);
    render_first(bench, 1, 12);
    bench->took_ms = 20;
    blender_says(bench, "rendered");
    prover_says(bench, "done");
    expect_report(bench, 1, "finished", "too-fast",
                  "frame 12 took 0.02 s, less than the 1 s of --min-frame-time");
    render_next(bench, 2, 2);
    bench->took_ms = 1000;
    blender_says(bench, "rendered");
    prover_says(bench, "done");
    expect_report(bench, 2, "finished", NULL, NULL);
}

static void draining_returns_later_grants(void **state)
{
    struct bench *bench = *state;
    work_drain(bench->work, false, 1);
    grant(bench, 1, 1);
    expect_reports(bench, "returned 1; ");
    assert_true(work_empty(bench->work));
}

static void a_grant_that_comes_twice_is_held_once(void **state)
{
    struct bench *bench = *state;
    grant(bench, 1, 1);
    grant(bench, 1, 1);
    json_t *holding = work_holding(bench->work);
    assert_int_equal(json_array_size(holding), 1);
    json_decref(holding);
    assert_int_equal(bench->asks, 1);
}

static void a_dead_prover_returns_what_it_held(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 1);
    grant(bench, 2, 2);
    bench->prover_is_ready = false;
    work_prover_died(bench->work, "signal 9", false, 5);
    (void)work_step(bench->work, 5);
    assert_int_equal(bench->restarts, 1);
    expect_reports(bench, "started 1; ");
    bench->blender = BLENDER_OFF;
    (void)work_step(bench->work, 6);
    expect_reports(bench, "started 1; returned 1; ");
    bench->prover_is_ready = true;
    (void)work_step(bench->work, 7);
    assert_string_equal(bench->asks_text, "look 1; take 1; look 2; look 2; ");
}

static void a_picture_that_kills_the_prover_is_an_attempt(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 1);
    blender_says(bench, "rendered");
    grant(bench, 2, 2);
    prover_says(bench, "render");
    prover_says(bench, "mine");
    blender_says(bench, "rendered");
    bench->prover_is_ready = false;
    work_prover_died(bench->work, "signal 11", false, 5);
    (void)work_step(bench->work, 5);
    /* Frame 2 only waited for its turn. */
    expect_reports(bench, "started 1; started 2; error 1; returned 2; ");
    expect_report(bench, 1, "error", "crashed", "signal 11");
    assert_int_equal(bench->restarts, 0);
}

static void a_look_that_kills_each_prover_ends_as_an_error(void **state)
{
    struct bench *bench = *state;
    grant(bench, 1, 1);
    for (int deaths = 1; deaths <= 3; deaths++) {
        expect_reports(bench, "");
        assert_int_equal(bench->asks, deaths);
        work_prover_died(bench->work, "signal 11", false, 5);
        (void)work_step(bench->work, 5);
    }
    expect_reports(bench, "error 1; ");
    expect_report(bench, 1, "error", "crashed", "signal 11");
    assert_true(work_empty(bench->work));
}

static void what_a_hung_prover_owes_is_an_unwritable_output(void **state)
{
    struct bench *bench = *state;
    render_first(bench, 1, 1);
    blender_says(bench, "rendered");
    render_next(bench, 2, 2);
    grant(bench, 3, 3);
    bench->prover_is_ready = false;
    work_prover_died(bench->work, "signal 9", true, 5);
    bench->blender = BLENDER_OFF;
    (void)work_step(bench->work, 5);
    /* Frame 2 only rendered: it lost its temporary file, and nothing is known against it. */
    expect_reports(bench, "started 1; started 2; error 3; error 1; returned 2; ");
    expect_report(bench, 1, "error", "output-unwritable", "/a/out: the output folder does not");
    expect_report(bench, 3, "error", "output-unwritable", "/a/out: the output folder does not");
}

static void a_job_without_more_frames_is_returned(void **state)
{
    struct bench *bench = *state;
    grant(bench, 1, 1);
    work_asked(bench->work); /* this message named a frame: its answer decides nothing */
    prover_says(bench, "kept");
    work_answered(bench->work, 1, 0);
    assert_int_equal(work_job(bench->work), 5);
    work_asked(bench->work);
    work_answered(bench->work, 0, 0);
    assert_int_equal(work_job(bench->work), 5);
    work_asked(bench->work);
    work_answered(bench->work, 2, 0);
    assert_int_equal(work_job(bench->work), 0);
}

static void a_grant_of_a_job_without_description_is_returned(void **state)
{
    struct bench *bench = *state;
    json_t *given =
        json_pack("{s:i, s:s, s:i, s:i}", "claim", 9, "kind", "render", "job", 77, "frame", 1);
    work_grant(bench->work, given, 1);
    json_decref(given);
    expect_reports(bench, "returned 9; ");
}

static void blender_that_grew_is_ended_between_frames(void **state)
{
    struct bench *bench = *state;
    bench->rss = 100;
    render_first(bench, 1, 1);
    blender_says(bench, "rendered");
    prover_says(bench, "done");
    bench->rss = 200 + MEMORY_BYTES;
    grant(bench, 2, 2);
    prover_says(bench, "render");
    assert_int_equal(bench->restarts, 0);
    prover_says(bench, "mine");
    blender_says(bench, "rendered");
    prover_says(bench, "done");
    bench->rss++;
    grant(bench, 3, 3);
    prover_says(bench, "render");
    assert_int_equal(bench->restarts, 1);
}

static void an_inspectors_blender_ends_after_a_minute_without_work(void **state)
{
    struct bench *bench = *state;
    const struct work_setup setup = { .blenders = &bench->blenders, .inspector = true };
    const struct work_ports ports = {
        .ctx = bench, .blender_state = state_now, .blender_want = want, .tell = nothing
    };
    work_destroy(&bench->work);
    bench->work = work_new(&setup, &ports, bench->reports);
    assert_int_equal(work_want(bench->work), 1);
    assert_int_equal(work_step(bench->work, 100), WORK_IDLE_MS);
    assert_int_equal(bench->unwanted, 0);
    (void)work_step(bench->work, WORK_IDLE_MS);
    assert_int_equal(bench->unwanted, 1);
    grant(bench, 1, 1); /* frames are not for an inspector */
    expect_reports(bench, "returned 1; ");
}

#define BENCH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(a_frame_goes_its_whole_way),
        BENCH(the_next_is_looked_at_while_one_renders),
        BENCH(with_two_in_proof_blender_waits),
        BENCH(kept_and_taken_open_no_file),
        BENCH(a_file_that_changed_fails_the_job),
        BENCH(a_file_that_changes_while_it_opens_is_opened_again),
        BENCH(an_error_gives_the_frame_up_and_wants_a_new_blender),
        BENCH(a_crash_takes_the_last_words_along),
        BENCH(a_picture_after_a_device_failed_is_none),
        BENCH(blenders_words_give_an_error_its_code),
        BENCH(a_stopped_frame_is_given_up_after_blender_is_gone),
        BENCH(what_was_published_before_a_stop_counts),
        BENCH(a_stale_claim_ends_without_a_report),
        BENCH(pause_returns_what_is_ahead),
        BENCH(a_frame_may_take_as_long_as_its_job_says),
        BENCH(else_four_times_what_they_usually_take),
        BENCH(a_frame_that_was_too_fast_has_a_warning),
        BENCH(draining_returns_later_grants),
        BENCH(a_grant_that_comes_twice_is_held_once),
        BENCH(a_dead_prover_returns_what_it_held),
        BENCH(a_picture_that_kills_the_prover_is_an_attempt),
        BENCH(what_a_hung_prover_owes_is_an_unwritable_output),
        BENCH(a_look_that_kills_each_prover_ends_as_an_error),
        BENCH(a_job_without_more_frames_is_returned),
        BENCH(a_grant_of_a_job_without_description_is_returned),
        BENCH(blender_that_grew_is_ended_between_frames),
        BENCH(an_inspectors_blender_ends_after_a_minute_without_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
