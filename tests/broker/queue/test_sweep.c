/* Leftovers, the last look at every picture, and the look that a person asks for. */

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

/* Gets and finishes this many frames, so that a look may follow; the next claim is not reported. */
static void render(struct sim *sim, struct sim_worker *worker, int frames)
{
    for (int i = 0; i < frames; i++) {
        (void)sim_get(sim, worker);
        assert_int_equal(worker->held[0].grant.kind, CLAIM_RENDER);
        sim_report(worker, 0, REPORT_FINISHED);
    }
    sim_step(sim, worker);
}

/* A job whose frames 1 to count are done, its first look in the worker's hands. */
static int64_t looked_at(struct sim *sim, struct sim_worker *worker, int count)
{
    int64_t job = sim_active(sim, "/a", 1, count, NULL);
    render(sim, worker, count);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_SWEEP);
    return job;
}

static struct queue_sweep piece_of(struct sim *sim, const struct sim_worker *worker)
{
    struct queue_sweep out = { 0 };
    assert_int_equal(worker->held_count, 1);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_SWEEP);
    assert_int_equal(queue_sweep(sim->queue, worker->held[0].grant.claim, &out), QUEUE_OK);
    return out;
}

/* The worker looks, and finds one frame wrong (0: none); then it asks for more. */
static void look(struct sim *sim, struct sim_worker *worker, int frame, const char *code)
{
    json_t *wrong = frame == 0 ? NULL
                               : json_pack("[{s:i, s:s, s:s}]", "frame", frame, "code", code,
                                           "text", "/out/x.png: why");
    sim_report(worker, 0, REPORT_SWEPT);
    worker->reports[worker->report_count - 1].wrong = wrong;
    sim_step(sim, worker);
    json_decref(wrong);
}

/* Time goes by, and the worker asks again. */
static void later(struct sim *sim, struct sim_worker *worker, int64_t ms)
{
    sim_pass(sim, ms);
    sim_turn(sim);
    sim_step(sim, worker);
}

static void expect_done(struct sim *sim, struct sim_worker *worker, int64_t job)
{
    struct queue_sweep piece = piece_of(sim, worker);
    assert_true(piece.ends);
    assert_int_equal(piece.frame_count, 0);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    look(sim, worker, 0, NULL);
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
    assert_true(queue_kept_gone(sim->queue, job));
    assert_int_equal(sim_events(sim, EVENT_JOB_DONE), 1);
}

static void a_job_is_done_only_after_a_last_look(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = looked_at(sim, worker, 3);
    struct queue_sweep piece = piece_of(sim, worker);
    assert_int_equal(piece.frame_count, 3);
    assert_true(piece.frames[0] == 1 && piece.frames[1] == 2 && piece.frames[2] == 3);
    assert_false(piece.ends);
    look(sim, worker, 0, NULL);
    expect_done(sim, worker, job);
    assert_true(sim_job(sim, job).row->finished_at > 0);
    assert_int_equal(sim_events(sim, EVENT_FRAME_DONE), 3);
    assert_int_equal(sim_events(sim, EVENT_FRAME_WRONG), 0);
}

static void many_frames_are_looked_at_in_pieces(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = looked_at(sim, worker, 600);
    static const int32_t first[] = { 1, 257, 513 };
    static const size_t count[] = { 256, 256, 88 };
    for (size_t i = 0; i < 3; i++) {
        struct queue_sweep piece = piece_of(sim, worker);
        assert_int_equal(piece.frame_count, count[i]);
        assert_int_equal(piece.frames[0], first[i]);
        assert_int_equal(piece.live_count, 0);
        look(sim, worker, 0, NULL);
    }
    expect_done(sim, worker, job);
}

static void a_piece_is_smaller_where_a_frame_has_many_files(void **state)
{
    struct sim *sim = *state;
    json_t *found = sim_found(1, 200);
    json_t *outputs = json_object_get(found, "outputs");
    for (int i = 0; i < 15; i++) {
        char head[32];
        (void)snprintf(head, sizeof head, "/out/v%d_", i);
        json_array_append_new(outputs, json_pack("{s:s, s:s, s:i, s:s}", "view", "", "head", head,
                                                 "digits", 4, "tail", ".png"));
    }
    (void)sim_inspected(sim, "/a", found, NULL, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    render(sim, worker, 200);
    assert_int_equal(piece_of(sim, worker).frame_count, 64);
}

static void a_prover_that_stops_early_goes_on_where_it_stopped(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = looked_at(sim, worker, 10);
    sim_report(worker, 0, REPORT_SWEPT);
    worker->reports[0].partly = true;
    worker->reports[0].last = 4;
    sim_step(sim, worker);
    struct queue_sweep piece = piece_of(sim, worker);
    assert_int_equal(piece.frame_count, 6);
    assert_int_equal(piece.frames[0], 5);
    look(sim, worker, 0, NULL);
    expect_done(sim, worker, job);
}

static void a_wrong_frame_is_rendered_again(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = looked_at(sim, worker, 5);
    look(sim, worker, 2, "gone");
    assert_int_equal(sim_events(sim, EVENT_FRAME_WRONG), 1);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_RENDER);
    assert_int_equal(worker->held[0].grant.frame, 2);
    assert_false(worker->held[0].grant.again);
    assert_int_equal(worker->held[0].grant.attempt, 1);
    json_t *why = sim_frame(sim, job, 2).error;
    assert_string_equal(json_string_value(json_object_get(why, "code")), "gone");
    sim_report(worker, 0, REPORT_FINISHED);
    sim_step(sim, worker);
    assert_int_equal(piece_of(sim, worker).frame_count, 5); /* all once more */
    look(sim, worker, 0, NULL);
    expect_done(sim, worker, job);
    assert_null(sim_frame(sim, job, 2).error);
}

static void what_goes_wrong_three_times_running_is_failed(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = looked_at(sim, worker, 3);
    for (int i = 0; i < 2; i++) {
        look(sim, worker, 2, "broken");
        assert_int_equal(sim_frame(sim, job, 2).state, FRAME_CLAIMED);
        sim_report(worker, 0, REPORT_FINISHED);
        sim_step(sim, worker);
    }
    look(sim, worker, 2, "broken");
    struct frame_row row = sim_frame(sim, job, 2);
    assert_int_equal(row.state, FRAME_FAILED);
    assert_string_equal(json_string_value(json_object_get(row.error, "code")), "bad-picture");
    assert_true(piece_of(sim, worker).ends);
    look(sim, worker, 0, NULL);
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
    assert_int_equal(sim_events(sim, EVENT_FRAME_FAILED), 1);
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_OK);
    sim_step(sim, worker);
    sim_report(worker, 0, REPORT_FINISHED);
    sim_step(sim, worker);
    look(sim, worker, 2, "broken"); /* it begins to count anew */
    assert_int_equal(sim_frame(sim, job, 2).state, FRAME_CLAIMED);
}

static void a_look_that_finds_it_right_ends_the_count(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = looked_at(sim, worker, 3);
    static const int wrong[] = { 1, 1, 2, 1, 1, 3 };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        look(sim, worker, wrong[i], "changed");
        assert_int_equal(worker->held[0].grant.frame, wrong[i]);
        sim_report(worker, 0, REPORT_FINISHED);
        sim_step(sim, worker);
    }
    look(sim, worker, 0, NULL);
    expect_done(sim, worker, job);
}

static void the_look_goes_on_while_wrong_frames_are_rendered(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    struct sim_worker *other = ready(sim, "h/2");
    other->want = 0;
    sim_step(sim, other);
    int64_t job = looked_at(sim, worker, 300);
    look(sim, worker, 7, "gone");
    assert_int_equal(piece_of(sim, worker).frames[0], 257);
    other->want = 1;
    sim_step(sim, other);
    assert_int_equal(other->held[0].grant.frame, 7);
    look(sim, worker, 0, NULL);
    assert_int_equal(worker->held_count, 0); /* frame 7 has to be looked at, so not the end */
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    sim_report(other, 0, REPORT_FINISHED);
    other->want = 0;
    sim_step(sim, other);
    sim_step(sim, worker);
    assert_int_equal(piece_of(sim, worker).frames[0], 1);
}

static void what_was_rendered_since_the_grant_is_not_meant(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    struct sim_worker *other = ready(sim, "h/2");
    other->want = 0;
    sim_step(sim, other);
    int64_t job = looked_at(sim, worker, 2);
    sim->retrying = true;
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_ALL, &error), QUEUE_OK);
    sim_turn(sim);
    sim->retrying = false;
    other->want = 1;
    render(sim, other, 2);
    assert_int_equal(piece_of(sim, worker).frame_count, 0);
    look(sim, worker, 1, "gone"); /* it was so when the prover looked */
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_DONE);
    assert_int_equal(sim_events(sim, EVENT_FRAME_WRONG), 0);
    bool mine = worker->held_count == 1;
    assert_int_equal(piece_of(sim, mine ? worker : other).frame_count, 2); /* looked at anew */
}

static void a_restart_begins_the_look_again(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = looked_at(sim, worker, 300);
    look(sim, worker, 0, NULL);
    assert_int_equal(piece_of(sim, worker).frames[0], 257);
    sim_restart(sim);
    sim_step(sim, worker);
    sim_step(sim, worker);
    look(sim, worker, 270, "gone"); /* nobody knows any more what that claim was for */
    assert_int_equal(sim_frame(sim, job, 270).state, FRAME_DONE);
    assert_int_equal(piece_of(sim, worker).frames[0], 1);
    look(sim, worker, 0, NULL);
    look(sim, worker, 0, NULL);
    expect_done(sim, worker, job);
}

static void a_look_that_cannot_be_waits_and_says_why(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = looked_at(sim, worker, 20);
    for (int i = 0; i < 10; i++) {
        sim_error(worker, 0, "output-unwritable", false);
        sim_step(sim, worker);
        assert_int_equal(worker->held_count, 0);
        struct job_view view = sim_job(sim, job);
        assert_int_equal(view.row->state, JOB_ACTIVE);
        const char *text = json_string_value(json_object_get(view.error, "text"));
        assert_non_null(strstr(text, "it went wrong"));
        assert_true(queue_deadline(sim->queue, sim->now) <= sim->now.ms + 60000);
        later(sim, worker, i < 6 ? 1000 << i : 60000);
    }
    look(sim, worker, 0, NULL);
    assert_null(sim_job(sim, job).error);
    while (!piece_of(sim, worker).ends) {
        look(sim, worker, 0, NULL);
    }
    expect_done(sim, worker, job);
}

static void a_picture_of_which_provers_die_is_found(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = looked_at(sim, worker, 300);
    for (int i = 0; i < 40 && sim_events(sim, EVENT_FRAME_WRONG) == 0; i++) {
        struct queue_sweep piece = piece_of(sim, worker);
        bool dies = false;
        for (size_t k = 0; k < piece.frame_count; k++) {
            dies = dies || piece.frames[k] == 11;
        }
        if (dies) {
            sim_error(worker, 0, "crashed", false);
        } else {
            sim_report(worker, 0, REPORT_SWEPT);
        }
        sim_step(sim, worker);
        later(sim, worker, 60000);
    }
    assert_int_equal(sim_events(sim, EVENT_FRAME_WRONG), 1);
    assert_true(sim_frame(sim, job, 11).state != FRAME_DONE);
    assert_int_equal(sim_frame(sim, job, 10).state, FRAME_DONE);
}

static void the_end_waits_for_somebody_who_can_look(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 2, NULL);
    struct sim_worker *blind = sim_worker(sim, "h/1");
    blind->no_sweeps = true;
    sim_ready(sim, blind);
    sim_turn(sim);
    render(sim, blind, 2);
    assert_int_equal(blind->held_count, 0);
    struct job_view view = sim_job(sim, job);
    assert_int_equal(view.row->state, JOB_ACTIVE);
    assert_string_equal(json_string_value(json_object_get(view.error, "code")), "worker-missing");
    struct sim_worker *inspector = sim_worker(sim, "h/none");
    inspector->kind = DEVICE_NONE;
    sim_ready(sim, inspector);
    sim_step(sim, inspector);
    assert_null(sim_job(sim, job).error);
    look(sim, inspector, 0, NULL);
    expect_done(sim, inspector, job);
}

static void the_end_is_tried_three_times_and_then_only_warned_of(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = looked_at(sim, worker, 1);
    look(sim, worker, 0, NULL);
    for (int i = 0; i < 3; i++) {
        assert_true(piece_of(sim, worker).ends);
        sim_error(worker, 0, "output-unwritable", false);
        sim_step(sim, worker);
    }
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
    assert_int_equal(json_array_size(sim_job(sim, job).row->warnings), 1);
}

static void a_cancelled_job_is_not_looked_at_any_more(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = looked_at(sim, worker, 300);
    assert_int_equal(queue_cancel(sim->queue, sim->now, job, &error), QUEUE_OK);
    look(sim, worker, 3, "gone");
    assert_int_equal(sim_frame(sim, job, 3).state, FRAME_DONE);
    assert_int_equal(sim_events(sim, EVENT_FRAME_WRONG), 0);
    assert_true(piece_of(sim, worker).ends);
    look(sim, worker, 0, NULL);
    assert_int_equal(worker->held_count, 0);
    assert_true(queue_kept_gone(sim->queue, job));
}

/* ---- leftovers ---- */

/* A job that has just become active; nobody has swept. */
static int64_t begun(struct sim *sim, int32_t frames)
{
    int64_t job = sim_submit(sim, "/a", NULL);
    struct sim_worker *inspector = sim_worker(sim, "h/i");
    inspector->no_sweeps = true;
    sim_ready(sim, inspector);
    size_t held = sim_get(sim, inspector);
    json_t *found = sim_found(1, frames);
    sim_report(inspector, held, REPORT_INSPECTED);
    inspector->reports[0].found = found;
    inspector->want = 0;
    inspector->leave = true;
    sim_step(sim, inspector);
    json_decref(found);
    return job;
}

static void leftovers_are_for_those_who_have_nothing_better_to_do(void **state)
{
    struct sim *sim = *state;
    (void)begun(sim, 3);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_RENDER);
    struct sim_worker *idle = ready(sim, "h/2");
    idle->want = 4;
    sim_step(sim, idle);
    assert_int_equal(idle->held_count, 2); /* one frame, one is left to the others */
    assert_int_equal(idle->held[0].grant.kind, CLAIM_RENDER);
    struct queue_sweep piece = { 0 };
    assert_int_equal(queue_sweep(sim->queue, idle->held[0].grant.claim, &piece), QUEUE_EMPTY);
    assert_int_equal(queue_sweep(sim->queue, idle->held[1].grant.claim, &piece), QUEUE_OK);
    assert_int_equal(piece.frame_count, 0);
    assert_false(piece.ends);
    assert_int_equal(piece.live_count, 2);
    assert_int_equal(piece.live[0], worker->held[0].grant.claim);
    assert_int_equal(piece.live[1], idle->held[0].grant.claim);
    sim_report(idle, 1, REPORT_SWEPT);
    sim_step(sim, idle);
    assert_int_equal(idle->held_count, 1); /* nothing is swept twice */
}

static void an_inspector_takes_leftovers_where_there_is_one(void **state)
{
    struct sim *sim = *state;
    (void)begun(sim, 1);
    struct sim_worker *inspector = sim_worker(sim, "h/none");
    inspector->kind = DEVICE_NONE;
    inspector->want = 0;
    sim_ready(sim, inspector);
    sim_step(sim, inspector);
    struct sim_worker *worker = ready(sim, "h/1");
    worker->want = 4;
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 1);
    inspector->want = 1;
    sim_step(sim, inspector);
    assert_false(piece_of(sim, inspector).ends);
}

static void who_dies_with_a_frame_leaves_something(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 9, NULL);
    struct sim_worker *dies = ready(sim, "h/1");
    struct sim_worker *lives = ready(sim, "h/2");
    for (int started = 0; started < 2; started++) {
        (void)sim_get(sim, dies);
        if (started) {
            sim_report(dies, 0, REPORT_STARTED);
            sim_step(sim, dies);
        }
        queue_gone(sim->queue, sim->now, dies->session);
        dies->held_count = 0;
        dies->job = 0;
        dies->session = 0;
        sim_turn(sim);
        lives->want = 4;
        sim_step(sim, lives);
        size_t sweeps = 0;
        for (size_t i = 0; i < lives->held_count; i++) {
            sweeps += lives->held[i].grant.kind == CLAIM_SWEEP;
        }
        assert_int_equal(sweeps, (size_t)started);
        while (lives->held_count > 0) {
            bool sweep = lives->held[0].grant.kind == CLAIM_SWEEP;
            sim_report(lives, 0, sweep ? REPORT_SWEPT : REPORT_RETURNED);
        }
        lives->want = 0;
        sim_step(sim, lives);
        dies->seq += 100;
        dies->id[0] = 'a'; /* a new process of the same name */
        sim_ready(sim, dies);
        sim_turn(sim);
    }
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
}

/* ---- a person asks ---- */

/* A job of this many done frames that has ended. */
static int64_t done_job(struct sim *sim, struct sim_worker *worker, int count)
{
    int64_t job = looked_at(sim, worker, count);
    while (worker->held_count > 0) {
        look(sim, worker, 0, NULL);
    }
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
    return job;
}

static void verify_only_tells(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = done_job(sim, worker, 300);
    struct queue_verify how = { 0 };
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    sim_step(sim, worker);
    assert_int_equal(piece_of(sim, worker).frame_count, 256);
    look(sim, worker, 9, "gone");
    look(sim, worker, 290, "broken");
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
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = done_job(sim, worker, 3);
    struct queue_verify how = { .requeue = true, .kept = "/k/.new.blend" };
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    sim_step(sim, worker);
    look(sim, worker, 2, "gone");
    assert_int_equal(sim_events(sim, EVENT_JOB_VERIFIED), 1);
    assert_int_equal(sim_events(sim, EVENT_JOB_RETRIED), 1);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    assert_int_equal(worker->held[0].grant.frame, 2);
    assert_false(queue_kept_gone(sim->queue, job));
    sim_report(worker, 0, REPORT_FINISHED);
    sim_step(sim, worker);
    look(sim, worker, 0, NULL);
    look(sim, worker, 0, NULL);
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
}

static void verify_removes_the_kept_file_when_nothing_was_wrong(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = done_job(sim, worker, 2);
    struct queue_verify how = { .requeue = true, .kept = "/k/.new.blend" };
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    sim_step(sim, worker);
    look(sim, worker, 0, NULL);
    assert_true(piece_of(sim, worker).ends);
    look(sim, worker, 0, NULL);
    assert_int_equal(worker->held_count, 0);
    assert_true(queue_kept_gone(sim->queue, job));
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
}

static void what_cannot_be_rendered_as_submitted_pauses(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = done_job(sim, worker, 2);
    struct queue_verify how = { .requeue = true, .source_changed = true };
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    sim_step(sim, worker);
    look(sim, worker, 1, "gone");
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

static void verify_of_a_running_job_hinders_nobody(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 9, NULL);
    struct sim_worker *worker = ready(sim, "h/1");
    (void)sim_get(sim, worker);
    sim_report(worker, 0, REPORT_FINISHED);
    worker->want = 2;
    struct queue_verify how = { .requeue = true };
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 2);
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    struct sim_worker *other = ready(sim, "h/2");
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
    struct sim_worker *worker = ready(sim, "h/1");
    int64_t job = done_job(sim, worker, 2);
    struct queue_verify how = { 0 };
    assert_int_equal(queue_verify(sim->queue, sim->now, job, &how, &error), QUEUE_OK);
    for (int i = 0; i < 3; i++) {
        later(sim, worker, 60000);
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
        TEST(a_job_is_done_only_after_a_last_look),
        TEST(many_frames_are_looked_at_in_pieces),
        TEST(a_piece_is_smaller_where_a_frame_has_many_files),
        TEST(a_prover_that_stops_early_goes_on_where_it_stopped),
        TEST(a_wrong_frame_is_rendered_again),
        TEST(what_goes_wrong_three_times_running_is_failed),
        TEST(a_look_that_finds_it_right_ends_the_count),
        TEST(the_look_goes_on_while_wrong_frames_are_rendered),
        TEST(what_was_rendered_since_the_grant_is_not_meant),
        TEST(a_restart_begins_the_look_again),
        TEST(a_look_that_cannot_be_waits_and_says_why),
        TEST(a_picture_of_which_provers_die_is_found),
        TEST(the_end_waits_for_somebody_who_can_look),
        TEST(the_end_is_tried_three_times_and_then_only_warned_of),
        TEST(a_cancelled_job_is_not_looked_at_any_more),
        TEST(leftovers_are_for_those_who_have_nothing_better_to_do),
        TEST(an_inspector_takes_leftovers_where_there_is_one),
        TEST(who_dies_with_a_frame_leaves_something),
        TEST(verify_only_tells),
        TEST(verify_puts_back_what_is_wrong),
        TEST(verify_removes_the_kept_file_when_nothing_was_wrong),
        TEST(what_cannot_be_rendered_as_submitted_pauses),
        TEST(verify_is_refused_where_it_means_nothing),
        TEST(verify_of_a_running_job_hinders_nobody),
        TEST(a_verify_that_cannot_look_ends_after_three_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
