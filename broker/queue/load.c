/* The queue as the ledger has it: jobs, then frames, then everything that follows from them. */

#include <errno.h>
#include <string.h>

#include "broker/queue/keyed.h"
#include "broker/queue/same.h"
#include "broker/queue/state.h"

int queue_load_meta(queue_t *self, const char *key, int64_t value)
{
    if (strcmp(key, "claim") == 0) {
        self->next_claim = value;
    } else if (strcmp(key, "job") == 0) {
        self->next_job = value;
    } else if (strcmp(key, "paused") == 0) {
        self->paused = value != 0;
    }
    return 0;
}

/* The worker of a claim that was live: without a session until it comes back. */
static struct worker *owner_of(queue_t *self, const char *id, const char *name)
{
    const char *kept = words_keep(&self->names, id);
    struct worker *worker = map_get(&self->ids, words_key(kept));
    if (!worker) {
        worker = worker_new(self, id);
        worker->name = words_keep(&self->names, name ? name : "?");
        worker->standing = rest_standing(self, worker->name);
    }
    return worker;
}

static int check_claim(const queue_t *self, int64_t claim, const char *worker_id, const char **text)
{
    if (!worker_id) {
        *text = "a live claim without a worker";
        return -EINVAL;
    }
    if (claim <= 0 || claim >= self->next_claim || map_get(&self->claims, claim)) {
        *text = "a claim number that was never given, or twice";
        return -EINVAL;
    }
    return 0;
}

static int load_job_claim(queue_t *self, struct job *job, const char **text)
{
    const struct job_row row = job->row;
    job->row.worker = words_keep(&self->names, row.worker);
    job->row.worker_id = NULL;
    if (row.claim_outcome != OUTCOME_LIVE) {
        if (row.claim > 0) {
            claim_remember(self, row.claim, row.job, EVENT_NO_FRAME);
        }
        return 0;
    }
    if ((row.claim_kind != CLAIM_INSPECT && row.claim_kind != CLAIM_SWEEP) ||
        check_claim(self, row.claim, row.worker_id, text) != 0) {
        *text = *text ? *text : "a claim of a kind that jobs do not have";
        return -EINVAL;
    }
    struct worker *worker = owner_of(self, row.worker_id, row.worker);
    job->row.worker_id = worker->id;
    (void)claim_restore(self, worker, row.claim, row.claim_kind, job, NULL);
    return 0;
}

int queue_load_job(queue_t *self, const struct job_row *row, const char **text)
{
    *text = NULL;
    if (row->job <= 0 || (unsigned)row->state >= JOB_STATES || map_get(&self->jobs, row->job)) {
        *text = "a job number or state that cannot be";
        return -EINVAL;
    }
    struct job *job = job_new(row);
    if (job_from_spec(job, text) != 0 || job_load_found(self, job, text) != 0 ||
        load_job_claim(self, job, text) != 0) {
        job_free(&job);
        return -EINVAL;
    }
    map_put(&self->jobs, row->job, job);
    keyed_add(self, job);
    same_add(self, job);
    owner_add(self, job);
    list_add(&self->all, job);
    if (row->job >= self->next_job) {
        self->next_job = row->job + 1;
    }
    if (row->active_order >= self->next_order) {
        self->next_order = row->active_order + 1;
    }
    return 0;
}

static void load_more(queue_t *self, struct job *job, struct frame *frame,
                      const struct frame_row *row)
{
    size_t tried = json_array_size(row->tried);
    if (!row->error && !row->sighted && tried == 0 && !row->fresh && row->short_bytes == 0) {
        return;
    }
    struct frame_more *more = rows_more(job, frame);
    more->error = json_incref(row->error);
    more->sighted = row->sighted;
    more->sighting = row->sighting;
    more->fresh = row->fresh;
    more->short_bytes = row->short_bytes;
    for (size_t i = 0; i < tried; i++) {
        const char *name = json_string_value(json_array_get(row->tried, i));
        if (name) {
            rows_try_add(more, words_keep(&self->names, name));
        }
    }
}

static void load_state(queue_t *self, struct job *job, struct frame *frame,
                       const struct frame_row *row)
{
    if (row->state == FRAME_CLAIMED) {
        struct worker *worker = owner_of(self, row->worker_id, row->worker);
        struct claim *claim = claim_restore(self, worker, row->claim, CLAIM_RENDER, job, frame);
        claim->started = row->started_at != 0;
        claim->phase = claim->started ? PHASE_RENDERING : PHASE_AHEAD;
        return;
    }
    if (row->claim > 0) {
        claim_remember(self, row->claim, row->job, row->frame);
    }
    if (row->state == FRAME_WAITING) {
        rows_requeue(job, frame);
    } else if (row->state == FRAME_TAKEN) {
        (void)rows_more(job, frame);
        taken_add(self, frame);
    } else if (row->state == FRAME_DONE && row->ms >= 0) {
        rows_add_time(job, row->ms);
    }
}

int queue_load_frame(queue_t *self, const struct frame_row *row, const char **text)
{
    struct job *job = map_get(&self->jobs, row->job);
    if (row->state == FRAME_CLAIMED && check_claim(self, row->claim, row->worker_id, text) != 0) {
        return -EINVAL;
    }
    struct frame *frame =
        job && (unsigned)row->state < FRAME_STATES ? rows_make(job, row->frame) : NULL;
    if (!frame) {
        *text = "a frame of no job, outside its frames, or twice";
        return -EINVAL;
    }
    frame->state = (uint8_t)row->state;
    frame->outcome = (uint8_t)row->outcome;
    frame->again = row->again;
    frame->attempts = row->attempts;
    frame->losses = row->losses;
    frame->claim = row->claim;
    frame->worker = words_keep(&self->names, row->worker);
    frame->started_at = row->started_at;
    frame->finished_at = row->finished_at;
    frame->ms = row->ms;
    frame->bytes = row->bytes;
    job->counts.by_state[FRAME_WAITING]--;
    job->counts.by_state[row->state]++;
    load_more(self, job, frame, row);
    load_state(self, job, frame, row);
    return 0;
}

void queue_load_worker(queue_t *self, const char *id, const struct queue_process *process)
{
    const char *kept = words_find(&self->names, id);
    struct worker *worker = kept ? map_get(&self->ids, words_key(kept)) : NULL;
    if (worker) {
        worker->process = *process;
    } else {
        change_worker(self, words_keep(&self->names, id), NULL); /* it had no claim */
    }
}

static void load_blocks(queue_t *self, struct job *job)
{
    struct job *elder = job->row.state == JOB_ACTIVE ? owner_elder(self, job) : NULL;
    job->blocked_by = elder ? elder->row.job : 0;
}

void queue_loaded(queue_t *self, struct queue_now now)
{
    for (size_t i = 0; i < self->taken_count; i++) {
        self->taken[i]->more->first_seen_ms = now.ms; /* when that was is not known any more */
        self->taken[i]->more->look_ms = now.ms + LOOK_FIRST_MS;
    }
    for (size_t i = 0; i < self->ids.size; i++) {
        if (self->ids.slots[i].value) {
            worker_heard(self, now, self->ids.slots[i].value);
        }
    }
    for (size_t i = 0; i < self->all.count; i++) {
        struct job *job = self->all.items[i];
        load_blocks(self, job);
        if (job->row.state == JOB_INSPECTING && !job->live) {
            job_move(self, now, job, JOB_QUEUED);
        }
        job_review(self, now, job);
    }
    for (size_t i = self->all.count; i-- > 0;) {
        struct job *job = self->all.items[i];
        if (job->row.state == JOB_HELD) {
            (void)questions_open(self, job);
        }
        (void)job_remove_if_idle(self, job);
    }
    self->work = true;
}
