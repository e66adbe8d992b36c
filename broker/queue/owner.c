/* Who owns an output: whose names overlap, who was first. */

#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"
#include "proto/frame_name.h"

/* Would frame f have the same name under both? Only their width of the number differs. */
static bool same_width(int a, int b, int32_t frame)
{
    int64_t limit = 1;
    int64_t size = frame < 0 ? -(int64_t)frame : frame;
    int wider = a > b ? a : b;
    for (int i = 1; i < wider && limit <= size; i++) {
        limit *= 10;
    }
    return a == b || limit <= size;
}

/* Heads of which one goes on with digits: a_1 + 001 and a_ + 1001 are one name. Rare, so slow. */
static bool overlap_by_name(const struct job *a, const struct output_name *x, const struct job *b,
                            const struct output_name *y)
{
    struct frame_name names_x = { .head = x->head, .digits = x->digits, .tail = x->tail };
    struct frame_name names_y = { .head = y->head, .digits = y->digits, .tail = y->tail };
    int64_t count = ranges_count(&a->frames);
    for (int64_t rank = 0; rank < count; rank++) {
        int32_t frame;
        int32_t other;
        if (!ranges_at(&a->frames, rank, &frame)) {
            break;
        }
        CLEANUP(cleanup_free) char *path = frame_name(&names_x, frame);
        if (frame_name_match(&names_y, path, &other) && ranges_rank(&b->frames, other) >= 0) {
            return true;
        }
    }
    return false;
}

static bool overlap_by_width(const struct job *a, const struct output_name *x, const struct job *b,
                             const struct output_name *y)
{
    int64_t count = ranges_count(&a->frames);
    for (int64_t rank = 0; rank < count; rank++) {
        int32_t frame;
        if (ranges_at(&a->frames, rank, &frame) && same_width(x->digits, y->digits, frame) &&
            ranges_rank(&b->frames, frame) >= 0) {
            return true;
        }
    }
    return false;
}

static bool only_digits(const char *text)
{
    return *text != '\0' && text[strspn(text, "-0123456789")] == '\0';
}

static bool names_overlap(const struct job *a, const struct output_name *x, const struct job *b,
                          const struct output_name *y)
{
    size_t size_x = strlen(x->head);
    size_t size_y = strlen(y->head);
    if (strcmp(x->tail, y->tail) != 0) {
        return false; /* a tail that begins with digits is not looked into: Blender writes none */
    }
    if (size_x == size_y) {
        return strcmp(x->head, y->head) == 0 && ranges_overlap(&a->frames, &b->frames) &&
               (x->digits == y->digits || overlap_by_width(a, x, b, y));
    }
    const char *longer = size_x > size_y ? x->head : y->head;
    const char *shorter = size_x > size_y ? y->head : x->head;
    size_t shared = size_x > size_y ? size_y : size_x;
    return strncmp(longer, shorter, shared) == 0 && only_digits(longer + shared) &&
           overlap_by_name(a, x, b, y);
}

bool owner_overlap(const struct job *a, const struct job *b)
{
    for (size_t i = 0; i < a->output_count; i++) {
        for (size_t k = 0; k < b->output_count; k++) {
            if (names_overlap(a, &a->outputs[i], b, &b->outputs[k])) {
                return true;
            }
        }
    }
    return false;
}

/* A paused or held job without a live claim blocks nobody. */
static bool owns(const struct job *job)
{
    return (job->counted && job->row.state == JOB_ACTIVE) ||
           job->counts.by_state[FRAME_CLAIMED] > 0;
}

static bool same_scene(const struct job *a, const struct job *b)
{
    return strcmp(a->file, b->file) == 0 && a->scene && b->scene && strcmp(a->scene, b->scene) == 0;
}

struct job *owner_other(queue_t *self, struct job *job)
{
    for (size_t i = 0; i < self->all.count; i++) {
        struct job *other = self->all.items[i];
        if (other != job && owns(other) && !same_scene(job, other) && owner_overlap(job, other)) {
            return other;
        }
    }
    return NULL;
}

void owner_add(queue_t *self, struct job *job)
{
    int64_t key = words_hash(job->file);
    job->file_next = map_get(&self->files, key);
    map_put(&self->files, key, job);
}

void owner_remove(queue_t *self, struct job *job)
{
    int64_t key = words_hash(job->file);
    struct job *first = map_remove(&self->files, key);
    struct job **at = &first;
    while (*at && *at != job) {
        at = &(*at)->file_next;
    }
    if (*at) {
        *at = job->file_next;
    }
    if (first) {
        map_put(&self->files, key, first);
    }
}

/* Only among those of its file: thousands of jobs that are active are looked at by each start. */
struct job *owner_elder(queue_t *self, struct job *job)
{
    struct job *elder = NULL;
    for (struct job *at = map_get(&self->files, words_hash(job->file)); at; at = at->file_next) {
        if (at != job && owns(at) && at->row.active_order < job->row.active_order &&
            (!elder || at->row.job < elder->row.job) && same_scene(job, at) &&
            owner_overlap(job, at)) {
            elder = at;
        }
    }
    return elder;
}

static void let_in(queue_t *self, struct queue_now now, struct job *job, int64_t left)
{
    if (job->row.state == JOB_ACTIVE && job->blocked_by == left) {
        struct job *elder = owner_elder(self, job);
        job->blocked_by = elder ? elder->row.job : 0;
        job_review(self, now, job);
    } else if (job->row.state == JOB_HELD && json_array_size(questions_open(self, job)) == 0) {
        questions_settle(self, now, job); /* nothing but the output was in its way */
    }
}

/* A job that paused with live claims and goes on is the later one now. */
void owner_joined(queue_t *self, struct queue_now now, struct job *job)
{
    for (size_t i = 0; i < self->all.count; i++) {
        struct job *other = self->all.items[i];
        if (other->row.state == JOB_ACTIVE && other->blocked_by == job->row.job) {
            let_in(self, now, other, job->row.job);
        }
    }
}

void owner_left(queue_t *self, struct queue_now now, struct job *job)
{
    if (owns(job)) {
        return;
    }
    for (size_t i = 0; i < self->all.count; i++) {
        if (self->all.items[i] != job) {
            let_in(self, now, self->all.items[i], job->row.job);
        }
    }
}
