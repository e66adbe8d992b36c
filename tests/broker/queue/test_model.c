/*
 * Random histories: workers that render, fail, forget, lose answers, repeat themselves, stop for an
 * hour and come back; brokers that die between any two steps; people who pause, cancel and retry.
 * After every step the ledger, the counters and the claims are compared (sim_check); at the end
 * everybody behaves, and every job must come to its end.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { WORKERS = 6, STEPS = 1500, HISTORIES = 60, JOBS = 5 };

struct model {
    struct sim sim;
    struct sim_worker *workers[WORKERS + 1]; /* the last is an inspector */
    uint64_t random;
    struct map claims; /* claim -> who got it first, for which frame */
    int64_t jobs[JOBS];
    size_t job_count;
    json_t *found[2];
    json_t *file;        /* for --accept-change */
    json_t *wrong;       /* what a sweep may say */
    struct map accepted; /* claim of a `finished` that was accepted -> the model */
};

struct given {
    const struct sim_worker *worker;
    int64_t job;
    int32_t frame;
};

static uint32_t next(struct model *model, uint32_t below)
{
    model->random = model->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(model->random >> 33) % below;
}

/* A claim number means one worker and one frame for ever. */
static void check_grants(struct model *model, const struct sim_worker *worker)
{
    for (size_t i = 0; i < worker->held_count; i++) {
        const struct queue_grant *grant = &worker->held[i].grant;
        struct given *given = map_get(&model->claims, grant->claim);
        if (!given) {
            given = calloc(1, sizeof *given);
            assert_non_null(given);
            *given = (struct given){ worker, grant->job, grant->frame };
            map_put(&model->claims, grant->claim, given);
        }
        assert_ptr_equal(given->worker, worker);
        assert_int_equal(given->job, grant->job);
        assert_int_equal(given->frame, grant->frame);
    }
}

static void check_settled(struct model *model, struct sim_worker *worker)
{
    for (size_t i = 0; worker->answered && i < worker->answer.settled_count; i++) {
        const struct queue_settled *settled = &worker->answer.settled[i];
        if (settled->accepted &&
            (settled->what == REPORT_FINISHED || settled->what == REPORT_KEPT)) {
            map_put(&model->accepted, settled->claim, model);
        }
    }
}

/* Nothing that was accepted is lost: the row still has the claim, unless it was retried. */
static void check_accepted(struct model *model)
{
    for (size_t i = 0; i < model->accepted.size; i++) {
        const struct map_slot *slot = &model->accepted.slots[i];
        struct given *given = slot->value ? map_get(&model->claims, slot->key) : NULL;
        struct frame_row row;
        if (!given || queue_frame(model->sim.queue, given->job, given->frame, &row) != QUEUE_OK) {
            continue;
        }
        if (row.claim == slot->key) {
            assert_true(row.outcome == OUTCOME_FINISHED || row.outcome == OUTCOME_KEPT);
        }
    }
}

static void check_stopped(struct model *model, struct sim_worker *worker)
{
    const struct queue_answer *answer = &worker->answer;
    if (!worker->answered) {
        return;
    }
    for (size_t k = 0; k < answer->orders.stop_count; k++) {
        for (size_t i = 0; i < worker->held_count; i++) {
            if (worker->held[i].grant.claim == answer->orders.stop[k] &&
                worker->report_count < QUEUE_REPORTS) {
                sim_report(worker, i, REPORT_RETURNED);
                break;
            }
        }
    }
    if (answer->orders.give_back || answer->orders.pause) {
        for (size_t i = worker->held_count; i-- > 0;) {
            if (worker->held[i].phase == PHASE_AHEAD && worker->report_count < QUEUE_REPORTS) {
                sim_report(worker, i, REPORT_RETURNED);
            }
        }
    }
    (void)model;
}

/* Of the frame, of the machine, of the job. */
static const char *some_code(struct model *model)
{
    static const char *const codes[] = { "crashed",     "stalled",   "out-of-memory", "no-picture",
                                         "bad-picture", "disk-full", "device-lost",   "no-camera" };
    return codes[next(model, sizeof codes / sizeof *codes)];
}

static void end_claim(struct model *model, struct sim_worker *worker, size_t held)
{
    const struct queue_grant *grant = &worker->held[held].grant;
    if (worker->report_count + 1 >= QUEUE_REPORTS) {
        return;
    }
    uint32_t dice = next(model, 20);
    if (grant->kind != CLAIM_RENDER && dice > 2) {
        enum claim_kind kind = grant->kind;
        sim_report(worker, held, kind == CLAIM_INSPECT ? REPORT_INSPECTED : REPORT_SWEPT);
        worker->reports[worker->report_count - 1].found = model->found[next(model, 4) == 0];
        worker->reports[worker->report_count - 1].wrong = next(model, 6) ? NULL : model->wrong;
    } else if (dice == 0) {
        sim_error(worker, held, grant->kind == CLAIM_RENDER ? some_code(model) : "crashed",
                  grant->kind == CLAIM_RENDER && next(model, 30) == 0);
    } else if (dice == 1) {
        sim_report(worker, held, REPORT_RETURNED);
    } else if (grant->kind != CLAIM_RENDER) {
        sim_error(worker, held, "stalled", false);
    } else if (dice == 2) {
        sim_report(worker, held, REPORT_TAKEN);
    } else if (dice == 3) {
        sim_report(worker, held, REPORT_KEPT);
    } else {
        sim_report(worker, held, REPORT_FINISHED);
    }
}

static void work(struct model *model, struct sim_worker *worker)
{
    size_t unproven = 0;
    check_stopped(model, worker);
    for (size_t i = worker->held_count; i-- > 0;) {
        uint32_t dice = next(model, 4);
        if (worker->held[i].phase == PHASE_AHEAD && dice == 0 &&
            worker->report_count < QUEUE_REPORTS) {
            sim_report(worker, i, REPORT_STARTED);
        } else if (worker->held[i].phase == PHASE_RENDERING && dice == 0) {
            worker->held[i].phase = PHASE_PROOF;
        } else if (worker->held[i].phase != PHASE_AHEAD && dice == 1) {
            end_claim(model, worker, i);
        }
    }
    for (size_t i = 0; i < worker->held_count; i++) {
        unproven +=
            worker->held[i].phase == PHASE_AHEAD || worker->held[i].phase == PHASE_RENDERING;
    }
    worker->want = worker->held_count >= 4 ? 0 : unproven >= 2 ? 0 : 2 - (int)unproven;
    if (worker->kind == DEVICE_NONE) {
        worker->want = worker->held_count == 0;
    }
    if (unproven == 0 && (worker->answer.orders.give_back || next(model, 10) == 0)) {
        worker->job = 0;
    }
}

static void send(struct model *model, struct sim_worker *worker)
{
    if (worker->session == 0 || sim_sync(&model->sim, worker) == QUEUE_READY_AGAIN) {
        sim_ready(&model->sim, worker);
    }
}

static void turn(struct model *model, bool lose)
{
    model->sim.lose_answers = lose;
    sim_turn(&model->sim);
    model->sim.lose_answers = false;
    for (size_t i = 0; i <= WORKERS; i++) {
        check_grants(model, model->workers[i]);
        check_settled(model, model->workers[i]);
    }
    sim_check(&model->sim);
    check_accepted(model);
}

static void steer(struct model *model)
{
    struct sim *sim = &model->sim;
    struct queue_error error;
    int64_t job = model->jobs[next(model, (uint32_t)model->job_count)];
    switch (next(model, 16)) {
    case 0:
        (void)queue_pause(sim->queue, sim->now, job, &error);
        break;
    case 1:
    case 2:
        (void)queue_resume(sim->queue, sim->now, job, NULL, &error);
        break;
    case 12:
        (void)queue_resume(sim->queue, sim->now, job, model->file, &error);
        break;
    case 13:
        (void)queue_retry(sim->queue, sim->now, job, RETRY_LOOK, &error);
        break;
    case 14:
        (void)queue_verify(sim->queue, sim->now, job,
                           &(struct queue_verify){ .requeue = next(model, 2) }, &error);
        break;
    case 3:
        (void)queue_cancel(sim->queue, sim->now, job, &error);
        break;
    case 4:
    case 5:
        (void)queue_retry(sim->queue, sim->now, job, RETRY_FAILED, &error);
        break;
    case 6:
        (void)queue_retry(sim->queue, sim->now, job, RETRY_ALL, &error);
        break;
    case 7:
        (void)queue_priority(sim->queue, sim->now, job, (int32_t)next(model, 101), &error);
        break;
    case 8:
        (void)queue_pause(sim->queue, sim->now, 0, &error);
        break;
    case 9:
    case 10:
        (void)queue_resume(sim->queue, sim->now, 0, NULL, &error);
        break;
    default:
        if (next(model, 10) == 0) {
            (void)queue_remove(sim->queue, sim->now, job, &error);
        }
    }
}

static void submit(struct model *model)
{
    char file[32];
    json_t *options = json_object();
    (void)snprintf(file, sizeof file, "/%u.blend", next(model, 2));
    if (next(model, 3) == 0) {
        json_object_set_new(options, "order", json_string("middle"));
    }
    json_object_set_new(options, "again", json_true());
    json_object_set_new(options, "priority", json_integer(10LL * next(model, 3)));
    model->jobs[model->job_count++] = sim_submit(&model->sim, file, options);
}

static void random_step(struct model *model)
{
    struct sim *sim = &model->sim;
    struct sim_worker *worker = model->workers[next(model, WORKERS + 1)];
    uint32_t dice = next(model, 100);
    if (dice < 70) {
        work(model, worker);
        send(model, worker);
        if (next(model, 20) != 0) {
            turn(model, next(model, 10) == 0);
        }
    } else if (dice < 74) {
        turn(model, false);
        sim->retrying = true;
        steer(model);
        turn(model, false);
        sim->retrying = false;
    } else if (dice < 76) {
        sim_restart(sim); /* what was not committed is gone, and so are the answers to it */
    } else if (dice < 78) {
        worker->held_count = 0; /* a new life under the same id, as far as the broker sees */
        sim_ready(sim, worker);
    } else if (dice < 80) {
        sim_pass(sim, 16000); /* all that do not speak meanwhile are lost */
        send(model, worker);
        (void)queue_expire(sim->queue, sim->now);
        turn(model, false);
    } else if (dice < 81) {
        queue_gone(sim->queue, sim->now, worker->session);
    } else if (dice < 83 && worker->session != 0) {
        worker->seq--; /* a duplicate */
        assert_true(sim_sync(sim, worker) != QUEUE_OK);
    } else if (dice < 86 && model->job_count < JOBS) {
        submit(model);
    } else {
        sim_pass(sim, next(model, 3000));
        turn(model, false);
    }
}

static bool all_over(struct model *model)
{
    bool over = true;
    for (size_t i = 0; i < model->job_count; i++) {
        struct job_view view;
        if (queue_job(model->sim.queue, model->sim.now, model->jobs[i], &view) == QUEUE_OK) {
            over = over && job_state_ended(view.row->state) && view.live_claims == 0;
        }
    }
    return over;
}

static void behave(struct model *model)
{
    struct sim *sim = &model->sim;
    struct queue_error error;
    (void)queue_resume(sim->queue, sim->now, 0, NULL, &error);
    for (size_t i = 0; i < model->job_count; i++) {
        (void)queue_resume(sim->queue, sim->now, model->jobs[i], NULL, &error);
    }
    for (int round = 0; round < 2000 && !all_over(model); round++) {
        for (size_t i = 0; i <= WORKERS; i++) {
            work(model, model->workers[i]);
            send(model, model->workers[i]);
        }
        turn(model, false);
        sim_pass(sim, 1000);
        (void)queue_expire(sim->queue, sim->now);
    }
    if (!all_over(model)) {
        for (size_t i = 0; i < model->job_count; i++) {
            struct job_view view;
            if (queue_job(sim->queue, sim->now, model->jobs[i], &view) == QUEUE_OK) {
                print_error("job %d %s waiting %d claimed %d taken %d sweep %d\n",
                            (int)model->jobs[i], job_state_name(view.row->state),
                            (int)view.counts.by_state[FRAME_WAITING],
                            (int)view.counts.by_state[FRAME_CLAIMED],
                            (int)view.counts.by_state[FRAME_TAKEN], view.row->sweep_due);
            }
        }
        fail();
    }
}

static size_t grants;
static size_t kept;
static uint64_t running; /* its seed; 0 = none */

static int say_seed(void **state)
{
    (void)state;
    if (running != 0) {
        print_error("seed %llu (SEED=%llu runs it alone)\n", (unsigned long long)running,
                    (unsigned long long)running);
    }
    return 0;
}

static void run(uint64_t seed)
{
    struct model model = { .random = seed };
    running = seed;
    sim_open(&model.sim);
    model.found[0] = sim_found(1, 40);
    model.found[1] = sim_found(5, 30); /* another frame list, now and then */
    model.file = json_pack("{s:s}", "hash", "bb");
    model.wrong =
        json_pack("[{s:i, s:s, s:s}, {s:i, s:s, s:s}]", "frame", 7, "code", "gone", "text",
                  "/out/a_0007.png: no such file", "frame", 30, "code", "broken", "text", "");
    json_object_set_new(model.found[0], "ordered", json_boolean(seed % 5 == 0));
    for (size_t i = 0; i <= WORKERS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "h/%zu", i % 5); /* one name twice */
        model.workers[i] = sim_worker(&model.sim, name);
        model.workers[i]->kind = i == WORKERS ? DEVICE_NONE : DEVICE_CPU;
    }
    submit(&model);
    for (int i = 0; i < STEPS; i++) {
        random_step(&model);
    }
    behave(&model);
    for (size_t i = 0; i < model.claims.size; i++) {
        free(model.claims.slots[i].value);
    }
    grants += model.claims.count;
    kept += model.accepted.count;
    map_clear(&model.claims);
    map_clear(&model.accepted);
    json_decref(model.found[0]);
    json_decref(model.found[1]);
    json_decref(model.file);
    json_decref(model.wrong);
    sim_close(&model.sim);
    running = 0;
}

static void random_histories_lose_nothing_and_give_nothing_twice(void **state)
{
    const char *only = getenv("SEED");
    (void)state;
    if (only) {
        run(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        run(seed);
    }
    print_message("%d histories of %d steps, %zu grants, %zu accepted\n", HISTORIES, STEPS, grants,
                  kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(random_histories_lose_nothing_and_give_nothing_twice, say_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
