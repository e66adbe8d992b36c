/* The look at pictures that a person asks for. */

#include "looks.h"

#include <stdio.h>
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

static void verify_only_tells(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_done_job(sim, worker, 300);
    struct queue_verify how = { 0 };
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    sim_step(sim, worker);
    assert_int_equal(looks_piece(sim, worker).frame_count, 256);
    looks_look(sim, worker, 9, "gone");
    looks_look(sim, worker, 290, "broken");
    assert_int_equal(worker->held_count, 0);
    assert_int_equal(sim_events(sim, EVENT_FRAME_WRONG), 2);
    assert_int_equal(sim_events(sim, EVENT_JOB_VERIFIED), 1);
    assert_string_equal(sim->text, "300 looked at, 2 wrong");
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
    assert_int_equal(sim_frame(sim, job, 9).state, FRAME_DONE);
}

static void verify_puts_back_what_is_wrong(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_done_job(sim, worker, 3);
    struct queue_verify how = { .requeue = true, .kept = "/k/.new.blend" };
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    sim_step(sim, worker);
    looks_look(sim, worker, 2, "gone");
    assert_int_equal(sim_events(sim, EVENT_JOB_VERIFIED), 1);
    assert_int_equal(sim_events(sim, EVENT_JOB_RETRIED), 1);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    assert_int_equal(worker->held[0].grant.frame, 2);
    assert_false(queue_kept_gone(sim->queue, job));
    sim_report(worker, 0, REPORT_FINISHED);
    sim_step(sim, worker);
    looks_look(sim, worker, 0, NULL);
    looks_look(sim, worker, 0, NULL);
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
}

static void verify_removes_the_kept_file_when_nothing_was_wrong(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_done_job(sim, worker, 2);
    struct queue_verify how = { .requeue = true, .kept = "/k/.new.blend" };
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    sim_step(sim, worker);
    looks_look(sim, worker, 0, NULL);
    assert_true(looks_piece(sim, worker).ends);
    looks_look(sim, worker, 0, NULL);
    assert_int_equal(worker->held_count, 0);
    assert_true(queue_kept_gone(sim->queue, job));
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
}

static void what_cannot_be_rendered_as_submitted_pauses(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_done_job(sim, worker, 2);
    struct queue_verify how = { .requeue = true, .source_changed = true };
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    sim_step(sim, worker);
    looks_look(sim, worker, 1, "gone");
    struct job_view view = sim_job(sim, job);
    assert_int_equal(view.row->state, JOB_PAUSED);
    assert_string_equal(json_string_value(json_object_get(view.error, "code")), "file-changed");
    assert_int_equal(view.counts.by_state[FRAME_WAITING], 1);
}

static void verify_is_refused_where_it_means_nothing(void **state)
{
    struct sim *sim = *state;
    struct queue_verify how = { .requeue = true };
    assert_int_equal(queue_verify(sim->queue, sim->now, 99, &how, &error), QUEUE_NO_JOB);
    int64_t job = sim_active(sim, "/a", 1, 2, NULL);
    int64_t queued = sim_submit(sim, "/b", NULL);
    assert_int_equal(queue_verify(sim->queue, sim->now, queued, &how, &error), QUEUE_REFUSED);
    assert_string_equal(error.code, "not-inspected");
    assert_int_equal(queue_cancel(sim->queue, sim->now, job, &error), QUEUE_OK);
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_REFUSED);
    assert_string_equal(error.code, "ended");
    how.requeue = false;
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    sim_turn(sim);
    assert_string_equal(sim->text, "0 looked at, 0 wrong");
}

static void what_a_later_job_has_rendered_over_is_that_jobs(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_done_job(sim, worker, 3);
    struct queue_verify how = { 0 };
    for (int later = 0; later < 2; later++) {
        for (int gone = 0; gone < 2; gone++) {
            size_t before = sim_events(sim, EVENT_FRAME_WRONG);
            assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
            sim_step(sim, worker);
            looks_look(sim, worker, 2, gone ? "gone" : "changed");
            assert_int_equal(sim_events(sim, EVENT_FRAME_WRONG) - before, gone || !later);
        }
        if (!later) {
            worker->want = 0;
            worker->job = 0;
            sim_step(sim, worker);
            (void)sim_inspected(sim, "/later", sim_found_at(2, 2, "/out/a_"), NULL, NULL);
            worker->want = 1;
            looks_render(sim, worker, 1);
            looks_look(sim, worker, 0, NULL);
            looks_look(sim, worker, 0, NULL);
        }
    }
}

static void what_verify_finds_wrong_is_no_end_for_a_job(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 3);
    struct queue_verify how = { 0 };
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    looks_look(sim, worker, 0, NULL); /* the last look: all are right */
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    looks_later(sim, worker, 100);
    looks_look(sim, worker, 2, "gone");
    assert_int_equal(sim_events(sim, EVENT_JOB_VERIFIED), 1);
    assert_int_equal(queue_resume(sim->queue, sim->now, job, NULL, &error), QUEUE_OK);
    looks_later(sim, worker, 100);
    assert_false(looks_piece(sim, worker).ends);
    looks_look(sim, worker, 2, "gone");
    assert_int_equal(worker->held[0].grant.kind, CLAIM_RENDER);
    assert_int_equal(worker->held[0].grant.frame, 2);
}

static void what_is_cleared_up_after_a_cancel_is_no_last_look(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 3);
    assert_int_equal(queue_cancel(sim->queue, sim->now, job, &error), QUEUE_OK);
    looks_look(sim, worker, 0, NULL);
    assert_true(looks_piece(sim, worker).ends);
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_OK);
    looks_look(sim, worker, 0, NULL);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    assert_false(looks_piece(sim, worker).ends);
}

static void verify_begins_again_with_another_inspection(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 300);
    sim_report(worker, 0, REPORT_RETURNED);
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    worker->job = 0;
    struct queue_verify how = { 0 };
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    sim_step(sim, worker);
    assert_int_equal(looks_piece(sim, worker).frame_count, 256);
    json_t *file = json_pack("{s:s}", "hash", "bb");
    assert_int_equal(queue_resume(sim->queue, sim->now, job, file, &error), QUEUE_OK);
    json_decref(file);
    worker->want = 0;
    looks_look(sim, worker, 3, "gone"); /* of another list of frames, as far as anybody knows */
    assert_int_equal(sim_events(sim, EVENT_FRAME_WRONG), 0);
    assert_int_equal(sim_events(sim, EVENT_JOB_VERIFIED), 0);
}

static void verify_of_a_running_job_hinders_nobody(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 9, NULL);
    struct sim_worker *worker = looks_ready(sim, "h/1");
    (void)sim_get(sim, worker);
    sim_report(worker, 0, REPORT_FINISHED);
    worker->want = 2;
    struct queue_verify how = { .requeue = true };
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 2);
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    struct sim_worker *other = looks_ready(sim, "h/2");
    other->want = 2;
    sim_step(sim, other);
    assert_int_equal(other->held_count, 2);
    assert_int_equal(other->held[0].grant.kind, CLAIM_SWEEP);
    struct queue_sweep piece = { 0 };
    assert_int_equal(queue_sweep(sim->queue, other->held[0].grant.claim, &piece), QUEUE_OK);
    assert_int_equal(piece.frame_count, 1);
    json_t *wrong = json_pack("[{s:i, s:s, s:s}]", "frame", 1, "code", "gone", "text", "");
    sim_report(other, 0, REPORT_SWEPT);
    other->reports[0].wrong = wrong;
    other->want = 0;
    sim_step(sim, other);
    json_decref(wrong);
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_WAITING);
    assert_int_equal(sim_events(sim, EVENT_JOB_VERIFIED), 1);
}

static void a_verify_that_cannot_look_ends_after_three_tries(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_done_job(sim, worker, 2);
    struct queue_verify how = { 0 };
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    for (int i = 0; i < 3; i++) {
        looks_later(sim, worker, 60000);
        assert_int_equal(worker->held_count, 1);
        sim_error(worker, 0, "output-unwritable", false);
        sim_step(sim, worker);
    }
    assert_int_equal(sim_events(sim, EVENT_JOB_VERIFIED), 1);
    assert_string_equal(sim->text, "0 looked at, 0 wrong; the rest cannot be: it went wrong");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(verify_only_tells),
        TEST(verify_puts_back_what_is_wrong),
        TEST(verify_removes_the_kept_file_when_nothing_was_wrong),
        TEST(what_cannot_be_rendered_as_submitted_pauses),
        TEST(verify_is_refused_where_it_means_nothing),
        TEST(what_a_later_job_has_rendered_over_is_that_jobs),
        TEST(what_verify_finds_wrong_is_no_end_for_a_job),
        TEST(what_is_cleared_up_after_a_cancel_is_no_last_look),
        TEST(verify_begins_again_with_another_inspection),
        TEST(verify_of_a_running_job_hinders_nobody),
        TEST(a_verify_that_cannot_look_ends_after_three_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
