#include "looks.h"

struct sim_worker *looks_ready(struct sim *sim, const char *name)
{
    struct sim_worker *worker = sim_worker(sim, name);
    sim_ready(sim, worker);
    sim_turn(sim);
    return worker;
}

/* Gets and finishes this many frames, so that a look may follow; the next claim is not reported. */
void looks_render(struct sim *sim, struct sim_worker *worker, int frames)
{
    for (int i = 0; i < frames; i++) {
        (void)sim_get(sim, worker);
        assert_int_equal(worker->held[0].grant.kind, CLAIM_RENDER);
        sim_report(worker, 0, REPORT_FINISHED);
    }
    sim_step(sim, worker);
}

/* A job whose frames 1 to count are done, its first look in the worker's hands. */
int64_t looks_begun(struct sim *sim, struct sim_worker *worker, int count)
{
    int64_t job = sim_active(sim, "/a", 1, count, NULL);
    looks_render(sim, worker, count);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_SWEEP);
    return job;
}

struct queue_sweep looks_piece(struct sim *sim, const struct sim_worker *worker)
{
    struct queue_sweep out = { 0 };
    assert_int_equal(worker->held_count, 1);
    assert_int_equal(worker->held[0].grant.kind, CLAIM_SWEEP);
    assert_int_equal(queue_sweep(sim->queue, worker->held[0].grant.claim, &out), QUEUE_OK);
    return out;
}

/* The worker looks, and finds one frame wrong (0: none); then it asks for more. */
void looks_look(struct sim *sim, struct sim_worker *worker, int frame, const char *code)
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
void looks_later(struct sim *sim, struct sim_worker *worker, int64_t ms)
{
    sim_pass(sim, ms);
    sim_turn(sim);
    sim_step(sim, worker);
}

void looks_expect_done(struct sim *sim, struct sim_worker *worker, int64_t job)
{
    struct queue_sweep piece = looks_piece(sim, worker);
    assert_true(piece.ends);
    assert_int_equal(piece.frame_count, 0);
    assert_int_equal(sim_job(sim, job).row->state, JOB_ACTIVE);
    looks_look(sim, worker, 0, NULL);
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
    assert_true(queue_kept_gone(sim->queue, job));
    assert_int_equal(sim_events(sim, EVENT_JOB_DONE), 1);
}

/* A job of this many done frames that has ended. */
int64_t looks_done_job(struct sim *sim, struct sim_worker *worker, int count)
{
    int64_t job = looks_begun(sim, worker, count);
    while (worker->held_count > 0) {
        looks_look(sim, worker, 0, NULL);
    }
    assert_int_equal(sim_job(sim, job).row->state, JOB_DONE);
    return job;
}
