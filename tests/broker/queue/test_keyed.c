/* Jobs by the key of their spec. */

#include "sim.h"

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

static struct queue_submitted out;
static struct queue_error error;

/* Submit a job of file with a key that stands for content. */
static int submit(struct sim *sim, const char *file, const char *key, const char *content,
                  bool go_on)
{
    json_t *spec = sim_spec(file, NULL);
    json_object_set_new(spec, "key", json_string(key));
    json_object_set_new(spec, "key_content", json_string(content));
    json_object_set_new(spec, "go_on", json_boolean(go_on));
    out = (struct queue_submitted){ 0 };
    int rc = queue_submit(sim->queue, sim->now, spec, &out, &error);
    json_decref(spec);
    sim_turn(sim);
    sim_check(sim);
    return rc;
}

static void a_key_has_one_job(void **state)
{
    struct sim *sim = *state;
    assert_int_equal(submit(sim, "/a", "k", "1", false), QUEUE_OK);
    int64_t job = out.job;
    assert_false(out.repeated);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(submit(sim, "/a", "k", "1", false), QUEUE_OK);
        assert_true(out.repeated && out.job == job);
        assert_int_equal(submit(sim, "/b", "k", "2", false), QUEUE_REFUSED);
        assert_string_equal(error.code, "key-used");
        assert_int_equal(error.job, job);
        sim_restart(sim);
    }
    assert_int_equal(submit(sim, "/b", "l", "1", false), QUEUE_OK);
    assert_false(out.repeated);
}

static void who_goes_on_takes_the_key_unless_it_has_one(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    assert_int_equal(submit(sim, "/a", "k", "1", true), QUEUE_OK);
    assert_true(out.went_on && out.job == job);
    assert_int_equal(submit(sim, "/a", "l", "2", true), QUEUE_OK);
    assert_true(out.went_on && out.job == job);
    sim_restart(sim);
    assert_int_equal(submit(sim, "/a", "k", "1", true), QUEUE_OK);
    assert_true(out.repeated && out.job == job);
    assert_int_equal(submit(sim, "/a", "l", "2", true), QUEUE_OK);
    assert_false(out.repeated);
}

/* A job with the key "k" that is rendered, and removed: it stays until its claim ends. */
static int64_t removed_at_work(struct sim *sim, struct sim_worker **worker)
{
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    (void)submit(sim, "/a", "k", "1", true);
    *worker = sim_worker(sim, "h/1");
    sim_ready(sim, *worker);
    sim_turn(sim);
    (void)sim_get(sim, *worker);
    assert_int_equal(queue_remove(sim->queue, sim->now, job, &error), QUEUE_OK);
    sim_turn(sim);
    return job;
}

static void the_key_of_a_removed_job_is_free(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = NULL;
    int64_t job = removed_at_work(sim, &worker);
    assert_int_equal(submit(sim, "/b", "k", "2", false), QUEUE_OK);
    int64_t other = out.job;
    assert_true(other > job && !out.repeated);
    assert_int_equal(queue_cancel(sim->queue, sim->now, other, &error), QUEUE_OK);
    sim_turn(sim);
    sim_restart(sim);
    sim_step(sim, worker);
    sim_step(sim, worker);
    assert_int_equal(worker->answer.orders.stop_count, 1);
    sim_report(worker, 0, REPORT_RETURNED);
    worker->job = 0;
    sim_step(sim, worker);
    while (worker->held_count > 0) { /* of both jobs: what they may have left */
        assert_int_equal(worker->held[0].grant.kind, CLAIM_SWEEP);
        sim_report(worker, 0, REPORT_SWEPT);
        sim_step(sim, worker);
    }
    assert_null(map_get(&sim->jobs, job));
    assert_int_equal(submit(sim, "/b", "k", "2", false), QUEUE_OK);
    assert_true(out.repeated && out.job == other);
    assert_int_equal(queue_remove(sim->queue, sim->now, other, &error), QUEUE_OK);
    sim_turn(sim);
    assert_int_equal(submit(sim, "/b", "k", "2", false), QUEUE_OK);
    assert_true(out.job > other && !out.repeated);
}

static void the_younger_of_two_may_go_first(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = NULL;
    int64_t job = removed_at_work(sim, &worker);
    (void)submit(sim, "/b", "k", "2", false);
    int64_t other = out.job;
    assert_int_equal(queue_remove(sim->queue, sim->now, other, &error), QUEUE_OK);
    sim_turn(sim);
    assert_non_null(map_get(&sim->jobs, job));
    assert_int_equal(submit(sim, "/c", "k", "3", false), QUEUE_OK);
    assert_true(out.job > other && !out.repeated);
    sim_restart(sim);
    assert_int_equal(submit(sim, "/c", "k", "3", false), QUEUE_OK);
    assert_true(out.repeated);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_key_has_one_job),
        TEST(who_goes_on_takes_the_key_unless_it_has_one),
        TEST(the_key_of_a_removed_job_is_free),
        TEST(the_younger_of_two_may_go_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
