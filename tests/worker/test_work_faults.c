#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/worker/work_bench.h"

static void an_error_gives_the_frame_up_and_wants_a_new_blender(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    bench_blender_says(bench, "error");
    assert_string_equal(bench_text_of(bench->asked, "do"), "give-up");
    bench_expect_reports(bench, "started 1; ");
    bench_prover_says(bench, "gone");
    bench_expect_reports(bench, "started 1; error 1; ");
    assert_int_equal(bench->restarts, 1);
    bench->blender = BLENDER_IDLE;
    bench_grant(bench, 2, 2);
    bench_prover_says(bench, "render");
    bench_open_file(bench);
    assert_int_equal(bench->restarts, 1);
}

static void a_crash_takes_the_last_words_along(void **state)
{
    struct bench *bench = *state;
    const struct blender_end crash = { BLENDER_RENDERING, "crashed", "it ended", "" };
    bench_render_first(bench, 1, 1);
    bench->blender = BLENDER_OFF;
    work_blender_ended(bench->work, &crash, 5);
    (void)work_step(bench->work, 5);
    bench_prover_says(bench, "gone");
    bench_expect_reports(bench, "started 1; error 1; ");
    struct reports_log logs[REPORTS_LOGS_A_MESSAGE];
    size_t log_count = 0;
    json_decref(reports_message(bench->reports, logs, &log_count));
    assert_int_equal(log_count, 1);
}

static void a_picture_after_a_device_failed_is_none(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    bench->prints = "Error: System is out of GPU memory\nSaved: '/a/out/.temp'\n";
    bench_blender_says(bench, "rendered");
    assert_string_equal(bench_text_of(bench->asked, "do"), "give-up");
    bench_prover_says(bench, "gone");
    bench_expect_reports(bench, "started 1; error 1; ");
    bench_expect_report(bench, 1, "error", "out-of-gpu-memory", "frame 1 is not whole");
    assert_int_equal(bench->restarts, 1);
}

static void blenders_words_give_an_error_its_code(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    bench->error_code = "out-of-memory";
    bench->error_text = "Error: Out of memory in CUDA queue enqueue (shade)";
    bench_blender_says(bench, "error");
    bench_prover_says(bench, "gone");
    bench_expect_report(bench, 1, "error", "out-of-gpu-memory", "CUDA queue");
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
    bench_grant(bench, 1, 1);
    bench_prover_says(bench, "render");
    bench_open_file(bench);
    assert_int_equal(bench->limits.stall_ms, 7000);
    assert_int_equal(bench->limits.most_ms, 0); /* an open is no frame */
    bench_prover_says(bench, "mine");
    assert_int_equal(bench->limits.stall_ms, 7000);
    assert_int_equal(bench->limits.most_ms, 9000);
    assert_int_equal(bench->stall_ms, 7000);
}

static void else_four_times_what_they_usually_take(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    assert_int_equal(bench->limits.stall_ms, STALL_MS);
    assert_int_equal(bench->limits.most_ms, 0);
    bench->took_ms = 5000;
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench_render_next(bench, 2, 2);
    assert_int_equal(bench->limits.stall_ms, 20000);
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench->took_ms = 1;
    for (int frame = 3; frame <= 5; frame++) {
        bench_render_next(bench, frame, frame);
        bench_blender_says(bench, "rendered");
        bench_prover_says(bench, "done");
    }
    bench_render_next(bench, 6, 6);
    assert_int_equal(bench->limits.stall_ms, STALL_MS);
}

static void a_frame_that_was_too_fast_has_a_warning(void **state)
{
    struct bench *bench = *state;
    set_option(bench, "min_frame_time_ms", 1000);
    bench_render_first(bench, 1, 12);
    bench->took_ms = 20;
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench_expect_report(bench, 1, "finished", "too-fast",
                        "frame 12 took 0.02 s, less than the 1 s of --min-frame-time");
    bench_render_next(bench, 2, 2);
    bench->took_ms = 1000;
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench_expect_report(bench, 2, "finished", NULL, NULL);
}

static void a_dead_prover_returns_what_it_held(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    bench_grant(bench, 2, 2);
    bench->prover_is_ready = false;
    work_prover_died(bench->work, "signal 9", false, 5);
    (void)work_step(bench->work, 5);
    assert_int_equal(bench->restarts, 1);
    bench_expect_reports(bench, "started 1; ");
    bench->blender = BLENDER_OFF;
    (void)work_step(bench->work, 6);
    bench_expect_reports(bench, "started 1; returned 1; ");
    bench->prover_is_ready = true;
    (void)work_step(bench->work, 7);
    assert_string_equal(bench->asks_text, "look 1; take 1; look 2; look 2; ");
}

static void a_dead_prover_has_nothing_to_give_up(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    work_stop(bench->work, 1, 5);
    bench->blender = BLENDER_OFF;
    (void)work_step(bench->work, 5);
    assert_string_equal(bench_text_of(bench->asked, "do"), "give-up");
    work_prover_died(bench->work, "signal 9", false, 6);
    (void)work_step(bench->work, 6);
    bench_expect_reports(bench, "started 1; returned 1; ");
    assert_true(work_empty(bench->work));
}

static void a_frame_that_is_not_proven_ends_its_blender(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    bench_blender_says(bench, "rendered");
    assert_int_equal(bench->restarts, 0);
    bench_prover_says(bench, "error");
    bench_prover_says(bench, "gone");
    assert_int_equal(bench->restarts, 1);
    bench_expect_reports(bench, "started 1; error 1; ");
}

static void a_file_that_does_not_open_ends_its_blender(void **state)
{
    struct bench *bench = *state;
    bench_grant(bench, 1, 1);
    bench_prover_says(bench, "render");
    bench_source_says(bench, SOURCE_OK);
    bench_blender_says(bench, "error");
    bench_source_says(bench, SOURCE_OK);
    assert_int_equal(bench->restarts, 1);
    bench_expect_reports(bench, "error 1; ");
}

static void nothing_is_wanted_while_blender_does_not_start(void **state)
{
    struct bench *bench = *state;
    const struct blender_end end = { BLENDER_STARTING, "crashed", "it ended", "" };
    assert_int_equal(work_want(bench->work), WORK_UNPROVEN_MAX);
    bench_grant(bench, 1, 1);
    bench->blender = BLENDER_OFF;
    work_blender_ended(bench->work, &end, 5);
    bench_expect_reports(bench, "returned 1; ");
    assert_int_equal(work_want(bench->work), 0);
    bench->blender = BLENDER_IDLE;
    (void)work_step(bench->work, 6);
    assert_int_equal(work_want(bench->work), WORK_UNPROVEN_MAX);
}

static void a_picture_that_kills_the_prover_is_an_attempt(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    bench_blender_says(bench, "rendered");
    bench_grant(bench, 2, 2);
    bench_prover_says(bench, "render");
    bench_prover_says(bench, "mine");
    bench_blender_says(bench, "rendered");
    bench->prover_is_ready = false;
    work_prover_died(bench->work, "signal 11", false, 5);
    (void)work_step(bench->work, 5);
    /* Frame 2 only waited for its turn. */
    bench_expect_reports(bench, "started 1; started 2; error 1; returned 2; ");
    bench_expect_report(bench, 1, "error", "crashed", "signal 11");
    assert_int_equal(bench->restarts, 0);
}

static void a_sweep_by_a_hung_prover_has_seen_nothing(void **state)
{
    struct bench *bench = *state;
    json_t *given = json_pack("{s:i, s:s, s:i, s:O}", "claim", 2, "kind", "sweep", "job", 5,
                              "about", bench->about);
    work_grant(bench->work, given, 1);
    json_decref(given);
    (void)work_step(bench->work, 1);
    assert_string_equal(bench_text_of(bench->asked, "do"), "sweep");
    work_prover_died(bench->work, "signal 9", true, 5);
    bench_expect_report(bench, 2, "error", "output-unwritable", "/a/out: the output folder does");
    assert_true(work_empty(bench->work));
}

static void a_look_that_kills_each_prover_ends_as_an_error(void **state)
{
    struct bench *bench = *state;
    bench_grant(bench, 1, 1);
    for (int deaths = 1; deaths <= 3; deaths++) {
        bench_expect_reports(bench, "");
        assert_int_equal(bench->asks, deaths);
        work_prover_died(bench->work, "signal 11", false, 5);
        (void)work_step(bench->work, 5);
    }
    bench_expect_reports(bench, "error 1; ");
    bench_expect_report(bench, 1, "error", "crashed", "signal 11");
    assert_true(work_empty(bench->work));
}

static void what_a_hung_prover_owes_is_an_unwritable_output(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    bench_blender_says(bench, "rendered");
    bench_render_next(bench, 2, 2);
    bench_grant(bench, 3, 3);
    bench->prover_is_ready = false;
    work_prover_died(bench->work, "signal 9", true, 5);
    bench->blender = BLENDER_OFF;
    (void)work_step(bench->work, 5);
    /* Frame 2 only rendered: it lost its temporary file, and nothing is known against it. */
    bench_expect_reports(bench, "started 1; started 2; error 3; error 1; returned 2; ");
    bench_expect_report(bench, 1, "error", "output-unwritable",
                        "/a/out: the output folder does not");
    bench_expect_report(bench, 3, "error", "output-unwritable",
                        "/a/out: the output folder does not");
}

static void blender_that_grew_is_ended_between_frames(void **state)
{
    struct bench *bench = *state;
    bench->rss = 100;
    bench_render_first(bench, 1, 1);
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench->rss = 200 + MEMORY_BYTES;
    bench_grant(bench, 2, 2);
    bench_prover_says(bench, "render");
    assert_int_equal(bench->restarts, 0);
    bench_prover_says(bench, "mine");
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench->rss++;
    bench_grant(bench, 3, 3);
    bench_prover_says(bench, "render");
    assert_int_equal(bench->restarts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(an_error_gives_the_frame_up_and_wants_a_new_blender),
        BENCH(a_crash_takes_the_last_words_along),
        BENCH(a_picture_after_a_device_failed_is_none),
        BENCH(blenders_words_give_an_error_its_code),
        BENCH(a_frame_may_take_as_long_as_its_job_says),
        BENCH(else_four_times_what_they_usually_take),
        BENCH(a_frame_that_was_too_fast_has_a_warning),
        BENCH(a_dead_prover_returns_what_it_held),
        BENCH(a_dead_prover_has_nothing_to_give_up),
        BENCH(a_frame_that_is_not_proven_ends_its_blender),
        BENCH(a_file_that_does_not_open_ends_its_blender),
        BENCH(nothing_is_wanted_while_blender_does_not_start),
        BENCH(a_picture_that_kills_the_prover_is_an_attempt),
        BENCH(a_sweep_by_a_hung_prover_has_seen_nothing),
        BENCH(a_look_that_kills_each_prover_ends_as_an_error),
        BENCH(what_a_hung_prover_owes_is_an_unwritable_output),
        BENCH(blender_that_grew_is_ended_between_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
