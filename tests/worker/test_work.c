#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/worker/work_bench.h"

static void a_frame_goes_its_whole_way(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 7);
    assert_string_equal(bench_text_of(bench->command, "path"), "/a/out/.temp");
    assert_string_equal(bench_text_of(bench->command, "digest"), "dblend:d1:3.4");
    assert_string_equal(bench_phase_of(bench, 1), "rendering");
    bench_blender_says(bench, "rendered");
    assert_string_equal(bench_phase_of(bench, 1), "proof");
    bench_prover_says(bench, "done");
    bench_expect_reports(bench, "started 1; finished 1; ");
    assert_true(work_empty(bench->work));
    assert_string_equal(bench->asks_text, "look 1; take 1; prove 1; ");
}

/* What its last report says; borrowed until the next call. */
static const json_t *last_report(const struct bench *bench)
{
    static json_t *message;
    struct reports_log logs[REPORTS_LOGS_A_MESSAGE];
    size_t log_count = 0;
    json_decref(message);
    message = reports_message(bench->reports, logs, &log_count);
    return json_array_get(message, json_array_size(message) - 1);
}

static int64_t number(const json_t *report, const char *key)
{
    return json_integer_value(json_object_get(report, key));
}

static void what_a_frame_took_is_reported(void **state)
{
    struct bench *bench = *state;
    bench->peaks = (struct work_peaks){ .gpu_bytes = 7000, .rss_bytes = 500 };
    bench_render_first(bench, 1, 7);
    bench_blender_says(bench, "rendered");
    bench->peaks = (struct work_peaks){ 0 };
    bench_prover_says(bench, "done");
    assert_int_equal(number(last_report(bench), "gpu_peak_bytes"), 7000);
    assert_int_equal(number(last_report(bench), "rss_peak_bytes"), 500);
    bench_render_next(bench, 2, 8);
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    assert_null(json_object_get(last_report(bench), "gpu_peak_bytes"));
    assert_null(json_object_get(last_report(bench), "rss_peak_bytes"));
}

static void who_holds_the_cards_memory_is_named(void **state)
{
    struct bench *bench = *state;
    bench->held_by = "firefox (7) holds 1.5 GiB";
    bench->had_bytes = 1234;
    bench->error_code = "script-error";
    bench->error_text = "System is out of GPU memory";
    bench_render_first(bench, 1, 7);
    bench_blender_says(bench, "error");
    bench_prover_says(bench, "gone");
    assert_string_equal(bench_text_of(last_report(bench), "code"), "out-of-gpu-memory");
    assert_string_equal(bench_text_of(last_report(bench), "held_by"), bench->held_by);
    assert_int_equal(number(last_report(bench), "gpu_had_bytes"), 1234);
    bench->error_text = "KeyError: 7";
    bench_grant(bench, 2, 8);
    bench_prover_says(bench, "render");
    bench->blender = BLENDER_IDLE; /* a new one */
    bench_open_file(bench);
    bench_prover_says(bench, "mine");
    bench_blender_says(bench, "error");
    bench_prover_says(bench, "gone");
    assert_null(json_object_get(last_report(bench), "held_by"));
}

/* A Blender of its own, without persistent data; the next frame has them again. */
static void a_frame_that_ran_out_of_memory_gets_a_fresh_blender(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    assert_null(json_object_get(bench->command, "fresh"));
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench_grant_fresh(bench, 2, 2);
    bench_prover_says(bench, "render");
    assert_int_equal(bench->restarts, 1);
    bench->blender = BLENDER_IDLE;
    bench_source_says(bench, SOURCE_OK);
    assert_string_equal(bench_text_of(bench->command, "do"), "open");
    assert_true(json_is_true(json_object_get(bench->command, "fresh")));
    bench_blender_says(bench, "opened");
    bench_source_says(bench, SOURCE_OK);
    bench_prover_says(bench, "mine");
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench_grant(bench, 3, 3);
    bench_prover_says(bench, "render");
    bench_open_file(bench);
    assert_int_equal(bench->restarts, 1);
    bench_prover_says(bench, "mine");
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench_grant_fresh(bench, 4, 4); /* each has its own */
    bench_prover_says(bench, "render");
    assert_int_equal(bench->restarts, 2);
}

static void the_next_is_looked_at_while_one_renders(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    assert_int_equal(work_want(bench->work), 1);
    bench_grant(bench, 2, 2);
    assert_string_equal(bench->asks_text, "look 1; take 1; look 2; ");
    bench_prover_says(bench, "render");
    assert_string_equal(bench->asks_text, "look 1; take 1; look 2; ");
    assert_string_equal(bench_phase_of(bench, 2), "ahead");
    assert_int_equal(work_want(bench->work), 0);
    bench_blender_says(bench, "rendered");
    assert_int_equal(bench->commands, 2);
    assert_string_equal(bench->asks_text, "look 1; take 1; look 2; take 2; prove 1; ");
    bench_prover_answers(bench, bench->take, "mine");
    assert_int_equal(bench->commands, 3);
    assert_int_equal(bench->looks, 2);
}

/* At once, but for a frame whose forerunner is still in proof: one message then brings both. */
static void a_start_rides_with_the_end_of_the_frame_before(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    assert_int_equal(bench->tells, 1);
    assert_int_equal(bench->tell_by_ms, 0);
    bench_grant(bench, 2, 2);
    bench_prover_says(bench, "render");
    bench_blender_says(bench, "rendered");
    json_t *prove = json_incref(bench->asked);
    bench_prover_answers(bench, bench->take, "mine");
    bench_expect_reports(bench, "started 1; started 2; ");
    assert_int_equal(bench->tells, 1);
    assert_int_equal(bench->tell_by_ms, 2 + 10); /* that prover answers at 2 */
    bench_prover_answers(bench, prove, "done");
    assert_int_equal(bench->tells, 2);
    json_decref(prove);
}

static void with_two_in_proof_blender_waits(void **state)
{
    struct bench *bench = *state;
    json_t *proofs[2];
    bench_render_first(bench, 1, 1);
    bench_blender_says(bench, "rendered");
    proofs[0] = json_incref(bench->asked);
    bench_grant(bench, 2, 2);
    bench_prover_says(bench, "render");
    bench_prover_says(bench, "mine");
    bench_blender_says(bench, "rendered");
    proofs[1] = json_incref(bench->asked);
    bench_grant(bench, 3, 3);
    bench_prover_says(bench, "render");
    assert_string_equal(bench_phase_of(bench, 3), "ahead");
    assert_int_equal(bench->blender, BLENDER_IDLE);
    json_decref(bench->asked);
    bench->asked = proofs[1];
    bench_prover_says(bench, "done");
    assert_string_equal(bench_text_of(bench->asked, "do"), "take");
    json_decref(proofs[0]);
}

static void kept_and_taken_open_no_file(void **state)
{
    struct bench *bench = *state;
    bench_grant(bench, 1, 1);
    bench_prover_says(bench, "kept");
    bench_grant(bench, 2, 2);
    bench_prover_says(bench, "taken");
    bench_expect_reports(bench, "kept 1; taken 2; ");
    assert_int_equal(bench->looks, 0);
    assert_int_equal(bench->commands, 0);
}

static void a_file_that_changed_fails_the_job(void **state)
{
    struct bench *bench = *state;
    bench_grant(bench, 1, 1);
    bench_prover_says(bench, "render");
    bench_source_says(bench, SOURCE_CHANGED);
    bench_expect_reports(bench, "error 1; ");
    assert_int_equal(bench->commands, 0);
}

static void a_file_that_changes_while_it_opens_is_opened_again(void **state)
{
    struct bench *bench = *state;
    bench_grant(bench, 1, 1);
    bench_prover_says(bench, "render");
    for (int i = 0; i < WORK_OPENS_MAX; i++) {
        assert_int_equal(reports_count(bench->reports), 0);
        bench_source_says(bench, SOURCE_OK);
        bench_blender_says(bench, "opened");
        bench_source_says(bench, SOURCE_CHANGED);
    }
    assert_int_equal(bench->commands, WORK_OPENS_MAX);
    bench_expect_reports(bench, "error 1; ");
}

static void a_stopped_frame_is_given_up_after_blender_is_gone(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    work_stop(bench->work, 1, 5);
    (void)work_step(bench->work, 5);
    assert_int_equal(bench->restarts, 1);
    assert_string_equal(bench_text_of(bench->asked, "do"), "take");
    bench->blender = BLENDER_OFF;
    (void)work_step(bench->work, 6);
    assert_string_equal(bench_text_of(bench->asked, "do"), "give-up");
    bench_prover_says(bench, "gone");
    bench_expect_reports(bench, "started 1; returned 1; ");
}

static void what_was_published_before_a_stop_counts(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    bench_blender_says(bench, "rendered");
    json_t *prove = json_incref(bench->asked);
    work_stop(bench->work, 1, 5);
    (void)work_step(bench->work, 5);
    json_t *give_up = bench->asked;
    bench->asked = prove;
    bench_prover_says(bench, "done");
    bench->asked = give_up;
    bench_prover_says(bench, "gone");
    json_decref(prove);
    bench_expect_reports(bench, "started 1; finished 1; ");
}

static void a_stale_claim_ends_without_a_report(void **state)
{
    struct bench *bench = *state;
    bench_grant(bench, 1, 1);
    work_drop(bench->work, 1, 5);
    assert_true(work_empty(bench->work));
    bench_expect_reports(bench, "");
    bench_prover_says(bench, "render"); /* too late: nobody cares */
    assert_true(work_empty(bench->work));
}

static void pause_returns_what_is_ahead(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    bench_grant(bench, 2, 2);
    work_set_orders(bench->work, true, false, 5);
    bench_expect_reports(bench, "started 1; returned 2; ");
    assert_string_equal(bench_phase_of(bench, 1), "rendering");
    bench_blender_says(bench, "rendered");
    work_asked(bench->work);
    work_answered(bench->work, 0, 0);
    assert_int_equal(work_job(bench->work), 0);
    assert_int_equal(work_want(bench->work), 2); /* inspections are still given out */
}

static void draining_returns_later_grants(void **state)
{
    struct bench *bench = *state;
    work_drain(bench->work, false, 1);
    bench_grant(bench, 1, 1);
    bench_expect_reports(bench, "returned 1; ");
    assert_true(work_empty(bench->work));
}

static void a_grant_that_comes_twice_is_held_once(void **state)
{
    struct bench *bench = *state;
    bench_grant(bench, 1, 1);
    bench_grant(bench, 1, 1);
    json_t *holding = work_holding(bench->work);
    assert_int_equal(json_array_size(holding), 1);
    json_decref(holding);
    assert_int_equal(bench->asks, 1);
}

static void a_claim_that_has_ended_is_not_begun_again(void **state)
{
    struct bench *bench = *state;
    bench_grant(bench, 1, 1);
    bench_prover_says(bench, "kept");
    bench_grant(bench, 1, 1); /* by an answer that crossed our report */
    assert_true(work_empty(bench->work));
    assert_int_equal(bench->asks, 1);
    bench_expect_reports(bench, "kept 1; ");
}

static void output_belongs_to_one_frame(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    assert_int_equal(bench->marks, 1); /* what the open printed is of the first frame */
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench_render_next(bench, 2, 2);
    assert_int_equal(bench->marks, 2);
}

static void the_frame_list_is_not_for_blender(void **state)
{
    struct bench *bench = *state;
    json_t *options = json_object_get(bench->about, "options");
    json_object_set_new(options, "frames", json_pack("[i, i, i]", 1, 9, 1));
    json_object_set_new(options, "samples", json_integer(4));
    bench_grant(bench, 1, 1);
    bench_prover_says(bench, "render");
    bench_source_says(bench, SOURCE_OK);
    const json_t *told = json_object_get(json_object_get(bench->command, "job"), "options");
    assert_null(json_object_get(told, "frames"));
    assert_int_equal(json_integer_value(json_object_get(told, "samples")), 4);
    assert_non_null(json_object_get(options, "frames"));
}

static void an_inspection_gets_no_blender_that_ran_scripts(void **state)
{
    struct bench *bench = *state;
    bench->scripts = true;
    bench_render_first(bench, 1, 1);
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    assert_int_equal(bench->restarts, 0);
    json_t *given = json_pack("{s:i, s:s, s:i, s:O}", "claim", 2, "kind", "inspect", "job", 5,
                              "about", bench->about);
    work_grant(bench->work, given, 1);
    json_decref(given);
    (void)work_step(bench->work, 1);
    assert_int_equal(bench->restarts, 1);
}

static void a_job_without_more_frames_is_returned(void **state)
{
    struct bench *bench = *state;
    bench_grant(bench, 1, 1);
    work_asked(bench->work); /* this message named a frame: its answer decides nothing */
    bench_prover_says(bench, "kept");
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
    bench_expect_reports(bench, "returned 9; ");
}

static void an_inspectors_blender_ends_after_a_minute_without_work(void **state)
{
    struct bench *bench = *state;
    bench_make_inspector(bench);
    assert_int_equal(work_want(bench->work), 1);
    assert_int_equal(work_step(bench->work, 100), WORK_IDLE_MS);
    assert_int_equal(bench->unwanted, 0);
    (void)work_step(bench->work, WORK_IDLE_MS);
    assert_int_equal(bench->unwanted, 1);
    bench_grant(bench, 1, 1); /* frames are not for an inspector */
    bench_expect_reports(bench, "returned 1; ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(a_frame_goes_its_whole_way),
        BENCH(what_a_frame_took_is_reported),
        BENCH(who_holds_the_cards_memory_is_named),
        BENCH(a_frame_that_ran_out_of_memory_gets_a_fresh_blender),
        BENCH(the_next_is_looked_at_while_one_renders),
        BENCH(a_start_rides_with_the_end_of_the_frame_before),
        BENCH(with_two_in_proof_blender_waits),
        BENCH(kept_and_taken_open_no_file),
        BENCH(a_file_that_changed_fails_the_job),
        BENCH(a_file_that_changes_while_it_opens_is_opened_again),
        BENCH(a_stopped_frame_is_given_up_after_blender_is_gone),
        BENCH(what_was_published_before_a_stop_counts),
        BENCH(a_stale_claim_ends_without_a_report),
        BENCH(pause_returns_what_is_ahead),
        BENCH(draining_returns_later_grants),
        BENCH(a_grant_that_comes_twice_is_held_once),
        BENCH(a_claim_that_has_ended_is_not_begun_again),
        BENCH(output_belongs_to_one_frame),
        BENCH(the_frame_list_is_not_for_blender),
        BENCH(an_inspection_gets_no_blender_that_ran_scripts),
        BENCH(a_job_without_more_frames_is_returned),
        BENCH(a_grant_of_a_job_without_description_is_returned),
        BENCH(an_inspectors_blender_ends_after_a_minute_without_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
