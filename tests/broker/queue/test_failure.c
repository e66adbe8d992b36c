/* What follows for job and frame when attempts end badly: agreement, losses. */

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

static void two_workers_agree_that_the_job_cannot_be(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    struct sim_worker *second = trouble_ready(sim, "h/2");
    (void)trouble_ready(sim, "h/3");
    trouble_fail(sim, first, "no-camera");
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    assert_int_equal(sim_frame(sim, job, 1).attempts, 1);
    assert_int_equal(first->held_count, 0);
    assert_int_equal(sim_events(sim, EVENT_WORKER_BLOCKED), 1);
    trouble_fail(sim, second, "no-camera");
    struct job_view view = sim_job(sim, job);
    assert_int_equal(view.row->state, JOB_FAILED);
    assert_true(view.row->stopped);
    assert_string_equal(trouble_code(view.error), "no-camera");
    assert_string_equal(trouble_text(view.error), "it went wrong");
    assert_int_equal(view.counts.by_state[FRAME_WAITING], 49);
}

static void where_only_one_fits_one_is_enough(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    struct sim_worker *older = sim_worker(sim, "h/old");
    older->versions[0] = "2.93.0";
    sim_ready(sim, older);
    sim_step(sim, older);
    trouble_fail(sim, worker, "script-error");
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
}

static void any_fatal_error_is_of_the_job(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    sim_error(worker, 0, "odd", true);
    sim_step(sim, worker);
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
}

static void a_frame_done_between_is_no_agreement(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    struct sim_worker *second = trouble_ready(sim, "h/2");
    struct sim_worker *third = trouble_ready(sim, "h/3");
    trouble_fail(sim, first, "output-unwritable");
    trouble_finish(sim, third);
    trouble_fail(sim, second, "output-unwritable");
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    trouble_fail(sim, third, "output-unwritable");
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
}

static void a_worker_does_not_agree_with_itself(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *worker = sim_worker(sim, "h/1");
    worker->want = 2;
    sim_ready(sim, worker);
    sim_turn(sim);
    sim_step(sim, worker);
    (void)trouble_ready(sim, "h/2");
    trouble_fail(sim, worker, "no-camera");
    assert_int_equal(worker->held_count, 1);
    trouble_fail(sim, worker, "no-camera");
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    assert_int_equal(sim_events(sim, EVENT_WORKER_BLOCKED), 1);
}

static void one_that_rests_is_asked_when_it_comes_back(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    struct sim_worker *second = trouble_ready(sim, "h/2");
    trouble_fail(sim, second, "device-lost");
    trouble_give_back(sim, second);
    sim_pass(sim, 9000);
    sim_step(sim, second);
    trouble_fail(sim, first, "no-camera");
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    trouble_wait(sim, second, 1000);
    trouble_fail(sim, second, "no-camera");
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
}

static void one_that_goes_on_resting_is_not_waited_for(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *both[] = { trouble_ready(sim, "h/1"), trouble_ready(sim, "h/2"), NULL };
    trouble_fail(sim, both[1], "device-lost");
    trouble_give_back(sim, both[1]);
    trouble_fail(sim, both[0], "no-camera");
    trouble_give_back(sim, both[0]);
    trouble_wait_all(sim, both, 5000);
    assert_int_equal(both[0]->held_count, 1);
    trouble_fail(sim, both[0], "no-camera");
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
}

static void without_agreement_the_last_one_stops_it(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    struct sim_worker *second = trouble_ready(sim, "h/2");
    struct sim_worker *third = trouble_ready(sim, "h/3");
    trouble_fail(sim, first, "no-camera");
    trouble_fail(sim, second, "file-unreadable");
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    trouble_fail(sim, third, "scene-missing");
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
    assert_string_equal(trouble_code(sim_job(sim, job).error), "scene-missing");
}

static void one_that_ran_out_of_memory_says_who_tries_next(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 31, 60, NULL);
    struct sim_worker *first = trouble_ready(sim, "gpu/2");
    (void)trouble_ready(sim, "gpu/1");
    trouble_fail(sim, first, "out-of-memory");
    assert_string_equal(sim->failed,
                        "out-of-memory: gpu/2 ran out of memory on frame 31; once "
                        "more in a fresh Blender");
    while (first->held[0].grant.frame != 31) {
        trouble_finish(sim, first);
    }
    trouble_fail(sim, first, "out-of-memory");
    assert_string_equal(sim->failed,
                        "out-of-memory: gpu/2 ran out of memory on frame 31; trying "
                        "another");
}

static void as_many_losses_as_attempts_end_a_frame(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 9, json_pack("{s:i}", "attempts", 2));
    trouble_lose(sim, trouble_ready(sim, "h/1"));
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_WAITING);
    trouble_lose(sim, trouble_ready(sim, "h/1"));
    struct frame_row row = sim_frame(sim, job, 1);
    assert_int_equal(row.state, FRAME_FAILED);
    assert_int_equal(row.losses, 2);
    assert_int_equal(row.attempts, 0);
    assert_string_equal(trouble_code(row.error), "kills-workers");
}

static void where_two_fit_two_must_have_been_lost(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 1, json_pack("{s:i}", "attempts", 2));
    int64_t urgent = sim_active(sim, "/b", 1, 9, json_pack("{s:i}", "priority", 90));
    struct sim_worker *busy = trouble_ready(sim, "h/2");
    assert_int_equal(busy->job, urgent);
    assert_int_equal(queue_pause(sim->queue, sim->now, urgent, NULL), QUEUE_OK);
    sim_turn(sim);
    busy->want = 0;
    for (int i = 0; i < 2; i++) {
        trouble_lose(sim, trouble_ready(sim, "h/1"));
        assert_int_equal(sim_frame(sim, job, 1).state, FRAME_WAITING);
    }
    assert_int_equal(sim_frame(sim, job, 1).losses, 2);
    busy->want = 1;
    trouble_finish(sim, busy);
    trouble_give_back(sim, busy);
    trouble_lose(sim, busy);
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_FAILED);
}

static void a_worker_that_was_lost_three_times_is_blocked(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, json_pack("{s:i}", "attempts", 10));
    (void)trouble_ready(sim, "h/2");
    for (int i = 0; i < 3; i++) {
        trouble_lose(sim, trouble_ready(sim, "h/1"));
    }
    struct trouble_list blocked = trouble_blocked(sim, job);
    assert_int_equal(blocked.count, 1);
    assert_string_equal(blocked.views[0].code, "lost");
    struct sim_worker *again = trouble_ready(sim, "h/1");
    assert_int_equal(again->held_count, 1); /* what it left may be swept, by anybody */
    assert_int_equal(again->held[0].grant.kind, CLAIM_SWEEP);
}

static void what_never_started_is_no_loss(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 1, json_pack("{s:i}", "attempts", 1));
    for (int i = 0; i < 5; i++) {
        struct sim_worker *worker = trouble_ready(sim, "h/1");
        assert_int_equal(worker->held_count, 1);
        queue_gone(sim->queue, sim->now, worker->session);
        worker->opened = 0;
        sim_turn(sim);
    }
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_WAITING);
    assert_int_equal(sim_frame(sim, job, 1).losses, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_workers_agree_that_the_job_cannot_be),
        TEST(where_only_one_fits_one_is_enough),
        TEST(any_fatal_error_is_of_the_job),
        TEST(a_frame_done_between_is_no_agreement),
        TEST(a_worker_does_not_agree_with_itself),
        TEST(one_that_rests_is_asked_when_it_comes_back),
        TEST(one_that_goes_on_resting_is_not_waited_for),
        TEST(without_agreement_the_last_one_stops_it),
        TEST(one_that_ran_out_of_memory_says_who_tries_next),
        TEST(as_many_losses_as_attempts_end_a_frame),
        TEST(where_two_fit_two_must_have_been_lost),
        TEST(a_worker_that_was_lost_three_times_is_blocked),
        TEST(what_never_started_is_no_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
