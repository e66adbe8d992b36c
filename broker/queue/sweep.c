/* Sweeps: which piece of work over an output is due, and who gets it. */

#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

enum {
    LOOK_FRAMES = 256, /* of one piece */
    LOOK_FILES = 1024, /* of one piece, so that it fits into an answer */
};

bool sweep_is_proven(const struct frame *frame)
{
    return frame->state == FRAME_DONE || frame->state == FRAME_KEPT;
}

bool sweep_looks_at(const struct frame *frame, int64_t claim)
{
    return sweep_is_proven(frame) && frame->claim < claim;
}

bool sweep_needless(const struct job *job)
{
    return job->counts.by_state[FRAME_DONE] + job->counts.by_state[FRAME_KEPT] == 0;
}

/* The piece of work that is next for the job's output. */
static enum sweep_kind next_piece(const struct job *job)
{
    const struct sweeping *sweeping = &job->sweeping;
    bool ended = job_state_ended(job->row.state);
    bool active = job->row.state == JOB_ACTIVE;
    if (job->live || sweeping->again_ms != 0) {
        return SWEEP_NONE;
    }
    if (job->row.sweep_due && job_live(job) == 0 && (ended || (active && job_all_ended(job)))) {
        return ended || sweeping->looked || sweep_needless(job) ? SWEEP_END : SWEEP_LOOK;
    }
    if (active && sweeping->begun) {
        return SWEEP_LOOK; /* what it found wrong is rendered meanwhile */
    }
    if (sweeping->verify && job->counted) {
        return SWEEP_VERIFY;
    }
    return active && sweeping->leftovers ? SWEEP_LEFTOVERS : SWEEP_NONE;
}

static void member(queue_t *self, struct job_list *list, struct job *job, bool *is, bool should)
{
    if (should && !*is) {
        list_add(list, job);
        self->work = true;
    } else if (!should && *is) {
        list_remove(list, job);
    }
    *is = should;
}

void sweep_review(queue_t *self, struct job *job)
{
    enum sweep_kind next = next_piece(job);
    bool leftovers = next == SWEEP_LEFTOVERS;
    member(self, &self->sweep, job, &job->sweepable, next != SWEEP_NONE && !leftovers);
    member(self, &self->leftovers, job, &job->clearable, leftovers);
}

void sweep_unlist(queue_t *self, struct job *job)
{
    member(self, &self->sweep, job, &job->sweepable, false);
    member(self, &self->leftovers, job, &job->clearable, false);
}

void sweep_free(struct job *job)
{
    free(job->sweeping.verify);
    free(job->sweeping.trouble);
}

void sweep_anew(struct job *job)
{
    job->sweeping.begun = false;
    job->sweeping.looked = false;
    if (job->sweeping.verify) {
        job->sweeping.verify->at = 0;
    }
    if (job->live && job->live->kind == CLAIM_SWEEP) {
        job->live->sweep = SWEEP_NONE; /* what it says is of frames that were ranked otherwise */
    }
}

/* ---- giving pieces out ---- */

/* Where a piece ends that begins at a rank: after an attempt that went wrong pieces are smaller,
 * so that in the end it is one picture that cannot be looked at. */
static int64_t piece_end(const struct job *job, int64_t from)
{
    int64_t left = LOOK_FRAMES;
    int64_t files = job->output_count > 0 ? (int64_t)job->output_count : 1;
    for (int32_t i = 0; i < job->sweeping.failures && left > 1; i++) {
        left /= 4;
    }
    left = left * files > LOOK_FILES ? LOOK_FILES / files : left;
    const struct frame *frame;
    while (left > 0 && (frame = rows_from(job, &from)) != NULL) {
        left -= sweep_is_proven(frame);
        from++;
    }
    return left > 0 ? job->counts.total : from;
}

static bool holds_sweep(const struct worker *worker)
{
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        if (LINK_ITEM(at, struct claim, of_worker)->kind == CLAIM_SWEEP) {
            return true;
        }
    }
    return false;
}

static void begin(struct job *job, struct claim *claim)
{
    struct sweeping *sweeping = &job->sweeping;
    if (claim->sweep == SWEEP_LOOK && !sweeping->begun) {
        sweeping->begun = true;
        sweeping->fresh = false;
        sweeping->at = 0;
    } else if (claim->sweep == SWEEP_LEFTOVERS) {
        sweeping->leftovers = false; /* who dies from now on wants another one */
    }
    if (claim->sweep == SWEEP_LOOK || claim->sweep == SWEEP_VERIFY) {
        claim->from = claim->sweep == SWEEP_LOOK ? sweeping->at : sweeping->verify->at;
        claim->to = piece_end(job, claim->from);
    }
}

bool sweep_grant(queue_t *self, struct queue_now now, struct worker *worker, bool leftovers)
{
    struct job_list *list = leftovers ? &self->leftovers : &self->sweep;
    bool for_inspector =
        leftovers && self->inspector_count > 0 && worker->device_kind != DEVICE_NONE;
    if (list->count == 0 || !worker->class->kinds[CLAIM_SWEEP] || for_inspector ||
        holds_sweep(worker)) {
        return false;
    }
    struct job *job = list->items[0];
    enum sweep_kind kind = next_piece(job);
    struct claim *claim = claim_grant(self, worker, CLAIM_SWEEP, job, NULL);
    claim->sweep = kind;
    begin(job, claim);
    job_changed(self, job);
    job_review(self, now, job);
    return true;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The live claims for frames of the same names, lowest first. */
static size_t list_live(queue_t *self, const struct job *job)
{
    size_t count = 0;
    self->sweep_live =
        alloc_resize(self->sweep_live, self->claims.count + 1, sizeof *self->sweep_live);
    for (size_t i = 0; i < self->claims.size; i++) {
        const struct claim *claim = self->claims.slots[i].value;
        if (claim && claim->frame && (claim->job == job || owner_overlap(claim->job, job))) {
            self->sweep_live[count++] = claim->number;
        }
    }
    qsort(self->sweep_live, count, sizeof *self->sweep_live, by_number);
    return count < QUEUE_LIVE ? count : QUEUE_LIVE;
}

int queue_sweep(queue_t *self, int64_t number, struct queue_sweep *out)
{
    const struct claim *claim = map_get(&self->claims, number);
    const struct frame *frame;
    if (!claim || claim->kind != CLAIM_SWEEP) {
        return QUEUE_EMPTY;
    }
    *out = (struct queue_sweep){ .frames = self->sweep_frames, .ends = claim->sweep == SWEEP_END };
    for (int64_t rank = claim->from;
         rank < claim->to && (frame = rows_from(claim->job, &rank)) != NULL; rank++) {
        if (rank < claim->to && sweep_looks_at(frame, number) && out->frame_count < QUEUE_LOOKS) {
            self->sweep_frames[out->frame_count++] = frame->number;
        }
    }
    if (out->frame_count == 0) {
        out->live_count = list_live(self, claim->job);
        out->live = self->sweep_live;
    }
    return QUEUE_OK;
}

/* ---- when ---- */

void sweep_turn(queue_t *self, struct queue_now now)
{
    if (self->sweep_ms == 0 || self->sweep_ms > now.ms) {
        return;
    }
    self->sweep_ms = 0;
    for (size_t i = 0; i < self->all.count; i++) {
        struct job *job = self->all.items[i];
        int64_t at_ms = job->sweeping.again_ms;
        if (at_ms > now.ms && (self->sweep_ms == 0 || at_ms < self->sweep_ms)) {
            self->sweep_ms = at_ms;
        } else if (at_ms != 0 && at_ms <= now.ms) {
            job->sweeping.again_ms = 0;
            job_review(self, now, job);
        }
    }
}

static bool somebody_sweeps(const queue_t *self)
{
    for (size_t i = 0; i < self->class_count; i++) {
        if (self->classes[i]->live > 0 && self->classes[i]->kinds[CLAIM_SWEEP]) {
            return true;
        }
    }
    return false;
}

char *sweep_why(const queue_t *self, const struct job *job, const char **code)
{
    if (!job->row.sweep_due || !job_all_ended(job)) {
        return NULL;
    }
    if (job->sweeping.trouble) {
        *code = "output-unwritable";
        return alloc_format("its pictures cannot be looked at once more: %s",
                            job->sweeping.trouble);
    }
    *code = "worker-missing";
    return somebody_sweeps(self)
               ? NULL
               : alloc_text("its frames have ended; a worker has to look at them once more");
}
