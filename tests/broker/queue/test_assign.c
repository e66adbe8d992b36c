/* The scheduler: who gets which frames, and when a worker is told to give its job back. */

#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
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

static struct sim_worker *ready(struct sim *sim, const char *name)
{
    struct sim_worker *worker = sim_worker(sim, name);
    sim_ready(sim, worker);
    sim_turn(sim);
    return worker;
}

/* Start, render and finish what it holds; then ask for more. */
static void finish_one(struct sim *sim, struct sim_worker *worker)
{
    sim_report(worker, 0, REPORT_FINISHED);
    sim_step(sim, worker);
}

static int32_t frame_of(const struct sim_worker *worker, size_t held)
{
    assert_true(held < worker->held_count);
    return worker->held[held].grant.frame;
}

static void highest_priority_first_then_oldest(void **state)
{
    struct sim *sim = *state;
    int64_t old = sim_active(sim, "/a", 1, 5, NULL);
    (void)sim_active(sim, "/b", 1, 5, NULL);
    int64_t high = sim_active(sim, "/c", 1, 1, json_pack("{s:i}", "priority", 60));
    struct sim_worker *first = ready(sim, "h/1");
    struct sim_worker *second = ready(sim, "h/2");
    sim_step(sim, first);
    sim_step(sim, second);
    assert_int_equal(first->job, high);
    assert_int_equal(second->job, old);
}

static void all_workers_share_the_first_job(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 3, NULL);
    for (int i = 0; i < 3; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "h/%d", i);
        struct sim_worker *worker = ready(sim, name);
        sim_step(sim, worker);
        assert_int_equal(worker->job, job);
        assert_int_equal(frame_of(worker, 0), i + 1);
    }
}

static void a_worker_holds_one_ahead_and_two_in_proof(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 100, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    worker->want = 4;
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 2);
    worker->held[0].phase = PHASE_PROOF;
    worker->held[1].phase = PHASE_PROOF;
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 4);
    worker->held[2].phase = PHASE_PROOF;
    worker->held[3].phase = PHASE_PROOF;
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 4);
}

static void the_last_frames_are_not_granted_ahead(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 3, NULL);
    struct sim_worker *first = ready(sim, "h/1");
    struct sim_worker *second = ready(sim, "h/2");
    second->want = 2;
    sim_step(sim, first);
    sim_step(sim, second);
    assert_int_equal(second->held_count, 1);
    finish_one(sim, first); /* the third frame goes to who has none */
    assert_int_equal(frame_of(first, 0), 3);
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_WAITING], 0);
}

static void an_exhausted_job_is_called_back(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 2, NULL);
    struct sim_worker *first = ready(sim, "h/1");
    struct sim_worker *second = ready(sim, "h/2");
    sim_step(sim, first);
    assert_false(first->answer.orders.give_back);
    sim_step(sim, second);
    sim_report(first, 0, REPORT_STARTED);
    sim_step(sim, first);
    assert_true(first->answer.orders.give_back);
}

static void a_lower_job_is_left_for_a_higher_one(void **state)
{
    struct sim *sim = *state;
    int64_t low = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *first = ready(sim, "h/1");
    struct sim_worker *second = ready(sim, "h/2");
    first->want = second->want = 2;
    sim_step(sim, first);
    sim_step(sim, second);
    sim_step(sim, first);
    sim_step(sim, second);
    first->answered = second->answered = false;
    int64_t high = sim_active(sim, "/b", 1, 1, json_pack("{s:i}", "priority", 90));
    /* one frame: one worker comes over, not both */
    assert_true(first->answered != second->answered);
    struct sim_worker *called = first->answered ? first : second;
    assert_true(called->answer.orders.give_back);
    while (called->held_count > 0) {
        sim_report(called, 0, REPORT_RETURNED);
    }
    called->job = 0;
    sim_step(sim, called);
    assert_int_equal(called->job, high);
    finish_one(sim, called);
    called->job = 0;
    sim_step(sim, called); /* the sweep of the high job comes first or with it */
    assert_true(sim_job(sim, low).workers >= 1);
}

static void frames_that_come_back_go_first(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *first = ready(sim, "h/1");
    struct sim_worker *second = ready(sim, "h/2");
    sim_step(sim, first);
    sim_step(sim, second);
    sim_report(first, 0, REPORT_RETURNED);
    first->want = 0;
    sim_step(sim, first);
    finish_one(sim, second);
    assert_int_equal(frame_of(second, 0), 1);
}

static void a_failed_frame_goes_to_another_worker(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *first = ready(sim, "h/1");
    struct sim_worker *second = ready(sim, "h/2");
    sim_step(sim, first);
    sim_step(sim, second);
    sim_error(first, 0, "crashed", false);
    sim_step(sim, first);
    assert_int_equal(frame_of(first, 0), 3);
    finish_one(sim, second);
    assert_int_equal(frame_of(second, 0), 1);
    assert_int_equal(second->held[0].grant.attempt, 2);
    assert_int_equal(sim_frame(sim, job, 1).attempts, 1);
}

static void alone_a_worker_tries_again_until_the_attempts_are_used_up(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 1, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    sim_step(sim, worker);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(worker->held[0].grant.attempt, i);
        sim_error(worker, 0, "crashed", false);
        sim_step(sim, worker);
    }
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_FAILED);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_SWEEP);
    sim_report(worker, 0, REPORT_SWEPT);
    sim_step(sim, worker);
    struct job_view view = sim_job(sim, job);
    assert_int_equal(view.row->state, JOB_FAILED);
    assert_string_equal(json_string_value(json_object_get(view.error, "code")), "crashed");
    assert_int_equal(sim_events(sim, EVENT_FRAME_ERROR), 3);
    assert_int_equal(sim_events(sim, EVENT_FRAME_FAILED), 1);
}

static void losses_after_the_start_end_a_frame(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 1, NULL);
    for (int i = 0; i < 3; i++) {
        struct sim_worker *worker = ready(sim, "h/1");
        worker->want = 1;
        sim_report(worker, sim_get(sim, worker), REPORT_STARTED);
        worker->want = 0;
        sim_step(sim, worker);
        queue_gone(sim->queue, sim->now, worker->session);
        worker->held_count = 0;
        worker->opened = 0;
        sim_turn(sim);
    }
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_FAILED);
    assert_string_equal(json_string_value(json_object_get(sim_frame(sim, job, 1).error, "code")),
                        "kills-workers");
}

static void a_job_is_bound_to_one_blender(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *newer = sim_worker(sim, "h/new");
    newer->versions[0] = "4.2.3";
    sim_ready(sim, newer);
    sim_turn(sim);
    (void)sim_get(sim, newer);
    assert_int_equal(sim_job(sim, job).row->bound_blender, 402);
    assert_int_equal(json_array_size(sim_job(sim, job).row->warnings), 1);
    struct sim_worker *own = ready(sim, "h/own");
    sim_step(sim, own);
    assert_int_equal(own->held_count, 0);
}

static void the_files_own_blender_is_preferred(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *newer = sim_worker(sim, "h/new");
    struct sim_worker *both = sim_worker(sim, "h/both");
    newer->versions[0] = "4.2.3";
    both->versions[0] = "4.2.3";
    both->versions[1] = "3.4.1";
    sim_ready(sim, both);
    sim_ready(sim, newer);
    sim_turn(sim);
    sim_step(sim, newer);
    assert_int_equal(newer->held_count, 0);
    (void)sim_get(sim, both);
    assert_int_equal(sim_job(sim, job).row->bound_blender, 304);
}

static void mix_allows_others(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 50, json_pack("{s:b}", "mix", 1));
    struct sim_worker *newer = sim_worker(sim, "h/new");
    newer->versions[0] = "4.2.3";
    sim_ready(sim, newer);
    (void)sim_get(sim, newer);
    (void)sim_get(sim, ready(sim, "h/own"));
}

static void who_cannot_take_it_is_told_why(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    assert_null(sim_job(sim, job).error);
    struct sim_worker *older = sim_worker(sim, "h/old");
    older->versions[0] = "2.93.0";
    sim_ready(sim, older);
    sim_step(sim, older);
    assert_int_equal(older->held_count, 0);
    json_t *why = sim_job(sim, job).error;
    assert_string_equal(json_string_value(json_object_get(why, "code")), "blender-missing");
    assert_non_null(strstr(json_string_value(json_object_get(why, "text")), "3.4"));
}

static void denoising_wants_a_denoiser(void **state)
{
    struct sim *sim = *state;
    json_t *found = sim_found(1, 5);
    json_object_set_new(found, "denoise", json_true());
    int64_t job = sim_inspected(sim, "/a", found, NULL, NULL);
    struct sim_worker *worker = sim_worker(sim, "h/1");
    worker->no_denoiser = true;
    sim_ready(sim, worker);
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 0);
    json_t *why = sim_job(sim, job).error;
    assert_string_equal(json_string_value(json_object_get(why, "code")), "denoiser-missing");
    assert_string_equal(json_string_value(json_object_get(why, "hint")), "--no-denoise");
    found = sim_found_at(1, 5, "/other/");
    json_object_set_new(found, "denoise", json_true());
    job = sim_inspected(sim, "/b", found, NULL, json_pack("{s:b}", "denoise", 0));
    assert_int_equal(worker->held_count, 1);
    assert_int_equal(worker->job, job);
}

static void an_ordered_job_has_one_worker_and_ascending_frames(void **state)
{
    struct sim *sim = *state;
    json_t *found = sim_found(1, 5);
    json_object_set_new(found, "ordered", json_true());
    (void)sim_inspected(sim, "/a", found, NULL, json_pack("{s:s}", "order", "last"));
    struct sim_worker *first = ready(sim, "h/1");
    struct sim_worker *second = ready(sim, "h/2");
    first->want = 2;
    sim_step(sim, first);
    sim_step(sim, second);
    assert_int_equal(first->held_count, 2);
    assert_int_equal(frame_of(first, 0), 1);
    assert_int_equal(frame_of(first, 1), 2);
    assert_int_equal(second->held_count, 0);
    sim_report(first, 0, REPORT_RETURNED);
    sim_step(sim, first);
    assert_int_equal(frame_of(first, 1), 1);
    queue_gone(sim->queue, sim->now, first->session);
    first->opened = 0;
    sim_turn(sim);
    assert_int_equal(second->held_count, 1); /* it waited parked */
    assert_int_equal(frame_of(second, 0), 1);
}

static void orders_are_functions_of_position(void **state)
{
    struct sim *sim = *state;
    static const int32_t wanted[] = { 5, 6, 4, 7, 3, 8, 2, 9, 1, 10 };
    (void)sim_active(sim, "/a", 1, 10, json_pack("{s:s}", "order", "middle"));
    struct sim_worker *worker = ready(sim, "h/1");
    sim_step(sim, worker);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(frame_of(worker, 0), wanted[i]);
        finish_one(sim, worker);
    }
}

static void an_inspector_is_preferred_to_workers(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    sim_step(sim, worker);
    struct sim_worker *inspector = sim_worker(sim, "h/none");
    inspector->kind = DEVICE_NONE;
    sim_ready(sim, inspector);
    sim_step(sim, inspector);
    sim_step(sim, inspector);
    (void)sim_submit(sim, "/a", NULL);
    sim_turn(sim);
    assert_int_equal(worker->held_count, 0);
    assert_int_equal(inspector->held_count, 1);
    (void)sim_submit(sim, "/b", NULL);
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 0); /* the inspector will take it */
}

static void a_busy_worker_runs_dry_when_nobody_else_inspects(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 100, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    worker->want = 2;
    sim_step(sim, worker);
    int64_t job = sim_submit(sim, "/b", NULL);
    finish_one(sim, worker);
    assert_true(worker->answer.orders.give_back);
    sim_report(worker, 0, REPORT_RETURNED);
    worker->job = 0;
    sim_step(sim, worker);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_INSPECT);
    assert_int_equal(worker->held[0].grant.job, job);
}

static void a_drained_worker_gets_nothing_more(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 100, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    sim_step(sim, worker);
    assert_int_equal(queue_drain(sim->queue, sim->now, "h/1"), QUEUE_OK);
    assert_int_equal(queue_drain(sim->queue, sim->now, "h/1"), QUEUE_SAME);
    assert_int_equal(queue_drain(sim->queue, sim->now, "h/9"), QUEUE_NO_WORKER);
    sim_turn(sim);
    finish_one(sim, worker);
    assert_int_equal(worker->answer.orders.drain, DRAIN_SOFT);
    assert_int_equal(worker->answer.grant_count, 0);
}

static void a_taken_frame_is_looked_at_again_until_abandoned(void **state)
{
    struct sim *sim = *state;
    static const int64_t pauses[] = { 5000, 10000, 20000, 40000, 60000, 60000 };
    int64_t job = sim_active(sim, "/a", 1, 1, json_pack("{s:i}", "placeholder_timeout_s", 100));
    struct sim_worker *worker = ready(sim, "h/1");
    sim_step(sim, worker);
    int64_t began = sim->now.ms;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(worker->held[0].grant.sighted, i > 0);
        bool abandoned = worker->held[0].grant.abandoned;
        assert_int_equal(abandoned, i > 0 && sim->now.ms - began >= 100000);
        if (abandoned) {
            return;
        }
        sim_report(worker, 0, REPORT_TAKEN);
        worker->reports[0].sighting = (struct frame_sighting){ .inode = 7 };
        sim_step(sim, worker);
        assert_int_equal(sim_frame(sim, job, 1).state, FRAME_TAKEN);
        for (int64_t left = pauses[i]; left > 0; left -= 1000) {
            assert_int_equal(worker->held_count, 0);
            sim_pass(sim, 1000);
            sim_step(sim, worker);
        }
        assert_int_equal(worker->held_count, 1);
    }
    fail();
}

static void a_sighting_that_changes_starts_the_wait_anew(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 1, json_pack("{s:i}", "placeholder_timeout_s", 6));
    struct sim_worker *worker = ready(sim, "h/1");
    sim_step(sim, worker);
    for (int i = 0; i < 3; i++) {
        sim_report(worker, 0, REPORT_TAKEN);
        worker->reports[0].sighting = (struct frame_sighting){ .size_bytes = i };
        sim_step(sim, worker);
        sim_pass(sim, 5000 << i);
        sim_step(sim, worker);
        assert_int_equal(worker->held[0].grant.abandoned, i > 0);
        worker->held[0].grant.abandoned = false;
    }
}

static void a_million_frames_cost_nothing_until_touched(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = sim_worker(sim, "h/1");
    int64_t job = sim_inspected(sim, "/a", sim_found(1, 1000000), NULL, NULL);
    sim_ready(sim, worker);
    sim_turn(sim);
    for (int i = 1; i <= 100; i++) {
        assert_int_equal(sim_sync(sim, worker), QUEUE_OK);
        sim_turn(sim);
        assert_int_equal(frame_of(worker, 0), i);
        sim_report(worker, 0, REPORT_FINISHED);
    }
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_WAITING], 1000000 - 100);
    assert_int_equal(sim->frames.count, 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(highest_priority_first_then_oldest),
        TEST(all_workers_share_the_first_job),
        TEST(a_worker_holds_one_ahead_and_two_in_proof),
        TEST(the_last_frames_are_not_granted_ahead),
        TEST(an_exhausted_job_is_called_back),
        TEST(a_lower_job_is_left_for_a_higher_one),
        TEST(frames_that_come_back_go_first),
        TEST(a_failed_frame_goes_to_another_worker),
        TEST(alone_a_worker_tries_again_until_the_attempts_are_used_up),
        TEST(losses_after_the_start_end_a_frame),
        TEST(a_job_is_bound_to_one_blender),
        TEST(the_files_own_blender_is_preferred),
        TEST(mix_allows_others),
        TEST(who_cannot_take_it_is_told_why),
        TEST(denoising_wants_a_denoiser),
        TEST(an_ordered_job_has_one_worker_and_ascending_frames),
        TEST(orders_are_functions_of_position),
        TEST(an_inspector_is_preferred_to_workers),
        TEST(a_busy_worker_runs_dry_when_nobody_else_inspects),
        TEST(a_drained_worker_gets_nothing_more),
        TEST(a_taken_frame_is_looked_at_again_until_abandoned),
        TEST(a_sighting_that_changes_starts_the_wait_anew),
        TEST(a_million_frames_cost_nothing_until_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
