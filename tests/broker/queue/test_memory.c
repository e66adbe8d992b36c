/* Out of memory, peaks, and who gets what does not fit everywhere. */

#include "trouble.h"

#include <stdlib.h>
#include <string.h>

#include "broker/queue/memory.h"

#define GIB ((int64_t)1 << 30)

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

/* One that is there, and asks for nothing yet. */
static struct sim_worker *idle(struct sim *sim, const char *name, int64_t gib)
{
    struct sim_worker *worker = sim_worker(sim, name);
    worker->kind = gib < 0 ? DEVICE_CPU : DEVICE_GPU;
    worker->memory_bytes = gib < 0 ? 0 : gib * GIB;
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

static struct sim_worker *gpu(struct sim *sim, const char *name, int64_t gib)
{
    struct sim_worker *worker = idle(sim, name, gib);
    asks(sim, worker);
    return worker;
}

/* What it holds runs out of the card's memory. */
static void run_out(struct sim *sim, struct sim_worker *worker)
{
    trouble_fail(sim, worker, "out-of-gpu-memory");
}

static int32_t holds(const struct sim_worker *worker)
{
    return worker->held_count > 0 ? worker->held[0].grant.frame : 0;
}

/* It is told to give the job back, and does. */
static void gives_back(struct sim *sim, struct sim_worker *worker)
{
    sim_step(sim, worker);
    assert_true(worker->answer.orders.give_back);
    assert_int_equal(worker->held_count, 0);
    trouble_give_back(sim, worker);
}

static int64_t option(struct sim *sim, const char *key)
{
    return sim_active(sim, "/a", 1, 50, key ? json_pack("{s:b}", key, 1) : NULL);
}

static void first_it_is_tried_in_a_fresh_blender(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, NULL);
    struct sim_worker *worker = sim_worker(sim, "h/1");
    worker->kind = DEVICE_GPU;
    worker->memory_bytes = 24 * GIB;
    worker->device_name = "GPU 2 (A5000)";
    sim_ready(sim, worker);
    sim_step(sim, worker);
    assert_false(worker->held[0].grant.fresh);
    run_out(sim, worker);
    assert_string_equal(sim->failed,
                        "out-of-gpu-memory: GPU 2 (A5000) ran out of memory on frame 1; "
                        "once more in a fresh Blender");
    assert_int_equal(holds(worker), 1);
    assert_true(worker->held[0].grant.fresh);
    assert_int_equal(worker->held[0].grant.attempt, 1);
    assert_int_equal(sim_frame(sim, job, 1).attempts, 0);
    trouble_finish(sim, worker);
    assert_int_equal(holds(worker), 2);
    assert_false(worker->held[0].grant.fresh);
    assert_int_equal(sim_job(sim, job).row->memory.too_small, 0);
    assert_int_equal(sim_job(sim, job).row->memory.enough, 24 * GIB);
}

static void then_the_job_goes_to_a_larger_card(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, NULL);
    struct sim_worker *small = gpu(sim, "h/8", 8);
    struct sim_worker *other = idle(sim, "h/8b", 8);
    struct sim_worker *big = idle(sim, "h/24", 24);
    run_out(sim, small);
    run_out(sim, small);
    assert_string_equal(sim->failed,
                        "out-of-gpu-memory: h/8 ran out of GPU memory on frame 1; "
                        "trying a larger one");
    assert_int_equal(sim_frame(sim, job, 1).attempts, 0);
    assert_int_equal(sim_job(sim, job).row->memory.too_small, 8 * GIB);
    gives_back(sim, small);
    asks(sim, other);
    assert_int_equal(other->held_count, 0);
    assert_string_equal(trouble_text(sim_job(sim, job).error), "");
    asks(sim, big);
    assert_int_equal(holds(big), 1);
    assert_true(big->held[0].grant.fresh);
    trouble_finish(sim, big);
    sim_step(sim, small);
    assert_int_equal(small->held_count, 0);
    struct trouble_list blocked = trouble_blocked(sim, job); /* for their size, not for failures */
    assert_int_equal(blocked.count, 2);
    assert_string_equal(blocked.views[0].code, "out-of-gpu-memory");
    assert_string_equal(blocked.views[1].code, "out-of-gpu-memory");
    struct queue_error error;
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_OK);
    sim_step(sim, small); /* it may try again */
    assert_int_equal(small->held_count, 1);
}

static void where_no_card_is_larger_the_job_fails_with_the_figures(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, NULL);
    (void)idle(sim, "h/cpu", -1);
    struct sim_worker *worker = gpu(sim, "h/24", 24);
    run_out(sim, worker);
    run_out(sim, worker);
    const char *text =
        "h/24 ran out of GPU memory on frame 1: it needs more than 24 GiB; the "
        "largest card here has 24 GiB";
    struct job_view view = sim_job(sim, job);
    assert_int_equal(view.row->state, JOB_FAILED);
    assert_true(view.row->stopped);
    assert_string_equal(trouble_code(view.error), "out-of-gpu-memory");
    assert_string_equal(trouble_text(view.error), text);
    struct frame_row frame = sim_frame(sim, job, 1);
    assert_int_equal(frame.state, FRAME_FAILED);
    assert_int_equal(frame.attempts, 1);
    assert_string_equal(trouble_text(frame.error), text);
    assert_string_equal(json_string_value(json_object_get(frame.error, "hint")),
                        "--allow-cpu lets CPU workers render it");
    gives_back(sim, worker);
    struct queue_error error;
    assert_int_equal(queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error), QUEUE_OK);
    sim_step(sim, worker);
    assert_int_equal(holds(worker), 1); /* a person says: again */
    assert_false(worker->held[0].grant.fresh);
}

/* One frame was done on the small card: it is the other frame that is too large, not the job. */
/* What was learnt while it was paused did not end it: it ends when it goes on. */
static void a_paused_job_that_goes_on_fails_with_the_figures(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, NULL);
    struct queue_error error;
    struct sim_worker *worker = gpu(sim, "h/24", 24);
    run_out(sim, worker);
    assert_int_equal(queue_pause(sim->queue, sim->now, job, &error), QUEUE_OK);
    run_out(sim, worker);
    assert_int_equal(sim_job(sim, job).row->state, JOB_PAUSED);
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_FAILED);
    assert_int_equal(queue_resume(sim->queue, sim->now, job, NULL, &error), QUEUE_OK);
    asks(sim, worker);
    run_out(sim, worker);
    run_out(sim, worker);
    struct job_view view = sim_job(sim, job);
    assert_int_equal(view.row->state, JOB_FAILED);
    assert_string_equal(trouble_code(view.error), "out-of-gpu-memory");
}

static void only_the_frame_waits_where_others_fit(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, NULL);
    struct sim_worker *small = gpu(sim, "h/8", 8);
    trouble_finish(sim, small);
    struct sim_worker *big = idle(sim, "h/24", 24);
    assert_int_equal(holds(small), 2);
    run_out(sim, small);
    assert_int_equal(holds(small), 2);
    run_out(sim, small);
    assert_string_equal(sim->failed,
                        "out-of-gpu-memory: h/8 ran out of GPU memory on frame 2; "
                        "trying a larger one");
    assert_int_equal(sim_job(sim, job).row->memory.too_small, 0);
    for (int i = 0; i < 5; i++) {
        trouble_finish(sim, small);
        assert_int_not_equal(holds(small), 2);
    }
    sim_restart(sim); /* the ledger knows it, too */
    asks(sim, big);
    sim_step(sim, big);
    assert_int_equal(holds(big), 2);
    assert_true(big->held[0].grant.fresh);
}

static void who_cannot_take_what_is_left_takes_the_next_job(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 2, NULL);
    struct sim_worker *small = gpu(sim, "h/8", 8);
    trouble_finish(sim, small);
    struct sim_worker *big = idle(sim, "h/24", 24);
    run_out(sim, small);
    run_out(sim, small);
    gives_back(sim, small);
    assert_string_equal(trouble_text(sim_job(sim, job).error), "");
    int64_t next = sim_active(sim, "/b", 1, 9, NULL);
    sim_step(sim, small);
    assert_int_equal(small->job, next);
    queue_gone(sim->queue, sim->now, big->session);
    sim_turn(sim);
    struct job_view view = sim_job(sim, job);
    assert_string_equal(trouble_code(view.error), "out-of-gpu-memory");
    assert_string_equal(trouble_text(view.error),
                        "it needs more than 8 GiB; the largest card here has 8 GiB");
    assert_int_equal(gpu(sim, "h/cpu", -1)->held_count, 0); /* nobody said --allow-cpu */
    (void)gpu(sim, "h/12", 12);
    assert_int_equal(sim_frame(sim, job, 2).state, FRAME_CLAIMED);
}

static void a_cpu_worker_gets_only_what_is_too_large_and_only_if_allowed(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, "allow_cpu");
    struct sim_worker *card = gpu(sim, "h/8", 8);
    trouble_finish(sim, card);
    struct sim_worker *cpu = trouble_ready(sim, "h/cpu");
    assert_int_equal(cpu->held_count, 0);
    run_out(sim, card);
    assert_int_equal(holds(card), 2);
    run_out(sim, card);
    assert_string_equal(sim->failed,
                        "out-of-gpu-memory: h/8 ran out of GPU memory on frame 2; "
                        "trying a CPU worker");
    sim_step(sim, cpu);
    assert_int_equal(holds(cpu), 2);
    assert_int_equal(cpu->job, job);
    assert_false(cpu->answer.orders.give_back); /* else it would come and go for ever */
    trouble_finish(sim, cpu);
    gives_back(sim, cpu);
    sim_step(sim, cpu);
    assert_int_equal(cpu->held_count, 0);
    assert_int_equal(sim_frame(sim, job, 2).state, FRAME_DONE);
    assert_int_equal(holds(card), 3);
}

static void a_job_too_large_for_all_cards_goes_to_the_cpu_if_allowed(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, "allow_cpu");
    struct sim_worker *card = gpu(sim, "h/8", 8);
    struct sim_worker *cpu = trouble_ready(sim, "h/cpu");
    assert_int_equal(cpu->held_count, 0);
    run_out(sim, card);
    run_out(sim, card);
    gives_back(sim, card);
    trouble_finish(sim, cpu);
    trouble_finish(sim, cpu);
    assert_int_equal(sim_job(sim, job).counts.by_state[FRAME_DONE], 2);
    sim_step(sim, card);
    assert_int_equal(card->held_count, 0);
}

static void a_job_is_not_given_to_a_card_that_its_peak_does_not_fit(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, NULL);
    struct sim_worker *big = gpu(sim, "h/24", 24);
    sim_report(big, 0, REPORT_FINISHED);
    big->reports[0].gpu_peak_bytes = 20 * GIB;
    big->reports[0].rss_peak_bytes = 3 * GIB;
    sim_step(sim, big);
    assert_int_equal(sim_job(sim, job).row->memory.gpu_peak, 20 * GIB);
    assert_int_equal(sim_job(sim, job).row->memory.rss_peak[DEVICE_GPU], 3 * GIB);
    struct sim_worker *small = gpu(sim, "h/16", 16);
    assert_int_equal(small->held_count, 0);
    sim_restart(sim);
    sim_step(sim, small);
    sim_step(sim, small);
    assert_int_equal(small->held_count, 0);
    assert_string_equal(trouble_text(sim_job(sim, job).error),
                        "it needs 20 GiB; the largest card here has 16 GiB");
    struct sim_worker *other = gpu(sim, "h/20", 20);
    assert_int_equal(other->held_count, 1);
    sim_report(other, 0, REPORT_FINISHED);
    other->reports[0].gpu_peak_bytes = 5 * GIB; /* the most counts */
    sim_step(sim, other);
    assert_int_equal(sim_job(sim, job).row->memory.gpu_peak, 20 * GIB);
}

static void a_peak_is_never_more_than_the_card_has(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, NULL);
    struct sim_worker *worker = gpu(sim, "h/24", 24);
    sim_report(worker, 0, REPORT_FINISHED);
    worker->reports[0].gpu_peak_bytes = 24 * GIB + 5;
    sim_step(sim, worker);
    assert_int_equal(sim_job(sim, job).row->memory.gpu_peak, 24 * GIB);
    assert_int_equal(worker->held_count, 1);
    sim_report(worker, 0, REPORT_FINISHED);
    worker->reports[0].gpu_peak_bytes = INT64_MAX;
    sim_step(sim, worker);
    assert_int_equal(sim_job(sim, job).row->memory.gpu_peak, 24 * GIB);
}

static void out_of_the_hosts_memory_is_an_attempt_after_the_fresh_one(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, NULL);
    struct sim_worker *worker = trouble_ready(sim, "h/1");
    trouble_fail(sim, worker, "out-of-memory");
    assert_int_equal(sim_frame(sim, job, 1).attempts, 0);
    assert_true(worker->held[0].grant.fresh);
    trouble_fail(sim, worker, "out-of-memory");
    assert_int_equal(sim_frame(sim, job, 1).attempts, 1);
    assert_true(worker->held[0].grant.fresh);
    trouble_fail(sim, worker, "out-of-memory");
    trouble_fail(sim, worker, "out-of-memory");
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_FAILED);
}

/* It was not the card's size: another of the same size may do. The same one once more is an
 * attempt, so that it ends. */
static void what_another_program_holds_is_not_counted_against_the_size(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, NULL);
    struct sim_worker *worker = gpu(sim, "h/24", 24);
    run_out(sim, worker);
    for (int i = 0; i < 4; i++) {
        for (int wait = 0; wait < 20 && worker->held_count == 0; wait++) {
            trouble_wait(sim, worker, 500); /* one that failed it three times is blocked a while */
        }
        sim_error(worker, 0, "out-of-gpu-memory", false);
        worker->reports[0].gpu_had_bytes = 14 * GIB;
        worker->reports[0].held_by = "firefox (7) holds 10 GiB";
        sim_step(sim, worker);
        if (i == 0) {
            assert_string_equal(sim->failed,
                                "out-of-gpu-memory: h/24 ran out of GPU memory on frame "
                                "1; trying a larger one (firefox (7) holds 10 GiB)");
            assert_int_equal(sim_job(sim, job).row->memory.too_small, 14 * GIB);
            assert_int_equal(holds(worker), 1);
        }
    }
    assert_int_equal(sim_frame(sim, job, 1).state, FRAME_FAILED);
    assert_int_equal(sim_frame(sim, job, 1).attempts, 3);
}

static void what_another_program_goes_on_holding_is_left_to_the_cpu(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, "allow_cpu");
    struct sim_worker *card = gpu(sim, "h/24", 24);
    struct sim_worker *cpu = trouble_ready(sim, "h/cpu");
    run_out(sim, card);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(holds(card), 1);
        sim_error(card, 0, "out-of-gpu-memory", false);
        card->reports[0].gpu_had_bytes = 14 * GIB;
        sim_step(sim, card);
    }
    assert_string_equal(sim->failed,
                        "out-of-gpu-memory: h/24 ran out of GPU memory on frame 1; "
                        "trying a CPU worker");
    assert_int_equal(sim_job(sim, job).row->memory.too_small, 14 * GIB);
    sim_step(sim, cpu);
    assert_int_equal(holds(cpu), 1);
    assert_int_equal(sim_frame(sim, job, 1).attempts, 0);
}

static void of_an_ordered_job_all_that_follows_needs_the_larger_card(void **state)
{
    struct sim *sim = *state;
    json_t *found = sim_found(1, 9);
    json_object_set_new(found, "ordered", json_true());
    int64_t job = sim_inspected(sim, "/a", found, NULL, NULL);
    struct sim_worker *small = gpu(sim, "h/8", 8);
    trouble_finish(sim, small);
    struct sim_worker *big = gpu(sim, "h/24", 24);
    assert_int_equal(big->held_count, 0);
    run_out(sim, small);
    run_out(sim, small);
    gives_back(sim, small);
    sim_step(sim, big);
    assert_int_equal(holds(big), 2);
    trouble_finish(sim, big);
    assert_int_equal(holds(big), 3);
    assert_int_equal(sim_job(sim, job).row->memory.too_small, 8 * GIB);
}

/* The others fit the job, but not what is left of it. */
static void the_only_card_that_is_large_enough_is_let_in_again(void **state)
{
    struct sim *sim = *state;
    int64_t job = sim_active(sim, "/a", 1, 3, json_pack("{s:i}", "attempts", 9));
    struct sim_worker *small = gpu(sim, "h/8", 8);
    trouble_finish(sim, small);
    struct sim_worker *big = idle(sim, "h/24", 24);
    struct sim_worker *both[] = { small, big, NULL };
    run_out(sim, small);
    run_out(sim, small);
    asks(sim, big);
    assert_int_equal(holds(big), 2);
    for (int i = 0; i < 3; i++) {
        trouble_fail(sim, big, "crashed");
    }
    assert_int_equal(trouble_blocked(sim, job).count, 1);
    trouble_give_back(sim, big);
    trouble_finish(sim, small);
    trouble_wait_all(sim, both, 300000);
    assert_int_equal(sim_events(sim, EVENT_WORKER_UNBLOCKED), 1);
    assert_int_equal(holds(big), 2);
}

static void an_unknown_card_may_be_large_enough(void **state)
{
    struct sim *sim = *state;
    int64_t job = option(sim, NULL);
    struct sim_worker *small = gpu(sim, "h/8", 8);
    struct sim_worker *unknown = idle(sim, "h/x", 0);
    run_out(sim, small);
    run_out(sim, small);
    assert_int_equal(sim_frame(sim, job, 1).attempts, 0);
    gives_back(sim, small);
    asks(sim, unknown);
    assert_int_equal(holds(unknown), 1);
    run_out(sim, unknown); /* says nothing about sizes */
    assert_int_equal(sim_frame(sim, job, 1).attempts, 1);
}

static void says(int64_t bytes, const char *text)
{
    char *size = memory_size(bytes);
    assert_string_equal(size, text);
    free(size);
}

static void sizes_are_told_as_people_do(void **state)
{
    (void)state;
    says(24 * GIB, "24 GiB");
    says(24 * GIB - 12345678, "24 GiB");
    says(7 * GIB + GIB / 2, "7.5 GiB");
    says(GIB / 2, "512 MiB");
    says(0, "0 MiB");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_it_is_tried_in_a_fresh_blender),
        TEST(then_the_job_goes_to_a_larger_card),
        TEST(where_no_card_is_larger_the_job_fails_with_the_figures),
        TEST(a_paused_job_that_goes_on_fails_with_the_figures),
        TEST(only_the_frame_waits_where_others_fit),
        TEST(who_cannot_take_what_is_left_takes_the_next_job),
        TEST(a_cpu_worker_gets_only_what_is_too_large_and_only_if_allowed),
        TEST(a_job_too_large_for_all_cards_goes_to_the_cpu_if_allowed),
        TEST(a_job_is_not_given_to_a_card_that_its_peak_does_not_fit),
        TEST(a_peak_is_never_more_than_the_card_has),
        TEST(out_of_the_hosts_memory_is_an_attempt_after_the_fresh_one),
        TEST(what_another_program_holds_is_not_counted_against_the_size),
        TEST(what_another_program_goes_on_holding_is_left_to_the_cpu),
        TEST(of_an_ordered_job_all_that_follows_needs_the_larger_card),
        TEST(the_only_card_that_is_large_enough_is_let_in_again),
        TEST(an_unknown_card_may_be_large_enough),
        TEST(sizes_are_told_as_people_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
