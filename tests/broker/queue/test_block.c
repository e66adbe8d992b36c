/* A worker that fails a job leaves it to others, as long as there are any. */

#include "trouble.h"

#include <string.h>

static int setup(void **state)
{
    static struct sim sim;
    sim_open(&sim);
    *state = &sim;
    return 0;
}

static int teardown(void **state)
{
    sim_close(*state);
    return 0;
}

static void three_failures_running_block_a_worker(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    int64_t other = sim_active(sim, "/b", 1, 50, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    struct sim_worker *second = trouble_ready(sim, "h/2");
    trouble_fail(sim, first, "crashed");
    trouble_fail(sim, first, "stalled");
    assert_int_equal(trouble_blocked(sim, job).count, 0);
    trouble_fail(sim, first, "crashed");
    assert_int_equal(sim_events(sim, EVENT_WORKER_BLOCKED), 1);
    struct trouble_list blocked = trouble_blocked(sim, job);
    assert_int_equal(blocked.count, 1);
    assert_string_equal(blocked.views[0].worker, "h/1");
    assert_string_equal(blocked.views[0].code, "crashed");
    assert_int_equal(blocked.views[0].until, 0);
    assert_true(first->answer.orders.give_back);
    trouble_give_back(sim, first);
    assert_int_equal(first->job, other);
    trouble_finish(sim, second);
    assert_int_equal(second->job, job);
    assert_null(sim_job(sim, job).error);
}

static void a_frame_done_between_starts_the_count_anew(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    (void)trouble_ready(sim, "h/2");
    for (int i = 0; i < 3; i++) {
        trouble_fail(sim, first, "crashed");
        trouble_fail(sim, first, "crashed");
        trouble_finish(sim, first);
    }
    assert_int_equal(trouble_blocked(sim, job).count, 0);
}

static void a_block_stays_while_there_are_others(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    struct sim_worker *second = trouble_ready(sim, "h/2");
    struct sim_worker *both[] = { first, second, NULL };
    for (int i = 0; i < 3; i++) {
        trouble_fail(sim, first, "crashed");
    }
    trouble_give_back(sim, first);
    trouble_wait_all(sim, both, 300000);
    assert_int_equal(first->held_count, 0);
    assert_int_equal(trouble_blocked(sim, job).count, 1);
    assert_int_equal(sim_events(sim, EVENT_WORKER_UNBLOCKED), 0);
}

static void when_all_are_blocked_all_try_again_after_a_growing_pause(void **state)
{
    static const int64_t pauses[] = { 5, 10, 20, 40, 60, 60 };
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 500, json_pack("{s:i}", "attempts", 1000));
    struct sim_worker *workers[] = { trouble_ready(sim, "h/1"), trouble_ready(sim, "h/2"), NULL };
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        for (int k = 0; k < 3; k++) {
            trouble_fail(sim, workers[0], "crashed");
        }
        for (int k = 0; k < 3; k++) {
            trouble_fail(sim, workers[1], "crashed");
        }
        assert_int_equal(trouble_blocked(sim, job).count, 2);
        assert_int_equal(trouble_blocked(sim, job).views[0].until,
                         sim->now.wall_ms + pauses[i] * 1000);
        trouble_give_back(sim, workers[0]);
        trouble_give_back(sim, workers[1]);
        assert_string_equal(trouble_code(sim_job(sim, job).error), "crashed");
        assert_non_null(strstr(trouble_text(sim_job(sim, job).error), "try again in"));
        trouble_wait_all(sim, workers, pauses[i] * 1000 - 1);
        assert_int_equal(workers[0]->held_count + workers[1]->held_count, 0);
        assert_true(queue_deadline(sim->queue, sim->now) <= sim->now.ms + 1);
        trouble_wait_all(sim, workers, 1);
        assert_true(workers[0]->held_count > 0 && workers[1]->held_count > 0);
        assert_null(sim_job(sim, job).error);
    }
    assert_int_equal(sim_events(sim, EVENT_WORKER_UNBLOCKED), 12);
}

static void a_frame_done_makes_the_pause_short_again(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++) {
            trouble_fail(sim, worker, "crashed");
        }
        assert_int_equal(trouble_blocked(sim, job).views[0].until, sim->now.wall_ms + 5000);
        trouble_give_back(sim, worker);
        trouble_wait(sim, worker, 5000);
        trouble_finish(sim, worker);
    }
}

static void the_others_left_so_it_tries_again(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    struct sim_worker *second = trouble_ready(sim, "h/2");
    for (int i = 0; i < 3; i++) {
        trouble_fail(sim, first, "crashed");
    }
    trouble_give_back(sim, first);
    sim_report(second, 0, REPORT_RETURNED);
    second->leave = true;
    sim_step(sim, second);
    second->opened = 0;
    trouble_wait(sim, first, 5000);
    assert_int_equal(first->held_count, 1);
}

static void one_that_never_asks_is_not_waited_for(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    struct sim_worker *idle = sim_worker(sim, "h/2");
    struct sim_worker *both[] = { first, idle, NULL };
    idle->want = 0;
    sim_ready(sim, idle);
    sim_turn(sim);
    sim_step(sim, idle);
    for (int i = 0; i < 3; i++) {
        trouble_fail(sim, first, "crashed");
    }
    trouble_give_back(sim, first);
    trouble_wait_all(sim, both, 5000);
    assert_int_equal(first->held_count, 1);
}

static void retry_lets_everybody_try_again(void **state)
{
    struct sim *sim = *state;
    struct queue_error error;
    int64_t job = sim_active(sim, "/a", 1, 50, json_pack("{s:i}", "attempts", 1000));
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    for (int i = 0; i < 3; i++) {
        trouble_fail(sim, worker, "crashed");
    }
    trouble_give_back(sim, worker);
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 0);
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_OK);
    sim_turn(sim);
    assert_int_equal(worker->held_count, 1);
    assert_int_equal(trouble_blocked(sim, job).count, 0);
}

static void an_ended_job_holds_nothing_against_anybody(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct queue_error error;
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    for (int i = 0; i < 3; i++) {
        trouble_fail(sim, worker, "crashed");
    }
    assert_int_equal(queue_cancel(sim->queue, sim->now, job, &error), QUEUE_OK);
    sim_turn(sim);
    assert_int_equal(trouble_blocked(sim, job).count, 0);
    sim_pass(sim, 60000);
    sim_turn(sim);
    assert_int_equal(sim_events(sim, EVENT_WORKER_UNBLOCKED), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(three_failures_running_block_a_worker),
        TEST(a_frame_done_between_starts_the_count_anew),
        TEST(a_block_stays_while_there_are_others),
        TEST(when_all_are_blocked_all_try_again_after_a_growing_pause),
        TEST(a_frame_done_makes_the_pause_short_again),
        TEST(the_others_left_so_it_tries_again),
        TEST(one_that_never_asks_is_not_waited_for),
        TEST(retry_lets_everybody_try_again),
        TEST(an_ended_job_holds_nothing_against_anybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
