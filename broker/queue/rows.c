/* The frames of a job: rows for those to which something happened, counters, who is next. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

enum {
    SLAB_FRAMES = 64,
    PAGE_FRAMES = 256,
    NO_FRAME = INT32_MIN,
    TRIED_SCAN = 32,
    CANDIDATE_SCAN = 64
};

struct rows_slab {
    struct rows_slab *next;
    size_t used;
    struct frame frames[SLAB_FRAMES];
};

#define TO(state) (1U << (state))

static const unsigned allowed[] = {
    [FRAME_WAITING] = TO(FRAME_CLAIMED) | TO(FRAME_CANCELLED),
    [FRAME_CLAIMED] = TO(FRAME_WAITING) | TO(FRAME_DONE) | TO(FRAME_KEPT) | TO(FRAME_TAKEN) |
                      TO(FRAME_FAILED) | TO(FRAME_CANCELLED),
    [FRAME_DONE] = TO(FRAME_WAITING) | TO(FRAME_FAILED),
    [FRAME_KEPT] = TO(FRAME_WAITING) | TO(FRAME_FAILED),
    [FRAME_TAKEN] = TO(FRAME_WAITING) | TO(FRAME_CANCELLED),
    [FRAME_FAILED] = TO(FRAME_WAITING),
    [FRAME_CANCELLED] = TO(FRAME_WAITING),
};
_Static_assert(sizeof allowed / sizeof *allowed == FRAME_STATES, "a row a state");

bool frame_may_move(enum frame_state from, enum frame_state to)
{
    return (unsigned)from < FRAME_STATES && (unsigned)to < FRAME_STATES &&
           (allowed[from] & TO(to)) != 0;
}

static struct frame *at_rank(const struct job *job, int64_t rank)
{
    size_t page = (size_t)rank / PAGE_FRAMES;
    return rank >= 0 && page < job->page_count && job->pages[page]
               ? job->pages[page][(size_t)rank % PAGE_FRAMES]
               : NULL;
}

struct frame *rows_get(const struct job *job, int32_t number)
{
    return at_rank(job, ranges_rank(&job->frames, number));
}

struct frame *rows_from(const struct job *job, int64_t *rank)
{
    for (size_t page = (size_t)*rank / PAGE_FRAMES; page < job->page_count; page++) {
        size_t first = (size_t)*rank % PAGE_FRAMES;
        for (size_t i = first; job->pages[page] && i < PAGE_FRAMES; i++) {
            if (job->pages[page][i]) {
                *rank = (int64_t)(page * PAGE_FRAMES + i);
                return job->pages[page][i];
            }
        }
        *rank = (int64_t)((page + 1) * PAGE_FRAMES);
    }
    return NULL;
}

/* A page stands for 256 frames: what is known of ten million waiting ones is a few hundred KiB. */
static void put(struct job *job, int64_t rank, struct frame *frame)
{
    size_t page = (size_t)rank / PAGE_FRAMES;
    if (!job->pages) {
        job->page_count = (size_t)(ranges_count(&job->frames) / PAGE_FRAMES) + 1;
        job->pages = alloc_zero(job->page_count, sizeof(struct frame **));
    }
    assert(rank >= 0 && page < job->page_count);
    if (!job->pages[page]) {
        job->pages[page] = alloc_zero(PAGE_FRAMES, sizeof(struct frame *));
    }
    job->pages[page][(size_t)rank % PAGE_FRAMES] = frame;
}

static void clear_pages(struct job *job)
{
    for (size_t i = 0; i < job->page_count; i++) {
        free((void *)job->pages[i]);
    }
    free((void *)job->pages);
    job->pages = NULL;
    job->page_count = 0;
}

struct frame *rows_make(struct job *job, int32_t number)
{
    int64_t rank = ranges_rank(&job->frames, number);
    if (rank < 0 || at_rank(job, rank)) {
        return NULL;
    }
    if (!job->slabs || job->slabs->used == SLAB_FRAMES) {
        struct rows_slab *slab = alloc_zero(1, sizeof *slab);
        slab->next = job->slabs;
        job->slabs = slab;
    }
    struct frame *frame = &job->slabs->frames[job->slabs->used++];
    *frame = (struct frame){ .number = number, .ms = -1, .bytes = -1 };
    put(job, rank, frame);
    job->row_count++;
    return frame;
}

struct frame *rows_each(const struct job *job, struct rows_place *at)
{
    if (!at->begun) {
        *at = (struct rows_place){ .slab = job->slabs, .begun = true };
    }
    while (at->slab) {
        while (at->next < at->slab->used) {
            struct frame *frame = &at->slab->frames[at->next++];
            if (frame->number != NO_FRAME) {
                return frame;
            }
        }
        at->slab = at->slab->next;
        at->next = 0;
    }
    return NULL;
}

void rows_rank_anew(queue_t *self, struct job *job,
                    void (*gone)(queue_t *self, struct job *job, struct frame *frame))
{
    struct rows_place at = { 0 };
    struct frame *frame;
    clear_pages(job);
    while ((frame = rows_each(job, &at)) != NULL) {
        int64_t rank = ranges_rank(&job->frames, frame->number);
        if (rank >= 0) {
            put(job, rank, frame);
            continue;
        }
        gone(self, job, frame);
        frame->number = NO_FRAME;
        job->row_count--;
    }
}

struct frame_more *rows_more(struct job *job, struct frame *frame)
{
    if (!frame->more) {
        frame->more = alloc_zero(1, sizeof *frame->more);
        frame->more->job = job;
        frame->more->frame = frame;
    }
    return frame->more;
}

void rows_less(struct frame *frame)
{
    struct frame_more *more = frame->more;
    if (more) {
        assert(!more->live && more->heap_at == 0);
        link_remove(&more->back);
        json_decref(more->error);
        free(more->tried);
        free(more);
        frame->more = NULL;
    }
}

void rows_clear(struct job *job)
{
    struct rows_place at = { 0 };
    struct frame *frame;
    while ((frame = rows_each(job, &at)) != NULL) {
        rows_less(frame);
    }
    clear_pages(job);
    while (job->slabs) {
        struct rows_slab *next = job->slabs->next;
        free(job->slabs);
        job->slabs = next;
    }
    job->row_count = 0;
}

void rows_export(const struct job *job, const struct frame *frame, struct frame_row *out)
{
    const struct frame_more *more = frame->more;
    *out = (struct frame_row){
        .job = job->row.job,
        .frame = frame->number,
        .state = (enum frame_state)frame->state,
        .outcome = (enum claim_outcome)frame->outcome,
        .again = frame->again,
        .attempts = frame->attempts,
        .losses = frame->losses,
        .claim = frame->claim,
        .worker = frame->worker,
        .started_at = frame->started_at,
        .finished_at = frame->finished_at,
        .ms = frame->ms,
        .bytes = frame->bytes,
    };
    if (more) {
        out->sighted = more->sighted;
        out->sighting = more->sighting;
        out->short_bytes = more->short_bytes;
        out->fresh = more->fresh;
        out->error = more->error;
        out->worker_id = more->live ? more->live->worker->id : NULL;
    }
}

/* Back into the queue. Of an ordered job by number, for its frames go out ascending. */
void rows_requeue(struct job *job, struct frame *frame)
{
    struct frame_more *more = rows_more(job, frame);
    link_remove(&more->back);
    if (!job->ordered && more->short_bytes > 0) {
        memory_requeue(job, frame);
        return;
    }
    if (!job->ordered) {
        link_append(more->tried_count > 0 ? &job->back_tried : &job->back, &more->back);
        return;
    }
    struct link *after = job->back.prev;
    while (after != &job->back &&
           LINK_ITEM(after, struct frame_more, back)->frame->number > frame->number) {
        after = after->prev;
    }
    link_insert(after->next, &more->back);
}

void frame_move(queue_t *self, struct job *job, struct frame *frame, enum frame_state to,
                json_t *proof)
{
    enum frame_state from = (enum frame_state)frame->state;
    assert(frame_may_move(from, to));
    assert(job->counts.by_state[from] > 0);
    if (frame->more) {
        link_remove(&frame->more->back);
        taken_remove(self, frame);
    }
    frame->state = (uint8_t)to;
    job->counts.by_state[from]--;
    job->counts.by_state[to]++;
    if (to == FRAME_WAITING) {
        rows_requeue(job, frame);
        self->work = true;
    } else if (to == FRAME_TAKEN) {
        taken_add(self, frame);
    } else if (to == FRAME_DONE || to == FRAME_KEPT) {
        job->sweeping.fresh = true;
        job->sweeping.looked = false;
        rows_less(frame);
    }
    change_frame(self, job, frame, (int)from, proof);
}

void frame_reset(struct frame *frame)
{
    frame->attempts = 0;
    frame->losses = 0;
    frame->wrong = 0;
    if (frame->more) {
        json_decref(frame->more->error);
        frame->more->error = NULL;
        free(frame->more->tried);
        frame->more->tried = NULL;
        frame->more->tried_count = 0;
        frame->more->short_bytes = 0;
        frame->more->fresh = false;
    }
}

void rows_try_add(struct frame_more *more, const char *name)
{
    for (size_t i = 0; i < more->tried_count; i++) {
        if (more->tried[i] == name) {
            return;
        }
    }
    more->tried = alloc_resize(more->tried, more->tried_count + 1, sizeof *more->tried);
    more->tried[more->tried_count++] = name;
}

bool rows_tried(const struct frame *frame, const char *name)
{
    for (size_t i = 0; frame->more && i < frame->more->tried_count; i++) {
        if (frame->more->tried[i] == name) {
            return true;
        }
    }
    return false;
}

static bool may_try(const struct job *job, const struct frame *frame, const struct worker *worker)
{
    return worker->session != 0 && worker->drain == DRAIN_NONE && !worker->moving &&
           !rest_on(worker) && !block_on(job, worker->name) && !rows_tried(frame, worker->name) &&
           worker->class && memory_frame_fits(job, frame, worker->class);
}

/* Is a worker there that has not tried the frame, fits, and is on this job or has none? */
static bool somebody_else(queue_t *self, struct job *job, const struct frame *frame)
{
    int looked = 0;
    for (struct link *at = job->workers.next; at != &job->workers && looked < CANDIDATE_SCAN;
         at = at->next, looked++) {
        if (may_try(job, frame, LINK_ITEM(at, struct worker, on_job))) {
            return true;
        }
    }
    for (size_t i = 0; i < self->class_count; i++) {
        struct class *class = self->classes[i];
        if (!fit_class_job(self, job, class)) {
            continue;
        }
        looked = 0;
        for (struct link *at = class->free.next; at != &class->free && looked < CANDIDATE_SCAN;
             at = at->next, looked++) {
            struct worker *worker = LINK_ITEM(at, struct worker, hungry);
            if (may_try(job, frame, worker) && assign_has_room(self, job, worker)) {
                return true;
            }
        }
    }
    return false;
}

static struct frame *first_of(const struct link *head)
{
    return link_empty(head) ? NULL : LINK_ITEM(head->next, struct frame_more, back)->frame;
}

/* Of frames that failed before, the first that is for this worker. */
static struct frame *next_tried(queue_t *self, struct job *job, const struct link *list,
                                const struct worker *worker)
{
    int looked = 0;
    for (struct link *at = list->next; at != list && looked < TRIED_SCAN; at = at->next, looked++) {
        struct frame *frame = LINK_ITEM(at, struct frame_more, back)->frame;
        if (memory_frame_fits(job, frame, worker->class) &&
            (!rows_tried(frame, worker->name) || !somebody_else(self, job, frame))) {
            return frame;
        }
    }
    return NULL;
}

/* The number of the next frame without a row; what has one is passed for good. */
static bool next_fresh(struct job *job, int32_t *number)
{
    while (job->cursor < job->counts.total) {
        int64_t rank = order_rank(&job->order, job->counts.total, job->cursor);
        if (!at_rank(job, rank) && ranges_at(&job->frames, rank, number)) {
            return true;
        }
        job->cursor++;
    }
    return false;
}

bool rows_waiting_for(struct job *job, const struct class *class)
{
    int32_t number;
    if (job->counts.by_state[FRAME_WAITING] == 0 || link_empty(&job->need.large)) {
        return job->counts.by_state[FRAME_WAITING] > 0 && !memory_large_only(job, class);
    }
    bool others =
        !link_empty(&job->back) || !link_empty(&job->back_tried) || next_fresh(job, &number);
    return (others && !memory_large_only(job, class)) || memory_any_large(job, class);
}

struct frame *rows_next(queue_t *self, struct job *job, const struct worker *worker)
{
    int32_t number = 0;
    struct frame *back = first_of(&job->back);
    if (job->ordered) {
        if (back && (!next_fresh(job, &number) || back->number < number)) {
            return back;
        }
        return next_fresh(job, &number) ? rows_make(job, number) : NULL;
    }
    struct frame *large = next_tried(self, job, &job->need.large, worker);
    if (large || memory_large_only(job, worker->class)) {
        return large; /* few can take these */
    }
    if (!back) {
        back = next_tried(self, job, &job->back_tried, worker);
    }
    if (!back && next_fresh(job, &number)) {
        back = rows_make(job, number);
    }
    return back;
}

void rows_add_time(struct job *job, int64_t ms)
{
    if (!job->times) {
        job->times = alloc_zero(TIMES_KEPT, sizeof *job->times);
    }
    job->times[job->time_count++ % TIMES_KEPT] = ms;
    job->median_ms = -2;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t rows_median(struct job *job)
{
    if (job->median_ms == -2) {
        int64_t times[TIMES_KEPT];
        size_t count = job->time_count < TIMES_KEPT ? job->time_count : TIMES_KEPT;
        memcpy(times, job->times, count * sizeof *times);
        qsort(times, count, sizeof *times, compare_times);
        job->median_ms = count > 0 ? times[count / 2] : -1;
    }
    return job->median_ms;
}
