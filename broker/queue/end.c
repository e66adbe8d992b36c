/* How jobs end: the last claim, the sweep, the row. */

#include <stdlib.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

/* The failed frame with the smallest number. */
static const struct frame *first_failed(const struct job *job)
{
    const struct frame *first = NULL;
    const struct frame *frame;
    struct rows_place at = { 0 };
    while ((frame = rows_each(job, &at)) != NULL) {
        if (frame->state == FRAME_FAILED && (!first || frame->number < first->number)) {
            first = frame;
        }
    }
    return first;
}

static void finish(queue_t *self, struct queue_now now, struct job *job)
{
    int64_t failed = job->counts.by_state[FRAME_FAILED];
    if (failed == 0) {
        job_move(self, now, job, JOB_DONE);
        change_event(self, now, EVENT_JOB_DONE, event_of(job, NULL), NULL);
        return;
    }
    const struct frame *first = first_failed(job);
    json_t *error = first && first->more ? first->more->error : NULL;
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *why = json_string_value(json_object_get(error, "text"));
    char *text =
        alloc_format("%lld of %lld frames failed, the first is %d: %s", (long long)failed,
                     (long long)job->counts.total, first ? first->number : 0, why ? why : "?");
    CLEANUP(cleanup_free)
    char *hint = alloc_format("dblend retry %lld puts them back", (long long)job->row.job);
    job_set_error(job, code ? code : "script-error", text, hint);
    job_move(self, now, job, JOB_FAILED);
    change_event(self, now, EVENT_JOB_FAILED, event_of(job, NULL), text);
}

void job_claim_ended(queue_t *self, struct queue_now now, struct job *job)
{
    job_review(self, now, job);
    if (job->row.state != JOB_ACTIVE && job_live(job) == 0) {
        owner_left(self, now, job);
        job_remove_if_idle(self, job);
    }
}

void job_swept(queue_t *self, struct queue_now now, struct job *job, const char *trouble)
{
    if (trouble) {
        job_warn(job, "not-swept", trouble);
    }
    job->row.sweep_due = false;
    job->row.sweeps = 0;
    job_set_kept(job, NULL);
    /* One that was cancelled when this began, and is on again, still has its last look before it.
     */
    bool looked = job->sweeping.looked || sweep_needless(job);
    if (job->row.state == JOB_ACTIVE && job_all_ended(job) && looked) {
        finish(self, now, job);
    } else {
        job_changed(self, job);
    }
    job_claim_ended(self, now, job);
}

bool job_remove_if_idle(queue_t *self, struct job *job)
{
    if (job->row.removing && job_live(job) == 0 && !job->row.sweep_due) {
        job_delete(self, job);
        return true;
    }
    return false;
}
