/* Workers whose machine is in trouble, or that fail everything, rest. */

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

static void a_full_disk_rests_the_worker_and_charges_nothing(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    trouble_fail(sim, worker, "disk-full");
    assert_int_equal(worker->held_count, 0);
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_WAITING);
    assert_int_equal(sim_frame(sim, job, 1).attempts, 0);
    assert_int_equal(sim_events(sim, EVENT_WORKER_RESTING), 1);
    struct worker_view view = trouble_worker(sim, "h/1");
    assert_int_equal(view.state, WORKER_RESTING);
    assert_int_equal(view.rests_until, sim->now.wall_ms + 10000);
    assert_string_equal(trouble_code(view.error), "disk-full");
    assert_string_equal(trouble_text(view.error), "it went wrong");
}

/* Somebody must look at the machine; the frame has done nothing. */
static void a_device_that_is_another_one_rests_the_worker(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    trouble_fail(sim, worker, "device-mismatch");
    assert_int_equal(sim_frame(sim, job, 1).attempts, 0);
    struct worker_view view = trouble_worker(sim, "h/1");
    assert_int_equal(view.state, WORKER_RESTING);
    assert_string_equal(trouble_code(view.error), "device-mismatch");
}

static void a_rest_ends_by_itself(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    trouble_fail(sim, worker, "device-lost");
    trouble_give_back(sim, worker);
    trouble_wait(sim, worker, 9999);
    assert_int_equal(worker->held_count, 0);
    assert_true(queue_deadline(sim->queue, sim->now) <= sim->now.ms + 1);
    sim_pass(sim, 1);
    sim_turn(sim); /* its request is parked: nobody else speaks */
    assert_int_equal(worker->held_count, 1);
    struct worker_view view = trouble_worker(sim, "h/1");
    assert_int_equal(view.rests_until, 0);
    assert_null(view.error);
}

static void rests_grow_until_a_frame_is_done(void **state)
{
    static const int64_t rests[] = { 10, 20, 40, 80, 160, 300, 300 };
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
        trouble_fail(sim, worker, "disk-full");
        assert_int_equal(trouble_worker(sim, "h/1").rests_until,
                         sim->now.wall_ms + rests[i] * 1000);
        trouble_give_back(sim, worker);
        trouble_wait(sim, worker, rests[i] * 1000);
        assert_int_equal(worker->held_count, 1);
    }
    trouble_finish(sim, worker);
    trouble_fail(sim, worker, "disk-full");
    assert_int_equal(trouble_worker(sim, "h/1").rests_until, sim->now.wall_ms + 10000);
}

static void a_worker_that_rests_gives_back_what_it_has_not_begun(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = sim_worker(sim, "h/1");
    worker->want = 2;
    sim_ready(sim, worker);
    sim_turn(sim);
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 2);
    trouble_fail(sim, worker, "disk-full");
    assert_int_equal(worker->held_count, 1);
    assert_true(worker->answer.orders.give_back);
    trouble_give_back(sim, worker);
    assert_int_equal(worker->held_count, 0);
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_WAITING], 5);
}

static void what_it_held_goes_the_same_way_without_another_rest(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 9, NULL);
    struct sim_worker *worker = sim_worker(sim, "h/1");
    worker->want = 2;
    sim_ready(sim, worker);
    sim_turn(sim);
    sim_step(sim, worker);
    trouble_fail(sim, worker, "disk-full");
    sim_pass(sim, 1000);
    trouble_fail(sim, worker, "disk-full");
    assert_int_equal(sim_events(sim, EVENT_WORKER_RESTING), 1);
    assert_int_equal(trouble_worker(sim, "h/1").rests_until, sim->now.wall_ms + 9000);
}

static void a_grant_that_it_never_heard_of_is_not_made_again(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 9, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    sim->lose_answers = true;
    sim_step(sim, worker);
    sim->lose_answers = false;
    assert_int_equal(sim_frame(sim, job, 2).state, FRAME_CLAIMED);
    trouble_fail(sim, worker, "disk-full");
    assert_int_equal(worker->held_count, 0);
    assert_int_equal(sim_frame(sim, job, 2).state, FRAME_WAITING);
}

static void another_takes_the_frame_of_one_that_rests(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 1, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    struct sim_worker *second = trouble_ready(sim, "h/2");
    assert_int_equal(second->held_count, 0);
    sim_error(first, 0, "disk-full", false);
    sim_step(sim, first);
    assert_int_equal(second->held_count, 1);
    assert_null(sim_job(sim, job).error);
}

static void a_job_says_that_all_who_fit_rest(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    struct sim_worker *second = trouble_ready(sim, "h/2");
    trouble_fail(sim, first, "disk-full");
    assert_null(sim_job(sim, job).error);
    trouble_fail(sim, second, "disk-full");
    struct job_view view = sim_job(sim, job);
    assert_int_equal(view.row->state, JOB_ACTIVE);
    assert_string_equal(trouble_code(view.error), "disk-full");
    assert_non_null(strstr(trouble_text(view.error), "h/1"));
    assert_non_null(strstr(trouble_text(view.error), "10 s"));
}

static void one_that_rests_is_known_by_its_name(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    trouble_fail(sim, worker, "blender-missing");
    worker->leave = true;
    sim_step(sim, worker);
    worker->opened = 0;
    struct sim_worker *next = trouble_ready(sim, "h/1");
    assert_int_equal(next->held_count, 0);
    assert_int_equal(trouble_worker(sim, "h/1").state, WORKER_RESTING);
    (void)sim_get(sim, trouble_ready(sim, "h/2"));
}

static void one_that_rests_still_inspects(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    trouble_fail(sim, worker, "disk-full");
    trouble_give_back(sim, worker);
    (void)sim_submit(sim, "/b", NULL);
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 1);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_INSPECT);
}

static void one_that_fails_everything_rests(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 50, NULL);
    (void)sim_active(sim, "/b", 1, 50, NULL);
    struct sim_worker *first = trouble_ready(sim, "h/1");
    (void)trouble_ready(sim, "h/2");
    for (int i = 0; i < 3; i++) {
        trouble_fail(sim, first, "crashed");
    }
    trouble_give_back(sim, first);
    assert_int_equal(first->held_count, 1);
    assert_int_equal(sim_events(sim, EVENT_WORKER_RESTING), 0);
    trouble_fail(sim, first, "crashed");
    assert_int_equal(first->held_count, 0);
    struct worker_view view = trouble_worker(sim, "h/1");
    assert_string_equal(trouble_code(view.error), "failing");
    assert_int_equal(view.rests_until, sim->now.wall_ms + 10000);
}

static void a_frame_done_after_all_ends_that_rest(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    int64_t other = sim_active(sim, "/b", 1, 50, NULL);
    struct queue_error error;
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    for (int i = 0; i < 2; i++) {
        trouble_fail(sim, worker, "crashed");
    }
    trouble_give_back(sim, worker);
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    sim_turn(sim);
    worker->want = 2;
    worker->job = 0;
    sim_step(sim, worker);
    assert_int_equal(worker->job, other);
    trouble_fail(sim, worker, "crashed");
    trouble_fail(sim, worker, "crashed");
    assert_non_null(trouble_worker(sim, "h/1").error);
    trouble_finish(sim, worker);
    assert_null(trouble_worker(sim, "h/1").error);
    assert_true(worker->held_count > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_rests_the_worker_and_charges_nothing),
        TEST(a_device_that_is_another_one_rests_the_worker),
        TEST(a_rest_ends_by_itself),
        TEST(rests_grow_until_a_frame_is_done),
        TEST(a_worker_that_rests_gives_back_what_it_has_not_begun),
        TEST(what_it_held_goes_the_same_way_without_another_rest),
        TEST(a_grant_that_it_never_heard_of_is_not_made_again),
        TEST(another_takes_the_frame_of_one_that_rests),
        TEST(a_job_says_that_all_who_fit_rest),
        TEST(one_that_rests_is_known_by_its_name),
        TEST(one_that_rests_still_inspects),
        TEST(one_that_fails_everything_rests),
        TEST(a_frame_done_after_all_ends_that_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
