/* Pause, resume, cancel, remove, retry, and what is shown. */

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

static struct queue_error error;

static struct sim_worker *ready(struct sim *sim, const char *name)
{
    struct sim_worker *worker = sim_worker(sim, name);
    sim_ready(sim, worker);
    sim_turn(sim);
    return worker;
}

/* Renders and sweeps until it gets nothing more. */
static void render_all(struct sim *sim, struct sim_worker *worker)
{
    worker->want = 1;
    for (int i = 0; i < 500; i++) {
        sim_step(sim, worker);
        if (worker->answered && worker->answer.orders.give_back && worker->held_count == 0) {
            worker->job = 0;
        } else if (worker->held_count == 0 && worker->report_count == 0) {
            return;
        }
        while (worker->held_count > 0) {
            bool sweep = worker->held[0].grant.kind == CLAIM_SWEEP;
            sim_report(worker, 0, sweep ? REPORT_SWEPT : REPORT_FINISHED);
        }
    }
    fail();
}

static void a_paused_job_gives_nothing_and_goes_on(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    worker->want = 2;
    sim_step(sim, worker);
    sim_step(sim, worker);
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_SAME);
    sim_turn(sim);
    sim_report(worker, 0, REPORT_FINISHED);
    sim_report(worker, 0, REPORT_RETURNED);
    sim_step(sim, worker);
    assert_true(worker->answer.orders.give_back);
    assert_int_equal(worker->held_count, 0);
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_DONE], 1);
    assert_int_equal(queue_resume(sim->queue, sim->now, job, NULL, &error), QUEUE_OK);
    assert_int_equal(queue_resume(sim->queue, sim->now, job, NULL, &error), QUEUE_SAME);
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 2);
}

static void a_pause_during_inspection_keeps_its_result(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_submit(sim, "/a", NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    json_t *found = sim_found(1, 5);
    sim_report(worker, 0, REPORT_INSPECTED);
    worker->reports[0].found = found;
    sim_step(sim, worker);
    json_decref(found);
    assert_int_equal(sim_job(sim, job).row->state, JOB_PAUSED);
    assert_true(sim_job(sim, job).counted);
    assert_int_equal(queue_resume(sim->queue, sim->now, job, NULL, &error), QUEUE_OK);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    sim_turn(sim);
}

static void a_resume_during_inspection_waits_for_its_result(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_submit(sim, "/a", NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    assert_int_equal(queue_resume(sim->queue, sim->now, job, NULL, &error), QUEUE_OK);
    assert_int_equal(sim_job(sim, job).row->state, JOB_INSPECTING);
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 1);
}

static void a_cancelled_job_stops_its_claims(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    struct sim_worker *other = ready(sim, "h/2");
    (void)sim_get(sim, worker);
    (void)sim_get(sim, other);
    worker->want = 0;
    sim_step(sim, worker);
    assert_int_equal(queue_cancel(sim->queue, sim->now, job, &error), QUEUE_OK);
    assert_int_equal(queue_cancel(sim->queue, sim->now, job, &error), QUEUE_SAME);
    sim_turn(sim);
    sim_check(sim);
    assert_int_equal(worker->answer.orders.stop_count, 1);
    assert_int_equal(worker->answer.orders.stop[0], worker->held[0].grant.claim);
    sim_report(worker, 0, REPORT_RETURNED);
    sim_step(sim, worker);
    sim_report(other, 0, REPORT_FINISHED); /* it came first: it counts */
    other->want = 0;
    sim_step(sim, other);
    struct job_view view = sim_job(sim, job);
    assert_int_equal(view.counts.by_state[FRAME_CANCELLED], 49);
    assert_int_equal(view.counts.by_state[FRAME_DONE], 1);
    assert_int_equal(sim_frame(sim, job, 40).state, FRAME_CANCELLED);
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_OK);
    view = sim_job(sim, job);
    assert_int_equal(view.row->state, JOB_ACTIVE);
    assert_int_equal(view.counts.by_state[FRAME_WAITING], 49);
    sim_turn(sim);
    sim_check(sim);
}

static void retry_puts_back_failed_frames_and_all_renders_over(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 3, json_pack("{s:i}", "attempts", 1));
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    sim_error(worker, 0, "crashed", false);
    render_all(sim, worker);
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_OK);
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_WAITING], 1);
    assert_int_equal(sim_frame(sim, job, 1).attempts, 0);
    assert_null(sim_job(sim, job).error);
    render_all(sim, worker);
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_SAME);
    sim->retrying = true;
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_ALL, &error), QUEUE_OK);
    sim_turn(sim);
    sim->retrying = false;
    size_t held = sim_get(sim, worker);
    assert_true(worker->held[held].grant.again);
    assert_int_equal(worker->held[held].grant.frame, 1);
    sim_restart(sim);
    assert_true(sim_frame(sim, job, 2).again);
    sim_report(worker, held, REPORT_FINISHED);
    render_all(sim, worker);
    assert_false(sim_frame(sim, job, 2).again);
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
}

static void two_fatal_errors_fail_the_job_as_a_whole(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 50, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    struct sim_worker *agrees = ready(sim, "h/2");
    struct sim_worker *other = ready(sim, "h/3");
    (void)sim_get(sim, worker);
    (void)sim_get(sim, agrees);
    (void)sim_get(sim, other);
    sim_error(worker, 0, "no-camera", true);
    sim_step(sim, worker);
    sim_error(agrees, 0, "no-camera", true);
    sim_step(sim, agrees);
    struct job_view view = sim_job(sim, job);
    assert_int_equal(view.row->state, JOB_FAILED);
    assert_int_equal(view.counts.by_state[FRAME_WAITING], 49);
    assert_int_equal(view.counts.by_state[FRAME_CLAIMED], 1);
    assert_string_equal(json_string_value(json_object_get(view.error, "code")), "no-camera");
    sim_report(other, 0, REPORT_FINISHED);
    sim_step(sim, other);
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_DONE], 1);
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_OK);
    render_all(sim, other);
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
}

static void a_fatal_inspection_fails_the_job_at_once(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_submit(sim, "/a", NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    sim_error(worker, 0, "file-truncated", true);
    worker->want = 0;
    sim_step(sim, worker);
    struct job_view view = sim_job(sim, job);
    assert_int_equal(view.row->state, JOB_FAILED);
    assert_false(view.counted);
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_OK);
    assert_int_equal(sim_job(sim, job).row->state, JOB_QUEUED);
    sim_turn(sim);
}

static void an_inspection_that_fails_is_tried_again(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_submit(sim, "/a", NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    for (int i = 0; i < 3; i++) {
        (void)sim_get(sim, worker);
        assert_int_equal(worker->held[0].grant.kind, CLAIM_INSPECT);
        sim_error(worker, 0, "crashed", false);
    }
    worker->want = 0;
    sim_step(sim, worker);
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
}

static void a_changed_file_pauses_the_job_until_it_is_accepted(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    sim_error(worker, 0, "file-changed", false);
    worker->want = 0;
    sim_step(sim, worker);
    assert_int_equal(sim_job(sim, job).row->state, JOB_PAUSED);
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_WAITING);
    assert_int_equal(sim_frame(sim, job, 1).attempts, 0);
    json_t *file = json_pack("{s:i, s:i, s:s}", "size", 7, "mtime_ns", 8, "hash", "bb");
    assert_int_equal(queue_resume(sim->queue, sim->now, job, file, &error), QUEUE_OK);
    json_decref(file);
    assert_int_equal(sim_job(sim, job).row->state, JOB_QUEUED);
    assert_null(sim_job(sim, job).error);
    worker->want = 1;
    worker->job = 0;
    (void)sim_get(sim, worker);
    json_t *found = sim_found(1, 3);
    sim_report(worker, 0, REPORT_INSPECTED);
    worker->reports[0].found = found;
    sim_step(sim, worker);
    json_decref(found);
    assert_int_equal(sim_job(sim, job).counts.total, 3);
}

static int64_t same_as(struct sim *sim, const char *hash, const char *output)
{
    json_t *spec = sim_spec("/a", json_pack("{s:s}", "output", output));
    json_object_set_new(spec, "hash", json_string(hash));
    int64_t job = queue_same(sim->queue, spec, true);
    json_decref(spec);
    return job;
}

/* Of many jobs of one file each is found by what it renders, also after a restart. */
static void jobs_of_one_file_are_told_apart(void **state)
{
    struct sim *sim = *state;
    int64_t a = sim_submit(sim, "/a", json_pack("{s:s}", "output", "/out/a_##"));
    int64_t b = sim_submit(sim, "/a", json_pack("{s:s}", "output", "/out/b_##"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(same_as(sim, "aa", "/out/a_##"), a);
        assert_int_equal(same_as(sim, "aa", "/out/b_##"), b);
        assert_int_equal(same_as(sim, "aa", "/out/c_##"), 0);
        sim_turn(sim);
        sim_restart(sim);
    }
    json_t *file = json_pack("{s:s}", "hash", "bb");
    assert_int_equal(queue_pause(sim->queue, sim->now, a, &error), QUEUE_OK);
    assert_int_equal(queue_resume(sim->queue, sim->now, a, file, &error), QUEUE_OK);
    json_decref(file);
    assert_int_equal(same_as(sim, "aa", "/out/a_##"), 0);
    assert_int_equal(same_as(sim, "bb", "/out/a_##"), a);
    int64_t again =
        sim_submit(sim, "/a", json_pack("{s:s, s:b}", "output", "/out/b_##", "again", 1));
    assert_int_equal(same_as(sim, "aa", "/out/b_##"), again);
    assert_int_equal(queue_remove(sim->queue, sim->now, again, &error), QUEUE_OK);
    assert_int_equal(same_as(sim, "aa", "/out/b_##"), b);
}

static void a_sweep_is_no_inspection_to_go_on_with(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 1, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    sim_report(worker, sim_get(sim, worker), REPORT_FINISHED);
    size_t sweep = sim_get(sim, worker);
    assert_int_equal(worker->held[sweep].grant.kind, CLAIM_SWEEP);
    json_t *file = json_pack("{s:s}", "hash", "bb");
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    assert_int_equal(queue_resume(sim->queue, sim->now, job, file, &error), QUEUE_OK);
    assert_int_equal(sim_job(sim, job).row->state, JOB_QUEUED);
    json_decref(file);
}

static void what_was_cancelled_before_a_new_inspection_is_retried(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    json_t *file = json_pack("{s:s}", "hash", "bb");
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    assert_int_equal(queue_resume(sim->queue, sim->now, job, file, &error), QUEUE_OK);
    assert_int_equal(queue_cancel(sim->queue, sim->now, job, &error), QUEUE_OK);
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_OK);
    sim_turn(sim);
    worker->job = 0;
    sim_step(sim, worker); /* its claim is stale, and it inspects */
    json_t *found = sim_found(1, 5);
    sim_report(worker, 0, REPORT_INSPECTED);
    worker->reports[0].found = found;
    worker->want = 0;
    sim_step(sim, worker);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_WAITING], 5);
    json_decref(found);
    json_decref(file);
}

static void frames_that_are_no_more_go_with_their_claims(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 5, json_pack("{s:s}", "order", "last"));
    struct sim_worker *worker = ready(sim, "h/1");
    struct sim_worker *other = ready(sim, "h/2");
    (void)sim_get(sim, other);
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    json_t *file = json_pack("{s:s}", "hash", "bb");
    assert_int_equal(queue_resume(sim->queue, sim->now, job, file, &error), QUEUE_OK);
    json_decref(file);
    sim_turn(sim);
    sim_restart(sim);
    sim_step(sim, worker);
    (void)sim_get(sim, worker);
    json_t *found = sim_found(1, 3);
    sim_report(worker, 0, REPORT_INSPECTED);
    worker->reports[0].found = found;
    worker->want = 0;
    sim_step(sim, worker);
    json_decref(found);
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_CLAIMED], 0);
    other->want = 0;
    sim_step(sim, other); /* READY-AGAIN, READY */
    sim_step(sim, other);
    assert_int_equal(other->held_count, 0);
    sim_restart(sim);
    sim_check(sim);
}

static void a_claim_of_the_old_file_is_taken_away_at_once(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t claim = worker->held[sim_get(sim, worker)].grant.claim;
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    worker->want = 0;
    sim_step(sim, worker);
    sim_step(sim, worker);
    assert_false(worker->answered);
    json_t *file = json_pack("{s:s}", "hash", "bb");
    assert_int_equal(queue_resume(sim->queue, sim->now, job, file, &error), QUEUE_OK);
    json_decref(file);
    sim_turn(sim);
    assert_true(worker->answered);
    assert_int_equal(worker->answer.stale[0], claim);
    assert_int_equal(sim_job(sim, job).live_claims, 0);
}

static void a_removed_job_is_gone_when_its_last_claim_is(void **state)
{
    struct sim *sim = *state;
    struct job_view view;
    int64_t job = sim_active(sim, "/a", 1, 5, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    assert_int_equal(queue_remove(sim->queue, sim->now, job, &error), QUEUE_OK);
    assert_int_equal(queue_job(sim->queue, sim->now, job, &view), QUEUE_NO_JOB);
    assert_int_equal(queue_remove(sim->queue, sim->now, job, &error), QUEUE_NO_JOB);
    sim_turn(sim);
    assert_non_null(map_get(&sim->jobs, job));
    sim_restart(sim);
    assert_int_equal(queue_job(sim->queue, sim->now, job, &view), QUEUE_NO_JOB);
    sim_step(sim, worker);
    sim_step(sim, worker);
    assert_int_equal(worker->answer.orders.stop_count, 1);
    sim_report(worker, 0, REPORT_RETURNED);
    worker->job = 0;
    sim_step(sim, worker);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_SWEEP);
    sim_report(worker, 0, REPORT_SWEPT);
    sim_step(sim, worker);
    assert_null(map_get(&sim->jobs, job));
    assert_int_equal(sim->frames.count, 0);
    assert_true(sim_submit(sim, "/a", NULL) > job); /* a number is never used twice */
}

static void ended_jobs_leave_after_keep(void **state)
{
    struct sim *sim = *state;
    struct job_view view;
    int64_t job = sim_active(sim, "/a", 1, 1, NULL);
    render_all(sim, ready(sim, "h/1"));
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
    sim_pass(sim, 30LL * 86400 * 1000 - 1000);
    (void)queue_expire(sim->queue, sim->now);
    sim_turn(sim);
    assert_int_equal(queue_job(sim->queue, sim->now, job, &view), QUEUE_OK);
    sim_pass(sim, 61000);
    sim_turn(sim);
    assert_int_equal(queue_job(sim->queue, sim->now, job, &view), QUEUE_NO_JOB);
}

static void clear_forgets_what_has_ended(void **state)
{
    struct sim *sim = *state;
    int64_t first = sim_active(sim, "/a", 1, 1, NULL);
    render_all(sim, ready(sim, "h/1"));
    int64_t second = sim_active(sim, "/b", 1, 1, NULL);
    assert_int_equal(queue_clear(sim->queue, sim->now), 1);
    assert_int_equal(queue_job_next(sim->queue, 0), second);
    sim_turn(sim);
    assert_null(map_get(&sim->jobs, first));
}

static void the_priority_survives_a_restart(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 1, NULL);
    assert_int_equal(queue_priority(sim->queue, sim->now, job, 101, &error), QUEUE_REFUSED);
    assert_int_equal(queue_priority(sim->queue, sim->now, job, 7, &error), QUEUE_OK);
    assert_int_equal(queue_priority(sim->queue, sim->now, job, 7, &error), QUEUE_SAME);
    sim_turn(sim);
    sim_restart(sim);
    assert_int_equal(sim_job(sim, job).priority, 7);
}

struct seen {
    int count;
    enum worker_state states[8];
    size_t frames[8];
};

static void see(void *arg, const struct worker_view *worker)
{
    struct seen *seen = arg;
    seen->states[seen->count] = worker->state;
    seen->frames[seen->count++] = worker->frame_count;
}

static struct seen look(struct sim *sim)
{
    struct seen seen = { 0 };
    queue_workers(sim->queue, sim->now, see, &seen);
    return seen;
}

static void workers_are_listed_by_name(void **state)
{
    struct sim *sim = *state;
    (void)sim_active(sim, "/a", 1, 50, NULL); /* its inspector is not listed */
    assert_int_equal(look(sim).count, 0);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    assert_int_equal(look(sim).count, 1);
    assert_int_equal(look(sim).frames[0], 1);
    queue_gone(sim->queue, sim->now, worker->session);
    sim_turn(sim);
    assert_int_equal(look(sim).states[0], WORKER_LOST);
    (void)ready(sim, "h/1"); /* another process of that name */
    assert_int_equal(look(sim).count, 1);
    assert_int_equal(look(sim).states[0], WORKER_STARTING);
    struct sim_worker *third = ready(sim, "h/3");
    queue_gone(sim->queue, sim->now, third->session);
    assert_int_equal(look(sim).count, 2);
    sim_pass(sim, 3600001);
    assert_int_equal(look(sim).count, 1);
    sim_turn(sim);
}

static void a_worker_that_left_is_not_listed(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    worker->leave = true;
    sim_step(sim, worker);
    assert_int_equal(look(sim).count, 0);
}

static void time_left_is_known_after_a_frame(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 11, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    assert_int_equal(sim_job(sim, job).eta_s, -1);
    sim_report(worker, 0, REPORT_FINISHED);
    worker->reports[0].ms = 2000;
    sim_step(sim, worker);
    assert_int_equal(sim_job(sim, job).median_ms, 2000);
    assert_int_equal(sim_job(sim, job).eta_s, 20);
    sim_restart(sim);
    assert_int_equal(sim_job(sim, job).median_ms, 2000);
}

static void the_description_is_that_of_the_protocol(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 11, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    json_t *about = queue_describe(sim->queue, job, CLAIM_RENDER);
    assert_string_equal(json_string_value(json_object_get(about, "file")), "/a");
    assert_string_equal(json_string_value(json_object_get(about, "blender")), "3.4");
    assert_non_null(json_object_get(about, "found"));
    json_decref(about);
    about = queue_describe(sim->queue, job, CLAIM_INSPECT);
    assert_null(json_object_get(about, "found"));
    json_decref(about);
    about = queue_describe(sim->queue, job, CLAIM_SWEEP);
    assert_non_null(json_object_get(about, "kept"));
    json_decref(about);
    (void)sim_active(sim, "/b", 1, 2, NULL); /* the same kept file: not to be removed */
    about = queue_describe(sim->queue, job, CLAIM_SWEEP);
    assert_null(json_object_get(about, "kept"));
    json_decref(about);
    assert_null(queue_describe(sim->queue, 99, CLAIM_SWEEP));
}

static void a_damaged_ledger_is_refused(void **state)
{
    struct sim *sim = *state;
    const char *text = NULL;
    json_t *spec = sim_spec("/a", NULL);
    struct job_row row = { .job = 500,
                           .state = JOB_INSPECTING,
                           .spec = spec,
                           .claim = 9,
                           .claim_kind = CLAIM_INSPECT,
                           .claim_outcome = OUTCOME_LIVE };
    assert_true(queue_load_job(sim->queue, &row, &text) < 0);
    assert_non_null(text);
    row.claim_outcome = OUTCOME_NONE;
    row.job = 0;
    assert_true(queue_load_job(sim->queue, &row, &text) < 0);
    struct frame_row frame = { .job = 500, .frame = 1 };
    assert_true(queue_load_frame(sim->queue, &frame, &text) < 0);
    json_decref(spec);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_paused_job_gives_nothing_and_goes_on),
        TEST(a_pause_during_inspection_keeps_its_result),
        TEST(a_resume_during_inspection_waits_for_its_result),
        TEST(a_cancelled_job_stops_its_claims),
        TEST(retry_puts_back_failed_frames_and_all_renders_over),
        TEST(two_fatal_errors_fail_the_job_as_a_whole),
        TEST(a_fatal_inspection_fails_the_job_at_once),
        TEST(an_inspection_that_fails_is_tried_again),
        TEST(a_changed_file_pauses_the_job_until_it_is_accepted),
        TEST(jobs_of_one_file_are_told_apart),
        TEST(a_sweep_is_no_inspection_to_go_on_with),
        TEST(what_was_cancelled_before_a_new_inspection_is_retried),
        TEST(frames_that_are_no_more_go_with_their_claims),
        TEST(a_claim_of_the_old_file_is_taken_away_at_once),
        TEST(a_removed_job_is_gone_when_its_last_claim_is),
        TEST(ended_jobs_leave_after_keep),
        TEST(clear_forgets_what_has_ended),
        TEST(the_priority_survives_a_restart),
        TEST(workers_are_listed_by_name),
        TEST(a_worker_that_left_is_not_listed),
        TEST(time_left_is_known_after_a_frame),
        TEST(the_description_is_that_of_the_protocol),
        TEST(a_damaged_ledger_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
