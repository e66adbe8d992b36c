/* Devices that their owner has back: their workers rest until they are woken. */

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

static int rest(struct sim *sim, const char *name, enum drain_order how)
{
    int rc = queue_rest(sim->queue, sim->now, name, how);
    sim_turn(sim);
    return rc;
}

static void what_renders_is_finished_and_nothing_follows(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    assert_int_equal(worker->held_count, 1);
    assert_int_equal(rest(sim, "h/1", DRAIN_SOFT), QUEUE_OK);
    sim_step(sim, worker);
    assert_int_equal(worker->answer.orders.rest, DRAIN_SOFT);
    assert_true(worker->answer.orders.give_back);
    trouble_finish(sim, worker);
    assert_int_equal(worker->held_count, 0);
    trouble_wait(sim, worker, 20000);
    assert_int_equal(worker->held_count, 0);
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_DONE], 1);
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_WAITING], 4);
}

static void a_woken_worker_goes_on(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    (void)rest(sim, "h/1", DRAIN_NOW);
    trouble_give_back(sim, worker);
    assert_int_equal(worker->answer.orders.rest, DRAIN_NOW);
    assert_int_equal(worker->held_count, 0);
    assert_int_equal(rest(sim, "h/1", DRAIN_NONE), QUEUE_OK);
    sim_step(sim, worker);
    assert_int_equal(worker->answer.orders.rest, DRAIN_NONE);
    assert_int_equal(worker->held_count, 1);
    assert_true(sim_event(sim, EVENT_WORKER_RESTING));
    assert_int_equal(sim_events(sim, EVENT_WORKER_WOKEN), 1);
}

static void what_it_gave_back_is_rendered_by_another_uncharged(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 1, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    struct sim_worker *other = trouble_ready(sim, "h/2");
    (void)rest(sim, "h/1", DRAIN_NOW);
    trouble_give_back(sim, worker);
    sim_step(sim, other);
    assert_int_equal(other->held_count, 1);
    assert_int_equal(sim_frame(sim, job, 1).attempts, 0);
}

static void it_is_asked_for_nothing_else_either(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    (void)rest(sim, "h/1", DRAIN_SOFT);
    int64_t job = sim_submit(sim, "/a", NULL);
    trouble_wait(sim, worker, 3000);
    assert_int_equal(sim_job(sim, job).row->state, JOB_QUEUED);
    assert_int_equal(worker->held_count, 0);
    (void)rest(sim, "h/1", DRAIN_NONE);
    sim_step(sim, worker);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_INSPECT);
}

static void a_worker_that_runs_dry_for_an_inspection_leaves_it_to_another(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 9, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    struct sim_worker *other = trouble_ready(sim, "h/2");
    int64_t job = sim_submit(sim, "/b", NULL);
    sim_step(sim, worker);
    (void)rest(sim, "h/1", DRAIN_SOFT);
    trouble_give_back(sim, worker);
    trouble_give_back(sim, other);
    sim_step(sim, other);
    assert_int_equal(sim_job(sim, job).row->state, JOB_INSPECTING);
    assert_int_equal(other->held[0].grant.kind, CLAIM_INSPECT);
}

static void it_rests_on_when_it_starts_again_and_a_new_broker_wakes_it(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    (void)rest(sim, "h/1", DRAIN_SOFT);
    trouble_lose(sim, worker);
    worker->want = 1;
    sim_ready(sim, worker);
    sim_turn(sim);
    sim_step(sim, worker);
    assert_int_equal(worker->answer.orders.rest, DRAIN_SOFT);
    assert_int_equal(worker->held_count, 0);
    sim_restart(sim);
    sim_ready(sim, worker);
    sim_turn(sim);
    sim_step(sim, worker);
    assert_int_equal(worker->answer.orders.rest, DRAIN_NONE);
    assert_int_equal(worker->held_count, 1);
}

static void said_twice_it_is_so_and_now_is_more_than_soft(void **state)
{
    struct sim *sim = *state;
    (void)trouble_ready(sim, "h/1");
    assert_int_equal(rest(sim, "h/1", DRAIN_NONE), QUEUE_SAME);
    assert_int_equal(rest(sim, "h/1", DRAIN_SOFT), QUEUE_OK);
    assert_int_equal(rest(sim, "h/1", DRAIN_SOFT), QUEUE_SAME);
    assert_int_equal(rest(sim, "h/1", DRAIN_NOW), QUEUE_OK);
    assert_int_equal(rest(sim, "h/1", DRAIN_SOFT), QUEUE_SAME);
    assert_int_equal(rest(sim, "h/9", DRAIN_SOFT), QUEUE_NO_WORKER);
}

static void job_and_worker_say_why_nothing_happens(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    (void)rest(sim, "h/1", DRAIN_NOW);
    trouble_give_back(sim, worker);
    struct worker_view view = trouble_worker(sim, "h/1");
    assert_string_equal(trouble_code(view.error), "recalled");
    assert_int_equal(view.rests_until, 0);
    struct job_view shown = sim_job(sim, job);
    assert_string_equal(trouble_code(shown.error), "recalled");
    assert_non_null(strstr(trouble_text(shown.error), "h/1"));
    (void)rest(sim, "h/1", DRAIN_NONE);
    sim_step(sim, worker);
    assert_null(sim_job(sim, job).error);
    assert_null(trouble_worker(sim, "h/1").error);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_renders_is_finished_and_nothing_follows),
        TEST(a_woken_worker_goes_on),
        TEST(what_it_gave_back_is_rendered_by_another_uncharged),
        TEST(it_is_asked_for_nothing_else_either),
        TEST(a_worker_that_runs_dry_for_an_inspection_leaves_it_to_another),
        TEST(it_rests_on_when_it_starts_again_and_a_new_broker_wakes_it),
        TEST(said_twice_it_is_so_and_now_is_more_than_soft),
        TEST(job_and_worker_say_why_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
