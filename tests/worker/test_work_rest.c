/* The device is given back: what renders is finished or given up, Blender ends, nothing is taken.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/worker/work_bench.h"

static void what_renders_is_finished_before_blender_ends(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    bench_grant(bench, 2, 2);
    work_rest(bench->work, true, false, 5);
    (void)work_step(bench->work, 5);
    bench_expect_reports(bench, "started 1; returned 2; ");
    assert_int_equal(bench->unwanted, 0);
    assert_int_equal(work_want(bench->work), 0);
    bench_blender_says(bench, "rendered");
    (void)work_step(bench->work, 6);
    assert_true(bench->unwanted > 0); /* the proof needs none */
    assert_string_equal(bench_phase_of(bench, 1), "proof");
    bench_prover_says(bench, "done");
    bench_expect_reports(bench, "started 1; returned 2; finished 1; ");
}

static void at_once_what_renders_is_given_back(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    work_rest(bench->work, true, true, 5);
    (void)work_step(bench->work, 5);
    assert_true(bench->unwanted > 0);
    assert_int_equal(bench->blender, BLENDER_CLOSING);
    bench->blender = BLENDER_OFF;
    (void)work_step(bench->work, 6);
    bench_prover_says(bench, "gone");
    bench_expect_reports(bench, "started 1; returned 1; ");
    assert_true(work_empty(bench->work));
}

static void at_once_follows_on_soft(void **state)
{
    struct bench *bench = *state;
    bench_render_first(bench, 1, 1);
    work_rest(bench->work, true, false, 5);
    assert_string_equal(bench_phase_of(bench, 1), "rendering");
    work_rest(bench->work, true, true, 6);
    assert_int_equal(bench->restarts, 1);
}

static void it_rests_once_nothing_of_blender_is_left(void **state)
{
    struct bench *bench = *state;
    bench->blender = BLENDER_IDLE;
    work_rest(bench->work, true, false, 5);
    (void)work_step(bench->work, 5);
    assert_string_equal(work_state(bench->work), "idle");
    bench->blender = BLENDER_OFF;
    (void)work_step(bench->work, 6);
    assert_true(work_rests(bench->work));
    assert_string_equal(work_state(bench->work), "resting");
}

static void what_crosses_the_order_is_returned(void **state)
{
    struct bench *bench = *state;
    work_rest(bench->work, true, false, 5);
    bench_grant(bench, 1, 1);
    bench_expect_reports(bench, "returned 1; ");
    assert_true(work_empty(bench->work));
}

static void woken_it_wants_work_and_a_warm_blender(void **state)
{
    struct bench *bench = *state;
    work_rest(bench->work, true, false, 5);
    bench->blender = BLENDER_OFF;
    (void)work_step(bench->work, 5);
    int wanted = bench->wanted;
    work_rest(bench->work, false, false, 6);
    assert_int_equal(bench->wanted, wanted + 1);
    assert_int_equal(work_want(bench->work), 2);
    assert_false(work_rests(bench->work));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(what_renders_is_finished_before_blender_ends),
        BENCH(at_once_what_renders_is_given_back),
        BENCH(at_once_follows_on_soft),
        BENCH(it_rests_once_nothing_of_blender_is_left),
        BENCH(what_crosses_the_order_is_returned),
        BENCH(woken_it_wants_work_and_a_warm_blender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
