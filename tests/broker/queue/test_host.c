/* The memory of a machine that several Blenders share, and workers that rest by themselves. */

#include "trouble.h"

#include <string.h>

#define GIB ((json_int_t)1 << 30)

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

static void says(struct sim_worker *worker, int64_t rss_gib, int64_t available_gib)
{
    json_decref(worker->telemetry);
    worker->telemetry = json_pack("{s:I, s:I}", "blender_rss_bytes", rss_gib * GIB,
                                  "host_available_bytes", available_gib * GIB);
}

/* One that is there and asks for nothing yet. */
static struct sim_worker *idle(struct sim *sim, const char *name, const char *host)
{
    struct sim_worker *worker = sim_worker(sim, name);
    worker->host = host;
    worker->want = 0;
    worker->no_sweeps = true;
    sim_ready(sim, worker);
    sim_turn(sim);
    sim_step(sim, worker);
    return worker;
}

static void asks(struct sim *sim, struct sim_worker *worker)
{
    worker->want = 1;
    sim_step(sim, worker);
}

/* A job whose Blender is known to take 21 GiB: the worker, at its next frame, knows it. */
static int64_t large_job(struct sim *sim, struct sim_worker *worker)
{
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    asks(sim, worker);
    sim_report(worker, 0, REPORT_FINISHED);
    worker->reports[0].rss_peak_bytes = 21 * GIB;
    sim_step(sim, worker);
    says(worker, 20, 30);
    sim_step(sim, worker);
    assert_int_equal(worker->job, job);
    return job;
}

static void a_second_blender_comes_only_where_it_fits(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *first = idle(sim, "h/1", "h");
    struct sim_worker *second = idle(sim, "h/2", "h");
    struct sim_worker *third = idle(sim, "h/3", "h");
    struct sim_worker *far = idle(sim, "g/1", "g");
    int64_t job = large_job(sim, first);
    asks(sim, second); /* 30 GiB are free, of which the first may take one more */
    assert_int_equal(second->job, job);
    asks(sim, third); /* 20 of these are promised to the second, which has nothing yet */
    assert_int_equal(third->held_count, 0);
    struct worker_view view = trouble_worker(sim, "h/3");
    assert_int_equal(view.state, WORKER_RESTING);
    asks(sim, far);
    assert_int_equal(far->job, job);
    says(first, 21, 45); /* the second has taken its own, and there is room */
    says(second, 21, 45);
    sim_step(sim, first);
    sim_step(sim, second);
    sim_step(sim, third);
    assert_int_equal(third->job, job);
}

struct said {
    const char *name;
    char code[64], text[128], hint[64];
};

static void note(void *arg, const struct worker_view *view)
{
    struct said *said = arg;
    if (strcmp(view->worker, said->name) == 0 && view->error) {
        (void)snprintf(said->code, sizeof said->code, "%s", trouble_code(view->error));
        (void)snprintf(said->text, sizeof said->text, "%s", trouble_text(view->error));
        (void)snprintf(said->hint, sizeof said->hint, "%s",
                       json_string_value(json_object_get(view->error, "hint")));
    }
}

static void who_has_no_room_takes_the_next_job_or_says_why_not(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *first = idle(sim, "h/1", "h");
    struct sim_worker *second = idle(sim, "h/2", "h");
    (void)large_job(sim, first);
    says(second, 0, 12);
    asks(sim, second);
    assert_int_equal(second->held_count, 0);
    struct said said = { .name = "h/2" };
    queue_workers(sim->queue, sim->now, note, &said);
    assert_string_equal(said.code, "host-memory");
    assert_string_equal(said.text, "job 1 needs 21 GiB a worker; this host has 11 GiB left");
    assert_string_equal(said.hint, "fewer workers, each with more cores");
    int64_t next = sim_active(sim, "/b", 1, 9, NULL);
    sim_step(sim, second);
    assert_int_equal(second->job, next);
    said.code[0] = '\0';
    queue_workers(sim->queue, sim->now, note, &said);
    assert_string_equal(said.code, "");
}

static void the_first_one_may_always(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *first = idle(sim, "h/1", "h");
    struct sim_worker *second = idle(sim, "h/2", "h");
    int64_t job = large_job(sim, first);
    says(second, 0, 2);
    asks(sim, second);
    assert_int_equal(second->held_count, 0);
    first->want = 0;
    says(first, 0, 2);
    trouble_give_back(sim, first);
    sim_step(sim, second);
    assert_int_equal(second->job, job);
    asks(sim, first); /* now it is the other way round */
    assert_int_equal(first->job, 0);
    queue_gone(sim->queue, sim->now, second->session); /* and again, when that is lost */
    sim_turn(sim);
    sim_step(sim, first);
    assert_int_equal(first->job, job);
}

static void what_its_blender_has_counts_as_free(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *first = idle(sim, "h/1", "h");
    struct sim_worker *second = idle(sim, "h/2", "h");
    int64_t job = large_job(sim, first);
    says(second, 19, 3);
    says(first, 21, 3);
    sim_step(sim, first);
    asks(sim, second);
    assert_int_equal(second->job, job);
}

static void a_job_of_another_kind_of_device_is_another_matter(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *first = idle(sim, "h/1", "h");
    int64_t job = large_job(sim, first);
    assert_int_equal(sim_job(sim, job).row->memory.rss_peak[DEVICE_CPU], 21 * GIB);
    assert_int_equal(sim_job(sim, job).row->memory.rss_peak[DEVICE_GPU], 0);
}

static void a_worker_that_says_it_rests_gets_nothing(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    assert_int_equal(worker->held_count, 1);
    worker->rest =
        (struct queue_rest_reason){ "too-hot", "GPU 2 has 91 C; it rests until it has 75", "" };
    sim_report(worker, 0, REPORT_FINISHED); /* what it renders it finishes */
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 0);
    assert_true(worker->answer.orders.give_back);
    assert_true(sim_event(sim, EVENT_WORKER_RESTING));
    trouble_give_back(sim, worker);
    sim_step(sim, worker);
    struct worker_view view = trouble_worker(sim, "h/1");
    assert_int_equal(view.state, WORKER_RESTING);
    assert_string_equal(trouble_code(view.error), "too-hot");
    assert_int_equal(view.rests_until, 0);
    assert_string_equal(trouble_text(sim_job(sim, job).error),
                        "every worker that fits rests: GPU 2 has 91 C; it rests until it has 75");
    assert_int_equal(sim_events(sim, EVENT_WORKER_RESTING), 1);
    worker->rest.code = NULL;
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 1);
    assert_string_equal(trouble_text(sim_job(sim, job).error), "");
}

static void one_that_rests_and_goes_is_forgotten(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    worker->rest = (struct queue_rest_reason){ "too-hot", "91 C", "" };
    trouble_give_back(sim, worker);
    queue_gone(sim->queue, sim->now, worker->session);
    sim_turn(sim);
    assert_string_equal(trouble_text(sim_job(sim, job).error), "");
    struct sim_worker *again = trouble_ready(sim, "h/1");
    assert_int_equal(again->held_count, 1);
}

/* Is it what the only worker there is shown with? */
static void compare_telemetry(void *arg, const struct worker_view *view)
{
    json_t **telemetry = arg;
    assert_true(json_equal(view->telemetry, *telemetry));
    *telemetry = NULL; /* seen */
}

static void what_it_measures_is_shown(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = idle(sim, "h/1", "h");
    assert_null(trouble_worker(sim, "h/1").telemetry);
    says(worker, 1, 2);
    sim_step(sim, worker);
    json_t *telemetry = worker->telemetry;
    queue_workers(sim->queue, sim->now, compare_telemetry, &telemetry);
    assert_null(telemetry);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_second_blender_comes_only_where_it_fits),
        TEST(who_has_no_room_takes_the_next_job_or_says_why_not),
        TEST(the_first_one_may_always),
        TEST(what_its_blender_has_counts_as_free),
        TEST(a_job_of_another_kind_of_device_is_another_matter),
        TEST(a_worker_that_says_it_rests_gets_nothing),
        TEST(one_that_rests_and_goes_is_forgotten),
        TEST(what_it_measures_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
