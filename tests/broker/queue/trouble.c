#include "trouble.h"

#include <string.h>

struct sim_worker *trouble_ready(struct sim *sim, const char *name)
{
    struct sim_worker *worker = sim_worker(sim, name);
    sim_ready(sim, worker);
    sim_turn(sim);
    sim_step(sim, worker);
    return worker;
}

/* Whatever frame it holds ends so; what it gets next is not of that call. */
void trouble_fail(struct sim *sim, struct sim_worker *worker, const char *code)
{
    if (worker->held_count == 0) {
        (void)sim_get(sim, worker);
    }
    sim_error(worker, 0, code, false);
    sim_step(sim, worker);
}

void trouble_finish(struct sim *sim, struct sim_worker *worker)
{
    if (worker->held_count == 0) {
        (void)sim_get(sim, worker);
    }
    sim_report(worker, 0, REPORT_FINISHED);
    sim_step(sim, worker);
}

/* It gives back what it has, and its job. */
void trouble_give_back(struct sim *sim, struct sim_worker *worker)
{
    while (worker->held_count > 0) {
        sim_report(worker, 0, REPORT_RETURNED);
    }
    worker->job = 0;
    sim_step(sim, worker);
}

/* Time passes while all of them keep in touch. */
void trouble_wait_all(struct sim *sim, struct sim_worker **workers, int64_t ms)
{
    while (ms > 0) {
        int64_t step = ms < 500 ? ms : 500;
        sim_pass(sim, step);
        ms -= step;
        for (size_t i = 0; workers[i]; i++) {
            if (workers[i]->held_count == 0 && workers[i]->answer.orders.give_back) {
                workers[i]->job = 0;
            }
            sim_step(sim, workers[i]);
        }
    }
}

void trouble_wait(struct sim *sim, struct sim_worker *worker, int64_t ms)
{
    struct sim_worker *workers[] = { worker, NULL };
    trouble_wait_all(sim, workers, ms);
}

/* Started, and gone with it. */
void trouble_lose(struct sim *sim, struct sim_worker *worker)
{
    if (worker->held_count == 0) {
        (void)sim_get(sim, worker);
    }
    worker->want = 0;
    sim_report(worker, 0, REPORT_STARTED);
    sim_step(sim, worker);
    queue_gone(sim->queue, sim->now, worker->session);
    worker->held_count = 0;
    worker->opened = 0;
    worker->session = 0;
    worker->job = 0;
    sim_turn(sim);
    sim_check(sim);
}

const char *trouble_code(const json_t *error)
{
    return error ? json_string_value(json_object_get(error, "code")) : "";
}

const char *trouble_text(const json_t *error)
{
    return error ? json_string_value(json_object_get(error, "text")) : "";
}

struct seen {
    const char *name;
    struct worker_view view;
    bool there;
};

static void see_worker(void *arg, const struct worker_view *view)
{
    struct seen *seen = arg;
    if (strcmp(view->worker, seen->name) == 0) {
        seen->view = *view;
        seen->there = true;
    }
}

struct worker_view trouble_worker(struct sim *sim, const char *name)
{
    struct seen seen = { .name = name };
    queue_workers(sim->queue, sim->now, see_worker, &seen);
    assert_true(seen.there);
    return seen.view;
}

static void see_blocked(void *arg, const struct blocked_view *view)
{
    struct trouble_list *blocked = arg;
    assert_true(blocked->count < 8);
    blocked->views[blocked->count++] = *view;
}

struct trouble_list trouble_blocked(struct sim *sim, int64_t job)
{
    struct trouble_list blocked = { 0 };
    assert_int_equal(queue_blocked(sim->queue, sim->now, job, see_blocked, &blocked), QUEUE_OK);
    return blocked;
}
