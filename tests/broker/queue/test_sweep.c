/* The last look at every picture, and what dead claims left. */

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

static void a_job_is_done_only_after_a_last_look(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 3);
    struct queue_sweep piece = looks_piece(sim, worker);
    assert_int_equal(piece.frame_count, 3);
    assert_true(piece.frames[0] == 1 && piece.frames[1] == 2 && piece.frames[2] == 3);
    assert_false(piece.ends);
    looks_look(sim, worker, 0, NULL);
    looks_expect_done(sim, worker, job);
    assert_true(sim_job(sim, job).row->finished_at > 0);
    assert_int_equal(sim_events(sim, EVENT_FRAME_DONE), 3);
    assert_int_equal(sim_events(sim, EVENT_FRAME_WRONG), 0);
}

static void many_frames_are_looked_at_in_pieces(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 600);
    static const int32_t first[] = { 1, 257, 513 };
    static const size_t count[] = { 256, 256, 88 };
    for (size_t i = 0; i < 3; i++) {
        struct queue_sweep piece = looks_piece(sim, worker);
        assert_int_equal(piece.frame_count, count[i]);
        assert_int_equal(piece.frames[0], first[i]);
        assert_int_equal(piece.live_count, 0);
        looks_look(sim, worker, 0, NULL);
    }
    looks_expect_done(sim, worker, job);
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
    struct sim_worker *worker = looks_ready(sim, "h/1");
    looks_render(sim, worker, 200);
    assert_int_equal(looks_piece(sim, worker).frame_count, 64);
}

static void a_prover_that_stops_early_goes_on_where_it_stopped(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 10);
    sim_report(worker, 0, REPORT_SWEPT);
    worker->reports[0].partly = true;
    worker->reports[0].last = 4;
    sim_step(sim, worker);
    struct queue_sweep piece = looks_piece(sim, worker);
    assert_int_equal(piece.frame_count, 6);
    assert_int_equal(piece.frames[0], 5);
    looks_look(sim, worker, 0, NULL);
    looks_expect_done(sim, worker, job);
}

static void a_wrong_frame_is_rendered_again(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 5);
    looks_look(sim, worker, 2, "gone");
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
    assert_int_equal(looks_piece(sim, worker).frame_count, 5); /* all once more */
    looks_look(sim, worker, 0, NULL);
    looks_expect_done(sim, worker, job);
    assert_null(sim_frame(sim, job, 2).error);
}

static void what_goes_wrong_three_times_running_is_failed(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 3);
    for (int i = 0; i < 2; i++) {
        looks_look(sim, worker, 2, "broken");
        assert_int_equal(sim_frame(sim, job, 2).state, FRAME_CLAIMED);
        sim_report(worker, 0, REPORT_FINISHED);
        sim_step(sim, worker);
    }
    looks_look(sim, worker, 2, "broken");
    struct frame_row row = sim_frame(sim, job, 2);
    assert_int_equal(row.state, FRAME_FAILED);
    assert_string_equal(json_string_value(json_object_get(row.error, "code")), "bad-picture");
    assert_true(looks_piece(sim, worker).ends);
    looks_look(sim, worker, 0, NULL);
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
    assert_int_equal(sim_events(sim, EVENT_FRAME_FAILED), 1);
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_OK);
    sim_step(sim, worker);
    sim_report(worker, 0, REPORT_FINISHED);
    sim_step(sim, worker);
    looks_look(sim, worker, 2, "broken"); /* it begins to count anew */
    assert_int_equal(sim_frame(sim, job, 2).state, FRAME_CLAIMED);
}

static void a_look_that_finds_it_right_ends_the_count(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 3);
    static const int wrong[] = { 1, 1, 2, 1, 1, 3 };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        looks_look(sim, worker, wrong[i], "changed");
        assert_int_equal(worker->held[0].grant.frame, wrong[i]);
        sim_report(worker, 0, REPORT_FINISHED);
        sim_step(sim, worker);
    }
    looks_look(sim, worker, 0, NULL);
    looks_expect_done(sim, worker, job);
}

static void the_look_goes_on_while_wrong_frames_are_rendered(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    struct sim_worker *other = looks_ready(sim, "h/2");
    other->want = 0;
    sim_step(sim, other);
    int64_t job = looks_begun(sim, worker, 300);
    looks_look(sim, worker, 7, "gone");
    assert_int_equal(looks_piece(sim, worker).frames[0], 257);
    other->want = 1;
    sim_step(sim, other);
    assert_int_equal(other->held[0].grant.frame, 7);
    looks_look(sim, worker, 0, NULL);
    assert_int_equal(worker->held_count, 0); /* frame 7 has to be looked at, so not the end */
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    sim_report(other, 0, REPORT_FINISHED);
    other->want = 0;
    sim_step(sim, other);
    sim_step(sim, worker);
    assert_int_equal(looks_piece(sim, worker).frames[0], 1);
}

static void what_was_rendered_since_the_grant_is_not_meant(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    struct sim_worker *other = looks_ready(sim, "h/2");
    other->want = 0;
    sim_step(sim, other);
    int64_t job = looks_begun(sim, worker, 2);
    sim->retrying = true;
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_ALL, &error), QUEUE_OK);
    sim_turn(sim);
    sim->retrying = false;
    other->want = 1;
    looks_render(sim, other, 2);
    assert_int_equal(looks_piece(sim, worker).frame_count, 0);
    looks_look(sim, worker, 1, "gone"); /* it was so when the prover looked */
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_DONE);
    assert_int_equal(sim_events(sim, EVENT_FRAME_WRONG), 0);
    bool mine = worker->held_count == 1;
    assert_int_equal(looks_piece(sim, mine ? worker : other).frame_count, 2); /* looked at anew */
}

static void a_restart_begins_the_look_again(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 300);
    looks_look(sim, worker, 0, NULL);
    assert_int_equal(looks_piece(sim, worker).frames[0], 257);
    sim_restart(sim);
    sim_step(sim, worker);
    sim_step(sim, worker);
    looks_look(sim, worker, 270, "gone"); /* nobody knows any more what that claim was for */
    assert_int_equal(sim_frame(sim, job, 270).state, FRAME_DONE);
    assert_int_equal(looks_piece(sim, worker).frames[0], 1);
    looks_look(sim, worker, 0, NULL);
    looks_look(sim, worker, 0, NULL);
    looks_expect_done(sim, worker, job);
}

static void a_look_that_cannot_be_waits_and_says_why(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 20);
    for (int i = 0; i < 10; i++) {
        sim_error(worker, 0, "output-unwritable", false);
        sim_step(sim, worker);
        assert_int_equal(worker->held_count, 0);
        struct job_view view = sim_job(sim, job);
        assert_int_equal(view.row->state, JOB_ACTIVE);
        const char *text = json_string_value(json_object_get(view.error, "text"));
        assert_non_null(strstr(text, "it went wrong"));
        assert_true(queue_deadline(sim->queue, sim->now) <= sim->now.ms + 60000);
        looks_later(sim, worker, i < 6 ? 1000 << i : 60000);
        assert_true(queue_deadline(sim->queue, sim->now) > sim->now.ms); /* it does not spin */
    }
    looks_look(sim, worker, 0, NULL);
    assert_null(sim_job(sim, job).error);
    while (!looks_piece(sim, worker).ends) {
        looks_look(sim, worker, 0, NULL);
    }
    looks_expect_done(sim, worker, job);
}

static void a_picture_of_which_provers_die_is_found(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 300);
    for (int i = 0; i < 40 && sim_events(sim, EVENT_FRAME_WRONG) == 0; i++) {
        struct queue_sweep piece = looks_piece(sim, worker);
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
        looks_later(sim, worker, 60000);
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
    looks_render(sim, blind, 2);
    assert_int_equal(blind->held_count, 0);
    struct job_view view = sim_job(sim, job);
    assert_int_equal(view.row->state, JOB_ACTIVE);
    assert_string_equal(json_string_value(json_object_get(view.error, "code")), "worker-missing");
    struct sim_worker *inspector = sim_worker(sim, "h/none");
    inspector->kind = DEVICE_NONE;
    sim_ready(sim, inspector);
    sim_step(sim, inspector);
    assert_null(sim_job(sim, job).error);
    looks_look(sim, inspector, 0, NULL);
    looks_expect_done(sim, inspector, job);
}

static void the_end_is_tried_three_times_and_then_only_warned_of(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 1);
    looks_look(sim, worker, 0, NULL);
    for (int i = 0; i < 3; i++) {
        assert_true(looks_piece(sim, worker).ends);
        sim_error(worker, 0, "output-unwritable", false);
        sim_step(sim, worker);
    }
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
    assert_int_equal(json_array_size(sim_job(sim, job).row->warnings), 1);
}

/* Paused, accepted as the file is now, inspected: the same frames again. */
static void inspect_again(struct sim *sim, int64_t job, int32_t frames)
{
    json_t *file = json_pack("{s:s}", "hash", "bb");
    json_t *found = sim_found_at(1, frames, "/out/a_");
    struct sim_worker *inspector = looks_ready(sim, "h/i");
    sim->retrying = true;
    assert_int_equal(queue_resume(sim->queue, sim->now, job, file, &error), QUEUE_OK);
    size_t held = sim_get(sim, inspector);
    assert_int_equal(inspector->held[held].grant.kind, CLAIM_INSPECT);
    sim_report(inspector, held, REPORT_INSPECTED);
    inspector->reports[0].found = found;
    inspector->want = 0;
    inspector->leave = true;
    sim_step(sim, inspector);
    sim->retrying = false;
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    json_decref(found);
    json_decref(file);
}

static void another_inspection_begins_the_look_again(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 300);
    looks_look(sim, worker, 0, NULL);
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    sim_report(worker, 0, REPORT_RETURNED);
    worker->want = 0;
    worker->job = 0;
    sim_step(sim, worker);
    inspect_again(sim, job, 300);
    worker->want = 1;
    sim_step(sim, worker);
    assert_int_equal(looks_piece(sim, worker).frames[0], 1);
}

static void a_cancelled_job_is_not_looked_at_any_more(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *worker = looks_ready(sim, "h/1");
    int64_t job = looks_begun(sim, worker, 300);
    assert_int_equal(queue_cancel(sim->queue, sim->now, job, &error), QUEUE_OK);
    looks_look(sim, worker, 3, "gone");
    assert_int_equal(sim_frame(sim, job, 3).state, FRAME_DONE);
    assert_int_equal(sim_events(sim, EVENT_FRAME_WRONG), 0);
    assert_true(looks_piece(sim, worker).ends);
    looks_look(sim, worker, 0, NULL);
    assert_int_equal(worker->held_count, 0);
    assert_true(queue_kept_gone(sim->queue, job));
}

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
    struct sim_worker *worker = looks_ready(sim, "h/1");
    (void)sim_get(sim, worker);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_RENDER);
    struct sim_worker *idle = looks_ready(sim, "h/2");
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
    struct sim_worker *worker = looks_ready(sim, "h/1");
    worker->want = 4;
    sim_step(sim, worker);
    assert_int_equal(worker->held_count, 1);
    inspector->want = 1;
    sim_step(sim, inspector);
    assert_false(looks_piece(sim, inspector).ends);
}

static void leftovers_that_were_given_back_are_for_the_next(void **state)
{
    struct sim *sim = *state;
    (void)begun(sim, 1);
    struct sim_worker *busy = looks_ready(sim, "h/1");
    (void)sim_get(sim, busy);
    struct sim_worker *idle = looks_ready(sim, "h/2");
    (void)sim_get(sim, idle);
    sim_report(idle, 0, REPORT_RETURNED);
    (void)sim_get(sim, idle);
    assert_false(looks_piece(sim, idle).ends);
    sim_report(idle, 0, REPORT_SWEPT);
    sim_step(sim, idle);
    assert_int_equal(idle->held_count, 0);
}

static void who_dies_with_a_frame_leaves_something(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 9, NULL);
    struct sim_worker *dies = looks_ready(sim, "h/1");
    struct sim_worker *lives = looks_ready(sim, "h/2");
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
        TEST(another_inspection_begins_the_look_again),
        TEST(a_cancelled_job_is_not_looked_at_any_more),
        TEST(leftovers_are_for_those_who_have_nothing_better_to_do),
        TEST(an_inspector_takes_leftovers_where_there_is_one),
        TEST(leftovers_that_were_given_back_are_for_the_next),
        TEST(who_dies_with_a_frame_leaves_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
