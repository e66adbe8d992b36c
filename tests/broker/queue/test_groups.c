/* Cards that work together while there are fewer frames than cards. */

#include "trouble.h"

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

/* A worker with so many of the cards that its owner shares out. */
static struct sim_worker *come(struct sim *sim, const char *name, int64_t cards, int64_t of)
{
    struct sim_worker *worker = sim_worker(sim, name);
    worker->kind = DEVICE_GPU;
    worker->cards = cards;
    worker->regroups = of;
    worker->want = 2;
    worker->no_sweeps = true;
    sim_ready(sim, worker);
    sim_turn(sim);
    sim_step(sim, worker);
    return worker;
}

static void come_alone(struct sim *sim, struct sim_worker **out, int64_t of)
{
    for (int64_t i = 0; i < of; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "h/%d", (int)i);
        out[i] = come(sim, name, 1, of);
    }
}

static void leave(struct sim *sim, struct sim_worker *worker)
{
    worker->leave = true;
    worker->want = 0;
    assert_int_equal(sim_sync(sim, worker), QUEUE_OK);
    sim_turn(sim);
}

static void all_leave(struct sim *sim, struct sim_worker **workers, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        leave(sim, workers[i]);
    }
}

static void finish(struct sim *sim, struct sim_worker *worker)
{
    sim_report(worker, 0, REPORT_STARTED);
    sim_step(sim, worker);
    sim_report(worker, 0, REPORT_FINISHED);
    worker->job = 0;
    sim_step(sim, worker);
}

static int64_t job(struct sim *sim, const char *file, const char *engine, int32_t frames)
{
    json_t *found = sim_found_at(1, frames, file);
    json_object_set_new(found, "engine", json_string(engine));
    return sim_inspected(sim, file, found, NULL, NULL);
}

static size_t held(struct sim_worker **workers, int64_t count)
{
    size_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += workers[i]->held_count;
    }
    return sum;
}

static void a_still_waits_for_all_cards_as_one_group(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[4];
    come_alone(sim, one, 4);
    (void)job(sim, "/still", "CYCLES", 1);
    sim_step(sim, one[2]);
    assert_int_equal(queue_group_size(sim->queue), 4);
    assert_int_equal(held(one, 4), 0);
    all_leave(sim, one, 4);
    struct sim_worker *group = come(sim, "h/0+1+2+3", 4, 4);
    assert_int_equal(group->held_count, 1);
    assert_int_equal(queue_group_size(sim->queue), 0);
}

static void as_many_frames_as_cards_are_taken_at_once(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[4];
    come_alone(sim, one, 4);
    (void)job(sim, "/four", "CYCLES", 4);
    assert_int_equal(queue_group_size(sim->queue), 0);
    assert_int_equal(held(one, 4), 4);
}

static void three_frames_on_eight_cards_are_for_groups_of_two(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[8];
    struct sim_worker *two[4];
    come_alone(sim, one, 8);
    (void)job(sim, "/three", "CYCLES", 3);
    assert_int_equal(queue_group_size(sim->queue), 2);
    all_leave(sim, one, 8);
    for (size_t i = 0; i < 4; i++) {
        const char *names[] = { "h/0+1", "h/2+3", "h/4+5", "h/6+7" };
        two[i] = come(sim, names[i], 2, 8);
    }
    for (size_t i = 0; i < 3; i++) { /* nobody takes two, nor waits for a better size */
        assert_int_equal(two[i]->held_count, 1);
    }
    assert_int_equal(queue_group_size(sim->queue), 0);
}

static void a_group_parts_for_many_frames_once_its_own_is_done(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *group = come(sim, "h/0+1+2+3", 4, 4);
    (void)job(sim, "/still", "CYCLES", 1);
    assert_int_equal(group->held_count, 1);
    (void)job(sim, "/long", "CYCLES", 40);
    sim_step(sim, group);
    assert_int_equal(queue_group_size(sim->queue), 0); /* what renders is left in peace */
    finish(sim, group);
    assert_int_equal(queue_group_size(sim->queue), 1);
    assert_int_equal(group->held_count, 0);
    leave(sim, group);
    struct sim_worker *one[4];
    come_alone(sim, one, 4);
    assert_true(held(one, 4) >= 4);
    assert_int_equal(queue_group_size(sim->queue), 0);
}

static void a_group_stays_as_long_as_there_is_nothing_to_do(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *group = come(sim, "h/0+1+2+3", 4, 4);
    sim_step(sim, group);
    assert_int_equal(queue_group_size(sim->queue), 0);
    (void)job(sim, "/still", "CYCLES", 1);
    assert_int_equal(group->held_count, 1);
    (void)job(sim, "/next", "CYCLES", 1);
    finish(sim, group);
    assert_int_equal(group->held_count, 1);
    assert_int_equal(queue_group_size(sim->queue), 0);
}

static void the_last_frames_of_a_job_go_to_single_cards(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[4];
    come_alone(sim, one, 4);
    (void)job(sim, "/five", "CYCLES", 5);
    assert_int_equal(held(one, 4), 4);
    for (size_t i = 0; i < 3; i++) {
        finish(sim, one[i]);
    }
    assert_int_equal(queue_group_size(sim->queue), 0);
    assert_int_equal(held(one, 4), 2);
}

static void a_still_beside_a_job_under_way_is_taken_as_it_is(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[2];
    one[0] = come(sim, "h/0", 1, 2);
    (void)job(sim, "/long", "CYCLES", 40);
    one[1] = come(sim, "h/1", 1, 2);
    (void)job(sim, "/still", "CYCLES", 1);
    assert_int_equal(queue_group_size(sim->queue), 0);
    assert_true(one[1]->held_count > 0);
}

static void a_frame_that_comes_back_goes_to_a_single_card(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[4];
    come_alone(sim, one, 4);
    (void)job(sim, "/four", "CYCLES", 4);
    finish(sim, one[1]);
    finish(sim, one[2]);
    sim_error(one[3], 0, "crashed", false);
    one[3]->job = 0;
    sim_step(sim, one[3]);
    sim_step(sim, one[1]);
    assert_int_equal(queue_group_size(sim->queue), 0);
    assert_int_equal(held(one, 4), 2);
}

static void groups_that_would_be_little_larger_are_not_worth_it(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *two[3];
    for (size_t i = 0; i < 3; i++) {
        const char *names[] = { "h/0+1", "h/2+3", "h/4+5" };
        two[i] = come(sim, names[i], 2, 6);
    }
    (void)job(sim, "/two", "CYCLES", 2);
    assert_int_equal(queue_group_size(sim->queue), 0);
    assert_int_equal(held(two, 3), 2);
}

#define GIB ((int64_t)1 << 30)

static struct sim_worker *come_with(struct sim *sim, const char *name, int64_t cards,
                                    int64_t memory, int64_t largest)
{
    struct sim_worker *worker = sim_worker(sim, name);
    worker->memory_bytes = memory;
    worker->largest_bytes = largest;
    worker->kind = DEVICE_GPU;
    worker->cards = cards;
    worker->regroups = 2;
    worker->want = 1;
    worker->no_sweeps = true;
    sim_ready(sim, worker);
    sim_turn(sim);
    sim_step(sim, worker);
    return worker;
}

static void run_out(struct sim *sim, struct sim_worker *worker)
{
    assert_int_equal(worker->held_count, 1);
    sim_error(worker, 0, "out-of-gpu-memory", false);
    sim_step(sim, worker);
}

/* A group has no more memory than its smallest card. */
static void a_group_that_is_too_small_is_parted_for_its_larger_card(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *group = come_with(sim, "h/0+1", 2, 24 * GIB, 48 * GIB);
    int64_t still = job(sim, "/still", "CYCLES", 1);
    run_out(sim, group);
    run_out(sim, group); /* in a fresh Blender, too */
    assert_non_null(strstr(sim->failed, "trying a larger one"));
    group->job = 0;
    sim_step(sim, group);
    assert_int_equal(sim_job(sim, still).row->state, JOB_ACTIVE);
    assert_int_equal(queue_group_size(sim->queue), 1);
    leave(sim, group);
    assert_int_equal(come_with(sim, "h/0", 1, 24 * GIB, 24 * GIB)->held_count, 0);
    assert_int_equal(come_with(sim, "h/1", 1, 48 * GIB, 48 * GIB)->held_count, 1);
    assert_int_equal(queue_group_size(sim->queue), 0); /* nor are they joined again for it */
}

static void a_group_of_equal_cards_ends_with_the_figures(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *group = come_with(sim, "h/0+1", 2, 24 * GIB, 24 * GIB);
    int64_t still = job(sim, "/still", "CYCLES", 1);
    run_out(sim, group);
    run_out(sim, group);
    assert_int_equal(queue_group_size(sim->queue), 0);
    assert_int_equal(sim_frame(sim, still, 1).state, FRAME_FAILED);
    assert_non_null(strstr(sim->failed, "the largest card here has 24 GiB"));
}

/* The first of them asks before the others are there. */
static void a_still_that_was_there_before_waits_for_all(void **state)
{
    struct sim *sim = *state;
    (void)job(sim, "/still", "CYCLES", 1);
    struct sim_worker *first = come(sim, "h/0", 1, 4);
    assert_int_equal(first->held_count, 0);
    assert_int_equal(queue_group_size(sim->queue), 4);
}

static void a_wish_that_nobody_grants_ends(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[4];
    come_alone(sim, one, 4);
    (void)job(sim, "/still", "CYCLES", 1);
    for (int i = 0; i < 40 && held(one, 4) == 0; i++) {
        sim_pass(sim, 1000);
        for (size_t w = 0; w < 4; w++) {
            sim_step(sim, one[w]);
        }
    }
    assert_int_equal(held(one, 4), 1);
    assert_int_equal(queue_group_size(sim->queue), 0);
    (void)job(sim, "/next", "CYCLES", 1);
    assert_int_equal(held(one, 4), 2); /* nor is it wished again at once */
}

static void a_wish_that_cannot_be_granted_is_given_up(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[4];
    come_alone(sim, one, 4);
    (void)job(sim, "/still", "CYCLES", 1);
    assert_int_equal(held(one, 4), 0);
    queue_group_refused(sim->queue, sim->now);
    sim_turn(sim);
    assert_int_equal(held(one, 4), 1);
}

static void a_wish_ends_with_its_job(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[4];
    struct queue_error error;
    come_alone(sim, one, 4);
    int64_t still = job(sim, "/still", "CYCLES", 1);
    assert_int_equal(queue_group_size(sim->queue), 4);
    assert_int_equal(queue_cancel(sim->queue, sim->now, still, &error), QUEUE_OK);
    sim_turn(sim);
    sim_step(sim, one[0]);
    assert_int_equal(queue_group_size(sim->queue), 0);
}

static void more_frames_change_the_wish(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[4];
    come_alone(sim, one, 4);
    (void)job(sim, "/still", "CYCLES", 1);
    (void)job(sim, "/next", "CYCLES", 1);
    assert_int_equal(queue_group_size(sim->queue), 2);
    (void)job(sim, "/long", "CYCLES", 40);
    sim_turn(sim);
    assert_true(held(one, 4) >= 4);
}

static void who_shares_out_nothing_is_not_waited_for(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[2];
    one[0] = come(sim, "h/0", 1, 0);
    one[1] = come(sim, "h/1", 1, 0);
    (void)job(sim, "/still", "CYCLES", 1);
    assert_int_equal(queue_group_size(sim->queue), 0);
    assert_int_equal(held(one, 2), 1);
}

static void a_card_that_rests_is_not_part_of_it(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[4];
    come_alone(sim, one, 4);
    assert_int_equal(queue_rest(sim->queue, sim->now, "h/3", DRAIN_SOFT), QUEUE_OK);
    sim_turn(sim);
    (void)job(sim, "/still", "CYCLES", 1);
    assert_int_equal(queue_group_size(sim->queue), 3);
}

static void engines_but_cycles_render_on_single_cards(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[4];
    come_alone(sim, one, 4);
    (void)job(sim, "/still", "BLENDER_EEVEE", 1);
    assert_int_equal(queue_group_size(sim->queue), 0);
    assert_int_equal(held(one, 4), 1);
}

/* One frame after the other: more cards are all that helps. */
static void an_ordered_job_is_for_one_group(void **state)
{
    struct sim *sim = *state;
    struct sim_worker *one[4];
    come_alone(sim, one, 4);
    json_t *found = sim_found_at(1, 40, "/physics");
    json_object_set_new(found, "engine", json_string("CYCLES"));
    json_object_set_new(found, "ordered", json_true());
    (void)sim_inspected(sim, "/physics", found, NULL, NULL);
    assert_int_equal(queue_group_size(sim->queue), 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_still_waits_for_all_cards_as_one_group),
        TEST(as_many_frames_as_cards_are_taken_at_once),
        TEST(three_frames_on_eight_cards_are_for_groups_of_two),
        TEST(a_group_parts_for_many_frames_once_its_own_is_done),
        TEST(a_group_stays_as_long_as_there_is_nothing_to_do),
        TEST(the_last_frames_of_a_job_go_to_single_cards),
        TEST(a_still_beside_a_job_under_way_is_taken_as_it_is),
        TEST(a_frame_that_comes_back_goes_to_a_single_card),
        TEST(groups_that_would_be_little_larger_are_not_worth_it),
        TEST(a_group_that_is_too_small_is_parted_for_its_larger_card),
        TEST(a_group_of_equal_cards_ends_with_the_figures),
        TEST(a_still_that_was_there_before_waits_for_all),
        TEST(a_wish_that_nobody_grants_ends),
        TEST(a_wish_that_cannot_be_granted_is_given_up),
        TEST(a_wish_ends_with_its_job),
        TEST(more_frames_change_the_wish),
        TEST(who_shares_out_nothing_is_not_waited_for),
        TEST(a_card_that_rests_is_not_part_of_it),
        TEST(engines_but_cycles_render_on_single_cards),
        TEST(an_ordered_job_is_for_one_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
