/* Claims: given, remembered after their end, given up. */

#include <assert.h>
#include <stdlib.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

struct claim *claim_restore(queue_t *self, struct worker *worker, int64_t number,
                            enum claim_kind kind, struct job *job, struct frame *frame)
{
    struct claim *claim = alloc_zero(1, sizeof *claim);
    claim->number = number;
    claim->kind = kind;
    claim->job = job;
    claim->frame = frame;
    claim->worker = worker;
    claim->named_seq = -1;
    link_append(&worker->claims, &claim->of_worker);
    worker->claim_count++;
    map_put(&self->claims, number, claim);
    if (frame) {
        rows_more(job, frame)->live = claim;
        self->render_claims++;
    } else {
        job->live = claim;
    }
    return claim;
}

struct claim *claim_grant(queue_t *self, struct worker *worker, enum claim_kind kind,
                          struct job *job, struct frame *frame)
{
    int64_t number = change_next_claim(self);
    struct claim *claim = claim_restore(self, worker, number, kind, job, frame);
    if (frame) {
        frame->claim = number;
        frame->outcome = OUTCOME_LIVE;
        frame->worker = worker->name;
        frame->started_at = 0;
        frame->finished_at = 0;
        frame->ms = -1;
        frame->bytes = -1;
        frame_move(self, job, frame, FRAME_CLAIMED, NULL);
    } else {
        job->row.claim = number;
        job->row.claim_kind = kind;
        job->row.claim_outcome = OUTCOME_LIVE;
        job->row.worker = worker->name;
        job->row.worker_id = worker->id;
    }
    return claim;
}

void claim_remember(queue_t *self, int64_t claim, int64_t job, int32_t frame)
{
    struct recent_claim *recent = &self->recent[claim & (RECENT_CLAIMS - 1)];
    if (claim > recent->claim) {
        *recent = (struct recent_claim){ .claim = claim, .job = job, .frame = frame };
    }
}

void claim_end(queue_t *self, struct claim *claim)
{
    struct job *job = claim->job;
    claim_remember(self, claim->number, job->row.job,
                   claim->frame ? claim->frame->number : EVENT_NO_FRAME);
    if (claim->frame) {
        claim->frame->more->live = NULL;
        self->render_claims--;
    } else {
        job->live = NULL;
        job->row.worker_id = NULL;
    }
    link_remove(&claim->of_worker);
    claim->worker->claim_count--;
    map_remove(&self->claims, claim->number);
    free(claim);
}

/* Workers were lost over it as often as it may be tried, and on two machines where there are two.
 */
static bool kills(queue_t *self, struct job *job, const struct frame *frame)
{
    const struct frame_more *more = frame->more;
    return frame->losses >= job->attempts_max &&
           (more->tried_count > 1 || !fit_other(self, job, frame->worker, FIT_THERE));
}

static void give_up_frame(queue_t *self, struct queue_now now, struct claim *claim,
                          enum claim_outcome outcome, const char *text)
{
    struct job *job = claim->job;
    struct frame *frame = claim->frame;
    struct worker *who = claim->worker;
    const char *worker = who->name;
    bool lost = outcome == OUTCOME_LOST && claim->started;
    if (lost) {
        job->sweeping.leftovers = true;
        frame->losses++;
        rows_try_add(rows_more(job, frame), worker);
    }
    frame->outcome = (uint8_t)outcome;
    claim_end(self, claim);
    if (job->row.state == JOB_CANCELLED) {
        frame_move(self, job, frame, FRAME_CANCELLED, NULL);
        change_event(self, now, EVENT_FRAME_CANCELLED, event_of_frame(job, frame->number, worker),
                     NULL);
    } else if (lost && kills(self, job, frame)) {
        struct frame_more *more = rows_more(job, frame);
        json_decref(more->error);
        more->error = json_pack("{s:s, s:s, s:s}", "code", "kills-workers", "text",
                                "workers were lost while they rendered it", "hint",
                                "look at the worker's log, then dblend retry");
        frame->finished_at = now.wall_ms;
        frame_move(self, job, frame, FRAME_FAILED, NULL);
        change_event(self, now, EVENT_FRAME_FAILED, event_of_frame(job, frame->number, worker),
                     alloc_text("kills-workers: workers were lost while they rendered it"));
    } else {
        frame_move(self, job, frame, FRAME_WAITING, NULL);
        change_event(self, now, EVENT_FRAME_RETURNED, event_of_frame(job, frame->number, worker),
                     alloc_text(text));
    }
    if (lost) {
        failure_lost(self, now, who, job);
    }
}

static void give_up_inspection(queue_t *self, struct queue_now now, struct claim *claim,
                               enum claim_outcome outcome)
{
    struct job *job = claim->job;
    bool charged = outcome == OUTCOME_LOST && claim->started;
    job->row.claim_outcome = outcome;
    claim_end(self, claim);
    job->row.attempts += charged;
    if (job->row.state != JOB_INSPECTING) {
        job_changed(self, job);
    } else if (charged && job->row.attempts >= job->attempts_max) {
        job_set_error(job, "kills-workers", "workers were lost while they inspected it",
                      "look at the worker's log, then dblend retry");
        job_stop(self, now, job);
    } else {
        job_move(self, now, job, JOB_QUEUED);
    }
}

void claim_give_up(queue_t *self, struct queue_now now, struct claim *claim,
                   enum claim_outcome outcome, const char *text)
{
    struct job *job = claim->job;
    assert(outcome == OUTCOME_RETURNED || outcome == OUTCOME_LOST);
    if (claim->kind == CLAIM_RENDER) {
        give_up_frame(self, now, claim, outcome, text);
    } else if (claim->kind == CLAIM_INSPECT) {
        give_up_inspection(self, now, claim, outcome);
    } else {
        sweep_failed(self, now, claim, outcome, "lost",
                     "workers were lost while they looked over the output");
        return; /* the job may be gone */
    }
    job_claim_ended(self, now, job);
}
