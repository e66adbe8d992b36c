/* What jobs and frames need of a card's memory, and which workers have it. */

#include "broker/queue/memory.h"

#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

#define MIB ((int64_t)1 << 20)
#define GIB ((int64_t)1 << 30)
#define STEP_BYTES                                                                                 \
    (64 * MIB) /* peaks are rounded up: the job's row is not written for a little                  \
                */

bool memory_excludes(const struct job *job, const struct class *class)
{
    const struct job_memory *memory = &job->row.memory;
    int64_t has = class->memory_bytes;
    if (class->device_kind != DEVICE_GPU || has == 0 ||
        (memory->enough > 0 && has >= memory->enough)) {
        return false;
    }
    return has <= memory->too_small || has < memory->gpu_peak;
}

static const struct frame_more *largest_of(const struct job *job)
{
    struct link *last = job->need.large.prev;
    return last == &job->need.large ? NULL : LINK_ITEM(last, struct frame_more, back);
}

/* Of the frames that ran out, is one too large for every card? */
static bool beyond_cards(const struct job *job)
{
    const struct frame_more *more = largest_of(job);
    return more && more->short_bytes >= job->need.largest_bytes;
}

bool memory_allows_cpu(const struct job *job)
{
    const struct memory_need *need = &job->need;
    return job->allow_cpu && (need->gpu_fits ? beyond_cards(job) : need->too_small);
}

bool memory_large_only(const struct job *job, const struct class *class)
{
    return class->device_kind == DEVICE_CPU && job->need.gpu_fits && fit_gpu_bound(job);
}

bool memory_frame_fits(const struct job *job, const struct frame *frame, const struct class *class)
{
    int64_t had = frame->more ? frame->more->short_bytes : 0;
    if (class->device_kind == DEVICE_GPU) {
        return class->memory_bytes == 0 || class->memory_bytes > had;
    }
    return !memory_large_only(job, class) || (had > 0 && had >= job->need.largest_bytes);
}

bool memory_holds_large(const struct worker *worker)
{
    if (worker->class->device_kind != DEVICE_CPU) {
        return false;
    }
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        const struct claim *claim = LINK_ITEM(at, struct claim, of_worker);
        if (claim->frame && claim->frame->more && claim->frame->more->short_bytes > 0 &&
            memory_frame_fits(claim->job, claim->frame, worker->class)) {
            return true;
        }
    }
    return false;
}

bool memory_any_large(const struct job *job, const struct class *class)
{
    if (link_empty(&job->need.large)) {
        return false;
    }
    struct link *one =
        class->device_kind == DEVICE_GPU ? job->need.large.next : job->need.large.prev;
    return memory_frame_fits(job, LINK_ITEM(one, struct frame_more, back)->frame, class);
}

void memory_requeue(struct job *job, struct frame *frame)
{
    struct link *after = job->need.large.prev;
    while (after != &job->need.large &&
           LINK_ITEM(after, struct frame_more, back)->short_bytes > frame->more->short_bytes) {
        after = after->prev;
    }
    link_insert(after->next, &frame->more->back);
}

/* What is known of the job has changed: who fits it must be found anew. */
static void changed(queue_t *self, struct job *job)
{
    job->target_generation = -1;
    self->work = true;
    job_touch_workers(self, job);
    job_changed(self, job);
}

static void note_too_small(queue_t *self, struct job *job, int64_t had)
{
    struct job_memory *memory = &job->row.memory;
    if (job->ordered) {
        memory->enough = 0; /* the next frame is this one, whatever was done before */
    }
    if ((memory->enough == 0 || had < memory->enough) && had > memory->too_small) {
        memory->too_small = had;
        changed(self, job);
    }
}

/* Is there a CPU worker that may render it when no card can? */
static bool cpu_may(const queue_t *self, const struct job *job)
{
    for (size_t i = 0; i < self->class_count && (job->allow_cpu || job->mix); i++) {
        const struct class *class = self->classes[i];
        if (class->live > 0 && class->kinds[CLAIM_RENDER] && class->device_kind == DEVICE_CPU &&
            fit_version_fits(job, class)) {
            return true;
        }
    }
    return false;
}

/* Who is there for a frame that needs more than this? */
static enum memory_step next_step(queue_t *self, struct job *job, int64_t had)
{
    for (size_t i = 0; i < self->class_count; i++) {
        const struct class *class = self->classes[i];
        if (class->live == 0 || !class->kinds[CLAIM_RENDER]) {
            continue;
        }
        if (class->device_kind == DEVICE_GPU &&
            (class->memory_bytes == 0 || class->memory_bytes > had) &&
            fit_class_job(self, job, class)) {
            return MEMORY_LARGER;
        }
    }
    return groups_have(self, had) ? MEMORY_LARGER : cpu_may(self, job) ? MEMORY_CPU : MEMORY_NONE;
}

enum memory_step memory_ran_out(queue_t *self, struct job *job, struct frame *frame,
                                const struct worker *worker, const struct queue_report *report)
{
    if (!failure_of_memory(report->code)) {
        return MEMORY_OTHER;
    }
    struct frame_more *more = rows_more(job, frame);
    if (!more->fresh) {
        more->fresh = true;
        return MEMORY_FRESH;
    }
    int64_t size = worker->class ? worker->class->memory_bytes : 0;
    int64_t had = size;
    if (report->gpu_had_bytes > 0 && report->gpu_had_bytes < had) {
        had = report->gpu_had_bytes;
    }
    if (strcmp(report->code, "out-of-gpu-memory") != 0) {
        return MEMORY_OTHER;
    }
    if (had > more->short_bytes) {
        note_too_small(self, job, had);
    } else if (size > more->short_bytes && cpu_may(self, job)) {
        had = size; /* somebody else goes on holding the rest: the card is of no use to it */
    } else {
        return MEMORY_OTHER;
    }
    more->short_bytes = had;
    return next_step(self, job, had);
}

/* The larger of both; true: it has grown. */
static bool raise(int64_t *peak, int64_t bytes, int64_t most)
{
    if (bytes <= 0 || bytes > MEMORY_MAX_BYTES) {
        return false;
    }
    int64_t rounded = (bytes + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
    rounded = most > 0 && rounded > most ? most : rounded;
    if (rounded <= *peak) {
        return false;
    }
    *peak = rounded;
    return true;
}

void memory_done(queue_t *self, struct job *job, const struct worker *worker,
                 const struct queue_report *report)
{
    struct job_memory *memory = &job->row.memory;
    int64_t has = worker->class ? worker->class->memory_bytes : 0;
    bool more = raise(&memory->rss_peak[worker->device_kind], report->rss_peak_bytes, 0);
    if (worker->device_kind == DEVICE_GPU) {
        more = raise(&memory->gpu_peak, report->gpu_peak_bytes, has) || more;
    }
    if (has > 0 && (memory->enough == 0 || has < memory->enough)) {
        memory->enough = has;
        memory->too_small = memory->too_small >= has ? 0 : memory->too_small;
        more = true;
    }
    if (more) {
        changed(self, job);
    }
}

int64_t memory_needed(const struct job *job)
{
    const struct job_memory *memory = &job->row.memory;
    const struct frame_more *more = largest_of(job);
    int64_t needed = memory->gpu_peak > 0 ? memory->gpu_peak - 1 : 0; /* that much is enough */
    needed = memory->too_small > needed ? memory->too_small : needed;
    return more && more->short_bytes > needed ? more->short_bytes : needed;
}

bool memory_forget(queue_t *self, struct job *job)
{
    bool any = job->row.memory.too_small > 0;
    job->row.memory.too_small = 0;
    if (any) {
        changed(self, job);
    }
    return any;
}

char *memory_size(int64_t bytes)
{
    if (bytes < GIB) {
        return alloc_format("%lld MiB", (long long)((bytes + MIB / 2) / MIB));
    }
    int64_t tenths = (bytes * 10 + GIB / 2) / GIB;
    return tenths >= 100 || tenths % 10 == 0
               ? alloc_format("%lld GiB", (long long)((tenths + 5) / 10))
               : alloc_format("%lld.%lld GiB", (long long)(tenths / 10), (long long)(tenths % 10));
}

static int64_t largest_card(const queue_t *self)
{
    int64_t largest = 0;
    for (size_t i = 0; i < self->class_count; i++) {
        const struct class *class = self->classes[i];
        if (class->live > 0 && class->device_kind == DEVICE_GPU && class->memory_bytes > largest) {
            largest = class->memory_bytes;
        }
    }
    return largest;
}

char *memory_text(queue_t *self, const struct job *job, int64_t short_bytes)
{
    const struct job_memory *memory = &job->row.memory;
    const struct frame_more *more = largest_of(job);
    if (short_bytes == 0) {
        short_bytes =
            more && more->short_bytes > memory->too_small ? more->short_bytes : memory->too_small;
    }
    bool known = memory->gpu_peak > short_bytes;
    int64_t largest = largest_card(self);
    CLEANUP(cleanup_free) char *needs = memory_size(known ? memory->gpu_peak : short_bytes);
    CLEANUP(cleanup_free) char *has = memory_size(largest);
    return largest > 0 ? alloc_format("needs %s%s; the largest card here has %s",
                                      known ? "" : "more than ", needs, has)
                       : alloc_format("needs %s%s of GPU memory", known ? "" : "more than ", needs);
}

bool memory_wanting(queue_t *self, struct job *job)
{
    bool cards = false;
    for (size_t i = 0; i < self->class_count; i++) {
        const struct class *class = self->classes[i];
        if (class->live == 0 || !class->kinds[CLAIM_RENDER]) {
            continue;
        }
        if (fit_class_job(self, job, class) && rows_waiting_for(job, class)) {
            return false;
        }
        cards = cards || class->device_kind == DEVICE_GPU;
    }
    return cards && (job->need.gpu_fits ? !link_empty(&job->need.large) : job->need.too_small);
}
