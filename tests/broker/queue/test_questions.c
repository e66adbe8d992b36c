/* What is asked of people, what answers it, and who owns an output. */

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

static json_t *asks(const char *code)
{
    return json_pack("[{s:s, s:s, s:s}]", "code", code, "text", "why", "hint", "how");
}

static int64_t held(struct sim *sim, const char *code, json_t *options)
{
    return sim_inspected(sim, "/a", sim_found(1, 5), asks(code), options);
}

static int answer(struct sim *sim, int64_t job, json_t *options)
{
    struct queue_error error;
    int rc = queue_accept(sim->queue, sim->now, job, options, &error);
    json_decref(options);
    sim_turn(sim);
    sim_check(sim);
    return rc;
}

static const char *code_of(struct sim *sim, int64_t job)
{
    return json_string_value(json_object_get(sim_job(sim, job).error, "code"));
}

static void a_question_holds_the_job_and_its_flag_answers_it(void **state)
{
    struct sim *sim = *state;
    int64_t job = held(sim, "pictures", NULL);
    assert_int_equal(sim_job(sim, job).row->state, JOB_HELD);
    assert_string_equal(code_of(sim, job), "pictures");
    assert_true(sim_event(sim, EVENT_JOB_HELD));
    assert_int_equal(answer(sim, job, json_object()), QUEUE_REFUSED);
    assert_int_equal(answer(sim, job, json_pack("{s:b}", "strict", 1)), QUEUE_REFUSED);
    assert_int_equal(sim_job(sim, job).row->state, JOB_HELD);
    assert_int_equal(answer(sim, job, json_pack("{s:b}", "keep", 1)), QUEUE_OK);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    assert_true(sim_event(sim, EVENT_JOB_ACCEPTED));
    assert_int_equal(answer(sim, job, json_object()), QUEUE_REFUSED);
}

static void a_flag_that_answers_nothing_is_refused_with_the_question(void **state)
{
    struct sim *sim = *state;
    struct queue_error error;
    int64_t job = held(sim, "scripts-blocked", NULL);
    json_t *options = json_pack("{s:b}", "allow_missing", 1);
    assert_int_equal(queue_accept(sim->queue, sim->now, job, options, &error), QUEUE_REFUSED);
    json_decref(options);
    assert_string_equal(error.code, "scripts-blocked");
    assert_int_equal(sim_job(sim, job).row->state, JOB_HELD);
}

static void the_later_of_two_flags_that_contradict_holds(void **state)
{
    struct sim *sim = *state;
    int64_t job = held(sim, "engine-missing", json_pack("{s:b}", "keep", 1));
    (void)answer(sim, job, json_pack("{s:b, s:s}", "overwrite", 1, "engine", "CYCLES"));
    json_t *options = json_object_get(sim_job(sim, job).row->spec, "options");
    assert_null(json_object_get(options, "keep"));
    assert_true(json_is_true(json_object_get(options, "overwrite")));
}

static void flags_given_at_submit_answer_before_it_is_asked(void **state)
{
    static const char *const pairs[][2] = {
        { "pictures", "overwrite" },          { "pictures", "keep" },
        { "files-missing", "allow_missing" }, { "add-on-missing", "allow_missing" },
        { "scripts-blocked", "no_scripts" },  { "scripts-blocked", "trust_scripts" },
    };
    struct sim *sim = *state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char file[16];
        char head[32];
        (void)snprintf(file, sizeof file, "/%zu", i);
        (void)snprintf(head, sizeof head, "/out/%c_", (int)('a' + i));
        int64_t job = sim_inspected(sim, file, sim_found_at(1, 5, head), asks(pairs[i][0]),
                                    json_pack("{s:b}", pairs[i][1], 1));
        assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    }
}

static void an_answer_that_changes_the_picture_wants_another_inspection(void **state)
{
    struct sim *sim = *state;
    int64_t job = held(sim, "engine-missing", NULL);
    assert_int_equal(answer(sim, job, json_pack("{s:s}", "engine", "CYCLES")), QUEUE_OK);
    assert_int_equal(sim_job(sim, job).row->state, JOB_QUEUED);
}

static void strict_holds_a_job_for_its_warnings(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_submit(sim, "/a", json_pack("{s:b}", "strict", 1));
    struct sim_worker *worker = sim_worker(sim, "h/1");
    sim_ready(sim, worker);
    (void)sim_get(sim, worker);
    json_t *found = sim_found(1, 5);
    json_t *warnings = asks("file-missing");
    sim_report(worker, 0, REPORT_INSPECTED);
    worker->reports[0].found = found;
    worker->reports[0].warnings = warnings;
    json_t *questions = asks("warnings"); /* a worker's own: the same once more */
    worker->reports[0].questions = questions;
    sim_step(sim, worker);
    json_decref(found);
    json_decref(warnings);
    json_decref(questions);
    assert_int_equal(sim_job(sim, job).row->state, JOB_HELD);
    assert_string_equal(code_of(sim, job), "warnings");
    assert_int_equal(json_array_size(sim_job(sim, job).open), 1);
    sim_restart(sim);
    assert_string_equal(code_of(sim, job), "warnings");
    assert_int_equal(answer(sim, job, json_object()), QUEUE_OK);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
}

static void another_file_on_the_same_output_is_held_until_it_is_free(void **state)
{
    struct sim *sim = *state;
    struct queue_error error;
    int64_t first = sim_inspected(sim, "/a", sim_found(1, 5), NULL, NULL);
    int64_t second = sim_inspected(sim, "/b", sim_found(5, 9), NULL, NULL);
    int64_t third = sim_inspected(sim, "/c", sim_found(6, 9), NULL, NULL);
    assert_int_equal(sim_job(sim, second).row->state, JOB_HELD);
    assert_string_equal(code_of(sim, second), "output-in-use");
    assert_int_equal(sim_job(sim, third).row->state, JOB_ACTIVE);
    assert_int_equal(queue_cancel(sim->queue, sim->now, third, &error), QUEUE_OK);
    assert_int_equal(sim_job(sim, second).row->state, JOB_HELD);
    assert_int_equal(queue_cancel(sim->queue, sim->now, first, &error), QUEUE_OK);
    assert_int_equal(sim_job(sim, second).row->state, JOB_ACTIVE);
    sim_turn(sim);
    sim_check(sim);
}

static void a_held_job_does_not_slip_in_while_the_other_is_paused(void **state)
{
    struct sim *sim = *state;
    struct queue_error error;
    int64_t first = sim_inspected(sim, "/a", sim_found(1, 5), NULL, NULL);
    int64_t second = sim_inspected(sim, "/b", sim_found(1, 5), NULL, NULL);
    assert_int_equal(queue_pause(sim->queue, sim->now, first, &error), QUEUE_OK);
    sim_turn(sim);
    assert_int_equal(sim_job(sim, second).row->state, JOB_HELD);
    sim_restart(sim);
    assert_string_equal(code_of(sim, second), "output-in-use");
    int64_t third = sim_inspected(sim, "/c", sim_found(1, 5), NULL, NULL);
    assert_int_equal(sim_job(sim, third).row->state, JOB_ACTIVE); /* a new one may */
    assert_int_equal(queue_cancel(sim->queue, sim->now, third, &error), QUEUE_OK);
    assert_int_equal(sim_job(sim, second).row->state, JOB_HELD);
    assert_int_equal(queue_cancel(sim->queue, sim->now, first, &error), QUEUE_OK);
    assert_int_equal(sim_job(sim, second).row->state, JOB_ACTIVE);
    sim_turn(sim);
    sim_check(sim);
}

static void the_same_scene_waits_for_the_elder(void **state)
{
    struct sim *sim = *state;
    struct queue_error error;
    json_t *again = json_pack("{s:b}", "again", 1);
    int64_t first = sim_inspected(sim, "/a", sim_found(1, 2), NULL, NULL);
    int64_t second = sim_inspected(sim, "/a", sim_found(1, 5), NULL, again);
    assert_int_equal(sim_job(sim, second).row->state, JOB_ACTIVE);
    assert_string_equal(code_of(sim, second), "output-in-use");
    struct sim_worker *worker = sim_worker(sim, "h/1");
    sim_ready(sim, worker);
    sim_step(sim, worker);
    assert_int_equal(worker->job, first);
    sim_restart(sim);
    assert_string_equal(code_of(sim, second), "output-in-use");
    assert_int_equal(queue_pause(sim->queue, sim->now, first, &error), QUEUE_OK);
    assert_string_equal(code_of(sim, second), "output-in-use"); /* a claim is still live */
    sim_step(sim, worker);
    sim_report(worker, 0, REPORT_FINISHED);
    sim_step(sim, worker);
    worker->job = 0;
    sim_step(sim, worker);
    assert_int_equal(worker->job, second);
    assert_int_equal(queue_resume(sim->queue, sim->now, first, NULL, &error), QUEUE_OK);
    assert_string_equal(code_of(sim, first), "output-in-use"); /* it is the later one now */
}

static int64_t waits_for(struct sim *sim, int64_t job)
{
    struct job_view view = sim_job(sim, job);
    const char *text = json_string_value(json_object_get(view.error, "text"));
    const char *number = text ? strpbrk(text, "0123456789") : NULL;
    return number ? strtoll(number, NULL, 10) : 0;
}

static void the_first_elder_that_is_left_is_waited_for(void **state)
{
    struct sim *sim = *state;
    struct queue_error error;
    int64_t jobs[4];
    for (size_t i = 0; i < 4; i++) {
        json_t *again = json_pack("{s:b}", "again", 1);
        jobs[i] = sim_inspected(sim, "/a", sim_found(1, 5), NULL, again);
    }
    assert_int_equal(waits_for(sim, jobs[3]), jobs[0]);
    assert_int_equal(queue_remove(sim->queue, sim->now, jobs[1], &error), QUEUE_OK);
    assert_int_equal(queue_remove(sim->queue, sim->now, jobs[0], &error), QUEUE_OK);
    sim_turn(sim);
    assert_int_equal(waits_for(sim, jobs[2]), 0);
    assert_int_equal(waits_for(sim, jobs[3]), jobs[2]);
    sim_restart(sim);
    assert_int_equal(waits_for(sim, jobs[3]), jobs[2]);
    assert_int_equal(queue_remove(sim->queue, sim->now, jobs[2], &error), QUEUE_OK);
    sim_turn(sim);
    assert_int_equal(waits_for(sim, jobs[3]), 0);
    sim_check(sim);
}

static void a_job_that_comes_back_finds_its_output_taken(void **state)
{
    struct sim *sim = *state;
    struct queue_error error;
    int64_t first = sim_inspected(sim, "/a", sim_found(1, 5), NULL, NULL);
    assert_int_equal(queue_pause(sim->queue, sim->now, first, &error), QUEUE_OK);
    int64_t second = sim_inspected(sim, "/b", sim_found(1, 5), NULL, NULL);
    assert_int_equal(sim_job(sim, second).row->state, JOB_ACTIVE);
    assert_int_equal(queue_resume(sim->queue, sim->now, first, NULL, &error), QUEUE_OK);
    assert_int_equal(sim_job(sim, first).row->state, JOB_HELD);
    sim_turn(sim);
    sim_check(sim);
}

static void names_overlap_whatever_their_width(void **state)
{
    static const struct {
        const char *head;
        int digits;
        int32_t start, end;
        bool held;
    } cases[] = {
        { "/out/a_", 4, 6, 9, false }, { "/out/a_", 4, 3, 9, true },
        { "/out/a_", 5, 1, 5, false }, { "/out/a_", 5, 99999, 100001, true },
        { "/out/a_0", 3, 1, 5, true }, { "/out/a_1", 3, 1, 5, false },
        { "/out/b_", 4, 1, 5, false }, { "/out/a_", 3, 1000, 1000, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *sim = *state;
        sim_close(sim);
        sim_open(sim);
        json_t *far = json_pack("{s:[i,i,i,i,i,i]}", "frames", 1, 5, 1, 100000, 100000, 1);
        (void)sim_inspected(sim, "/a", sim_found(1, 5), NULL, far);
        json_t *found = sim_found_at(cases[i].start, cases[i].end, cases[i].head);
        json_object_set_new(json_array_get(json_object_get(found, "outputs"), 0), "digits",
                            json_integer(cases[i].digits));
        int64_t job = sim_inspected(sim, "/b", found, NULL, NULL);
        assert_int_equal(sim_job(sim, job).row->state, cases[i].held ? JOB_HELD : JOB_ACTIVE);
    }
}

static int submit(struct sim *sim, json_t *spec, struct queue_submitted *out,
                  struct queue_error *error)
{
    int rc = queue_submit(sim->queue, sim->now, spec, out, error);
    json_decref(spec);
    sim_turn(sim);
    sim_check(sim);
    return rc;
}

static void the_same_job_is_refused_unless_again(void **state)
{
    struct sim *sim = *state;
    struct queue_submitted out = { 0 };
    struct queue_error error = { 0 };
    int64_t first = sim_submit(sim, "/a", json_pack("{s:i}", "samples", 4));
    assert_int_equal(submit(sim,
                            sim_spec("/a", json_pack("{s:i, s:i}", "samples", 4, "priority", 9)),
                            &out, &error),
                     QUEUE_REFUSED);
    assert_string_equal(error.code, "already-queued");
    assert_int_equal(error.job, first);
    assert_int_equal(submit(sim, sim_spec("/a", json_pack("{s:i}", "samples", 8)), &out, &error),
                     QUEUE_OK);
    assert_int_equal(submit(sim, sim_spec("/a", json_pack("{s:i, s:b}", "samples", 4, "again", 1)),
                            &out, &error),
                     QUEUE_OK);
    assert_int_equal(submit(sim, sim_spec("/b", json_pack("{s:i}", "samples", 4)), &out, &error),
                     QUEUE_OK);
}

/* Only what changes the pictures or their names makes another job of the same file. */
static void a_job_is_another_one_by_what_it_renders_alone(void **state)
{
    static const struct {
        const char *option;
        bool another;
    } cases[] = {
        { "{\"scene\": \"B\"}", true },
        { "{\"output\": \"/b_##\"}", true },
        { "{\"render_folder\": \"/b\"}", true },
        { "{\"engine\": \"CYCLES\"}", true },
        { "{\"samples\": 4}", true },
        { "{\"percentage\": 50}", true },
        { "{\"format\": \"PNG\"}", true },
        { "{\"denoise\": false}", true },
        { "{\"samples\": null}", false },
        { "{\"order\": \"last\"}", false },
        { "{\"attempts\": 7}", false },
        { "{\"placeholder_timeout_s\": 60}", false },
        { "{\"priority\": 70}", false },
        { "{\"strict\": true}", false },
        { "{\"mix\": true}", false },
        { "{\"allow_missing\": true}", false },
        { "{\"trust_scripts\": true}", false },
        { "{\"unbaked\": \"allow\"}", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *sim = *state;
        struct queue_submitted out = { 0 };
        struct queue_error error = { 0 };
        sim_close(sim);
        sim_open(sim);
        int64_t first = sim_submit(sim, "/a", NULL);
        json_t *options = json_loads(cases[i].option, 0, NULL);
        int rc = submit(sim, sim_spec("/a", options), &out, &error);
        assert_int_equal(rc, cases[i].another ? QUEUE_OK : QUEUE_REFUSED);
        json_t *back = json_loads(cases[i].option, 0, NULL);
        json_t *spec = sim_spec("/a", back);
        assert_int_equal(queue_same(sim->queue, spec, true), cases[i].another ? out.job : first);
        json_decref(spec);
    }
}

static void going_on_takes_how_it_is_to_be_gone_about_now(void **state)
{
    struct sim *sim = *state;
    struct queue_submitted out = { 0 };
    struct queue_error error = { 0 };
    int64_t job = sim_active(sim, "/a", 1, 9, json_pack("{s:i}", "attempts", 5));
    struct sim_worker *worker = sim_worker(sim, "h/1");
    sim_ready(sim, worker);
    size_t at = sim_get(sim, worker);
    assert_int_equal(worker->held[at].grant.frame, 1);
    json_t *spec = sim_spec("/a", json_pack("{s:s, s:i}", "order", "last", "priority", 80));
    json_object_set_new(spec, "go_on", json_true());
    assert_int_equal(submit(sim, spec, &out, &error), QUEUE_OK);
    assert_int_equal(out.job, job);
    struct job_view view = sim_job(sim, job);
    const json_t *options = json_object_get(view.row->spec, "options");
    assert_string_equal(json_string_value(json_object_get(options, "order")), "last");
    assert_int_equal(json_integer_value(json_object_get(options, "attempts")), 5);
    assert_int_equal(view.priority, 80);
    sim_report(worker, at, REPORT_FINISHED);
    at = sim_get(sim, worker);
    assert_int_equal(worker->held[at].grant.frame, 9);
    sim_restart(sim);
    assert_int_equal(sim_job(sim, job).priority, 80);
}

static void only_overlapping_frames_are_refused(void **state)
{
    struct sim *sim = *state;
    struct queue_submitted out = { 0 };
    struct queue_error error = { 0 };
    (void)sim_submit(sim, "/a", json_pack("{s:[i,i,i]}", "frames", 1, 10, 1));
    assert_int_equal(
        submit(sim, sim_spec("/a", json_pack("{s:[i,i,i]}", "frames", 11, 20, 1)), &out, &error),
        QUEUE_OK);
    assert_int_equal(
        submit(sim, sim_spec("/a", json_pack("{s:[i,i,i]}", "frames", 10, 10, 1)), &out, &error),
        QUEUE_REFUSED);
    assert_int_equal(submit(sim, sim_spec("/a", NULL), &out, &error), QUEUE_REFUSED);
}

static void a_submit_with_an_answer_answers_the_held_job(void **state)
{
    struct sim *sim = *state;
    struct queue_submitted out = { 0 };
    struct queue_error error = { 0 };
    int64_t job = held(sim, "pictures", NULL);
    assert_int_equal(submit(sim, sim_spec("/a", NULL), &out, &error), QUEUE_REFUSED);
    assert_int_equal(submit(sim, sim_spec("/a", json_pack("{s:b}", "overwrite", 1)), &out, &error),
                     QUEUE_OK);
    assert_true(out.answered);
    assert_int_equal(out.job, job);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
}

/* Only what answers a question that is asked may change a held job. */
static void another_output_answers_only_whom_it_can_help(void **state)
{
    static const struct {
        const char *code;
        bool by_submit;
        bool by_accept;
    } cases[] = {
        { "scripts-blocked", false, false },
        { "files-missing", false, false },
        { "pictures", false, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *sim = *state;
        struct queue_submitted out = { 0 };
        struct queue_error error = { 0 };
        sim_close(sim);
        sim_open(sim);
        int64_t job = held(sim, cases[i].code, NULL);
        json_t *spec = sim_spec("/a", json_pack("{s:s}", "output", "/other/b_##"));
        assert_int_equal(submit(sim, spec, &out, &error), QUEUE_OK);
        assert_int_equal(out.answered, cases[i].by_submit);
        assert_int_equal(out.job == job, cases[i].by_submit);
        int rc = answer(sim, job, json_pack("{s:s}", "output", "/other/c_##"));
        assert_int_equal(rc == QUEUE_OK, cases[i].by_accept);
    }
}

static void go_on_goes_on_with_the_newest_same_job(void **state)
{
    struct sim *sim = *state;
    struct queue_submitted out = { 0 };
    struct queue_error error = { 0 };
    int64_t job = sim_active(sim, "/a", 1, 2, NULL);
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    json_t *spec = sim_spec("/a", NULL);
    json_object_set_new(spec, "go_on", json_true());
    assert_int_equal(submit(sim, json_incref(spec), &out, &error), QUEUE_OK);
    assert_true(out.went_on);
    assert_int_equal(out.job, job);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    struct sim_worker *worker = sim_worker(sim, "h/1");
    sim_ready(sim, worker);
    for (int i = 0; i < 4; i++) {
        (void)sim_get(sim, worker);
        sim_report(worker, 0, i < 2 ? REPORT_FINISHED : REPORT_SWEPT);
    }
    worker->want = 0;
    sim_step(sim, worker);
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
    sim->retrying = true;
    assert_int_equal(submit(sim, spec, &out, &error), QUEUE_OK); /* every picture is looked at */
    assert_int_equal(out.job, job);
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_WAITING], 2);
    assert_false(sim_frame(sim, job, 1).again);
    assert_non_null(json_object_get(sim_job(sim, job).row->spec, "kept"));
}

static void an_inspection_goes_on_by_the_new_limit(void **state)
{
    struct sim *sim = *state;
    struct queue_submitted out = { 0 };
    struct queue_error error = { 0 };
    int64_t job = sim_submit(sim, "/a", NULL);
    struct sim_worker *worker = sim_worker(sim, "h/1");
    sim_ready(sim, worker);
    (void)sim_get(sim, worker);
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    sim_error(worker, 0, "crashed", false);
    worker->want = 0;
    sim_step(sim, worker);
    assert_int_equal(sim_job(sim, job).row->attempts, 1);
    assert_int_equal(queue_resume(sim->queue, sim->now, job, NULL, &error), QUEUE_OK);
    assert_int_equal(sim_job(sim, job).row->attempts, 0);
    worker->want = 1;
    (void)sim_get(sim, worker);
    sim_error(worker, 0, "crashed", false);
    worker->want = 0;
    sim_step(sim, worker);
    assert_int_equal(sim_job(sim, job).row->attempts, 1);
    json_t *spec = sim_spec("/a", json_pack("{s:i}", "attempts", 1));
    json_object_set_new(spec, "go_on", json_true());
    assert_int_equal(submit(sim, spec, &out, &error), QUEUE_OK);
    assert_int_equal(out.job, job);
    assert_int_equal(sim_job(sim, job).row->attempts, 0);
}

static void what_cannot_be_is_refused(void **state)
{
    struct sim *sim = *state;
    struct queue_submitted out = { 0 };
    struct queue_error error = { 0 };
    assert_int_equal(submit(sim, sim_spec("a.blend", NULL), &out, &error), QUEUE_REFUSED);
    assert_int_equal(
        submit(sim, sim_spec("/a", json_pack("{s:s}", "order", "random")), &out, &error),
        QUEUE_REFUSED);
    assert_int_equal(submit(sim, sim_spec("/a", json_pack("{s:[i]}", "frames", 1)), &out, &error),
                     QUEUE_REFUSED);
    assert_int_equal(queue_job_next(sim->queue, 0), 0);
}

static void an_inspection_that_makes_no_sense_fails_the_job(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_inspected(sim, "/a", sim_found(9, 1), NULL, NULL);
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
    sim_close(sim);
    sim_open(sim);
    job = sim_inspected(sim, "/b", json_object(), NULL, NULL);
    assert_int_equal(sim_job(sim, job).row->state, JOB_FAILED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_question_holds_the_job_and_its_flag_answers_it),
        TEST(a_flag_that_answers_nothing_is_refused_with_the_question),
        TEST(the_later_of_two_flags_that_contradict_holds),
        TEST(flags_given_at_submit_answer_before_it_is_asked),
        TEST(an_answer_that_changes_the_picture_wants_another_inspection),
        TEST(strict_holds_a_job_for_its_warnings),
        TEST(another_file_on_the_same_output_is_held_until_it_is_free),
        TEST(a_held_job_does_not_slip_in_while_the_other_is_paused),
        TEST(the_same_scene_waits_for_the_elder),
        TEST(the_first_elder_that_is_left_is_waited_for),
        TEST(a_job_that_comes_back_finds_its_output_taken),
        TEST(names_overlap_whatever_their_width),
        TEST(the_same_job_is_refused_unless_again),
        TEST(a_job_is_another_one_by_what_it_renders_alone),
        TEST(going_on_takes_how_it_is_to_be_gone_about_now),
        TEST(only_overlapping_frames_are_refused),
        TEST(a_submit_with_an_answer_answers_the_held_job),
        TEST(another_output_answers_only_whom_it_can_help),
        TEST(go_on_goes_on_with_the_newest_same_job),
        TEST(an_inspection_goes_on_by_the_new_limit),
        TEST(what_cannot_be_is_refused),
        TEST(an_inspection_that_makes_no_sense_fails_the_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
