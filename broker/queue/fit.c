/* Which workers can take which jobs: Blender versions, denoiser, kind of device. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "broker/queue/ways.h"
#include "proto/alloc.h"

/* "3.4.1" -> 304; 0 for what is no version. */
int32_t fit_version(const char *text)
{
    char *end = NULL;
    if (!text || *text < '0' || *text > '9') {
        return 0;
    }
    long major = strtol(text, &end, 10);
    if (*end != '.' || end[1] < '0' || end[1] > '9') {
        return 0;
    }
    long minor = strtol(end + 1, &end, 10);
    return major < 1 || major > 999 || minor > 99 ? 0 : (int32_t)(major * 100 + minor);
}

static void add_version(struct class *class, int32_t version, bool denoiser)
{
    for (size_t i = 0; i < class->version_count; i++) {
        if (class->versions[i] == version) {
            class->denoiser[i] = class->denoiser[i] || denoiser;
            return;
        }
    }
    if (version > 0 && class->version_count < QUEUE_BLENDERS) {
        class->versions[class->version_count] = version;
        class->denoiser[class->version_count++] = denoiser;
    }
}

static bool equal(const struct class *a, const struct class *b)
{
    return a->device_kind == b->device_kind && a->memory_bytes == b->memory_bytes &&
           a->ways == b->ways && memcmp(a->kinds, b->kinds, sizeof a->kinds) == 0 &&
           a->version_count == b->version_count &&
           memcmp(a->versions, b->versions, sizeof a->versions) == 0 &&
           memcmp(a->denoiser, b->denoiser, sizeof a->denoiser) == 0;
}

struct class *fit_class(queue_t *self, const struct queue_ready *ready)
{
    struct class wanted = { .device_kind = ready->device_kind };
    wanted.memory_bytes = ready->device_kind == DEVICE_GPU ? ready->memory_bytes : 0;
    wanted.ways = ready->device_kind == DEVICE_GPU ? ready->ways : 0;
    memcpy(wanted.kinds, ready->kinds, sizeof wanted.kinds);
    for (size_t i = 0; i < ready->blender_count && i < QUEUE_BLENDERS; i++) {
        add_version(&wanted, fit_version(ready->blenders[i].version), ready->blenders[i].denoiser);
    }
    for (size_t i = 0; i < self->class_count; i++) {
        if (equal(self->classes[i], &wanted)) {
            return self->classes[i];
        }
    }
    struct class *class = alloc_zero(1, sizeof *class);
    *class = wanted;
    link_init(&class->free);
    self->classes = alloc_resize(self->classes, self->class_count + 1, sizeof(struct class *));
    self->classes[self->class_count++] = class;
    return class;
}

/* Its frames must match those that are there; before there is one it may bind anew. */
static bool is_bound(const struct job *job)
{
    return !job->mix && job->row.bound_blender != 0 &&
           (job->counts.by_state[FRAME_DONE] > 0 || job->counts.by_state[FRAME_CLAIMED] > 0);
}

/* What a class has not got that the job needs. */
struct lack {
    bool denoiser, way;
};

/* The Blender of this class that the job would take: the nearest one not older than the file. */
static int32_t best_of(const struct job *job, const struct class *class, struct lack *lack)
{
    int32_t best = 0;
    for (size_t i = 0; i < class->version_count; i++) {
        int32_t version = class->versions[i];
        bool wanted =
            is_bound(job) ? version == job->row.bound_blender : version >= job->file_version;
        if (wanted && job->denoise && !class->denoiser[i]) {
            lack->denoiser = true;
        } else if (wanted && !ways_fit(job, class, version)) {
            lack->way = true;
        } else if (wanted && (best == 0 || version < best)) {
            best = version;
        }
    }
    return best;
}

bool fit_gpu_bound(const struct job *job)
{
    return !job->mix && job->row.bound_kind == DEVICE_GPU &&
           (is_bound(job) || job->row.memory.too_small > 0);
}

static bool kind_fits(const struct job *job, const struct class *class)
{
    if (!class->kinds[CLAIM_RENDER] || memory_excludes(job, class)) {
        return false;
    }
    if (class->device_kind == DEVICE_CPU && fit_gpu_bound(job)) {
        return memory_allows_cpu(job);
    }
    return !is_bound(job) || class->device_kind == job->row.bound_kind;
}

/* What the cards that are here make of the job's memory. */
static void find_need(queue_t *self, struct job *job)
{
    struct memory_need *need = &job->need;
    need->largest_bytes = 0;
    need->gpu_fits = false;
    need->too_small = false;
    for (size_t i = 0; i < self->class_count; i++) {
        const struct class *class = self->classes[i];
        struct lack lack = { .denoiser = false };
        if (class->live == 0 || class->device_kind != DEVICE_GPU || !class->kinds[CLAIM_RENDER] ||
            best_of(job, class, &lack) == 0) {
            continue;
        }
        if (memory_excludes(job, class)) {
            need->too_small = true;
            continue;
        }
        int64_t bytes = class->memory_bytes > 0 ? class->memory_bytes : INT64_MAX;
        need->gpu_fits = true;
        need->largest_bytes = bytes > need->largest_bytes ? bytes : need->largest_bytes;
    }
}

static void find_target(queue_t *self, struct job *job)
{
    struct lack lack = { .denoiser = false };
    bool somebody = false;
    find_need(self, job);
    job->target = 0;
    for (size_t i = 0; i < self->class_count; i++) {
        const struct class *class = self->classes[i];
        if (class->live == 0 || !class->kinds[CLAIM_RENDER]) {
            continue;
        }
        somebody = true;
        int32_t best = kind_fits(job, class) ? best_of(job, class, &lack) : 0;
        if (best != 0 && (job->target == 0 || best < job->target)) {
            job->target = best;
        }
    }
    job->why_code = job->target != 0 || !somebody ? NULL
                    : lack.denoiser               ? "denoiser-missing"
                    : lack.way                    ? ways_code(job)
                    : job->need.too_small         ? "out-of-gpu-memory"
                                                  : "blender-missing";
    job->target_generation = self->class_generation;
    job->target_bound = is_bound(job);
}

bool fit_version_fits(const struct job *job, const struct class *class)
{
    struct lack lack = { .denoiser = false };
    return best_of(job, class, &lack) != 0;
}

bool fit_class_job(queue_t *self, struct job *job, const struct class *class)
{
    struct lack lack = { .denoiser = false };
    if (job->target_generation != self->class_generation || job->target_bound != is_bound(job)) {
        find_target(self, job);
    }
    if (!kind_fits(job, class)) {
        return false;
    }
    int32_t best = best_of(job, class, &lack);
    return best != 0 && (job->mix || best == job->target);
}

void fit_bind(queue_t *self, struct job *job, const struct class *class)
{
    struct lack lack = { .denoiser = false };
    int32_t version = best_of(job, class, &lack);
    if (is_bound(job) || version == 0 ||
        (version == job->row.bound_blender && class->device_kind == job->row.bound_kind)) {
        return;
    }
    job->row.bound_blender = version;
    job->row.bound_kind = class->device_kind;
    if (job->file_version != 0 && version != job->file_version) {
        CLEANUP(cleanup_free)
        char *text =
            alloc_format("saved by Blender %d.%d, rendered with %d.%d", job->file_version / 100,
                         job->file_version % 100, version / 100, version % 100);
        job_warn(job, "newer-blender", text);
    }
    job_changed(self, job);
}

/* At work or asking for some, and able to take of what waits. */
static bool is_willing(struct job *job, const struct worker *worker)
{
    return (worker->want > 0 || worker->claim_count > 0) &&
           (job->counts.by_state[FRAME_WAITING] == 0 || rows_waiting_for(job, worker->class));
}

static bool is_one(queue_t *self, struct job *job, const struct worker *worker, enum fit_whom whom)
{
    return worker->class && worker->drain == DRAIN_NONE &&
           (whom == FIT_LATER || !rest_on(worker)) && fit_class_job(self, job, worker->class) &&
           (whom == FIT_THERE || !block_on(job, worker->name)) &&
           (whom != FIT_WILLING || is_willing(job, worker));
}

bool fit_other(queue_t *self, struct job *job, const char *name, enum fit_whom whom)
{
    for (struct link *at = self->heard.next; at != &self->heard; at = at->next) {
        const struct worker *worker = LINK_ITEM(at, struct worker, heard);
        if (worker->name != name && is_one(self, job, worker, whom)) {
            return true;
        }
    }
    return false;
}

size_t fit_free(queue_t *self, struct job *job)
{
    size_t count = 0;
    for (size_t i = 0; i < self->class_count; i++) {
        if (self->classes[i]->free_count > 0 && fit_class_job(self, job, self->classes[i])) {
            count += self->classes[i]->free_count;
        }
    }
    return count;
}
