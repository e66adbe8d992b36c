/* Why a worker has nothing to do although frames wait. */

#include "broker/queue/idle.h"

#include <string.h>

#include "broker/queue/state.h"
#include "broker/queue/ways.h"
#include "proto/alloc.h"

enum { JOBS_SCAN = 16 }; /* of higher priority than the rest, which may hold thousands */

static const char *const DRAWS_SHARED = "draws-shared";
static const char *const TOO_LARGE = "out-of-gpu-memory";

static bool renders(const struct worker *worker)
{
    return worker->session != 0 && worker->class && worker->class->kinds[CLAIM_RENDER] &&
           worker->drain == DRAIN_NONE && !rest_on(worker);
}

const char *idle_code(queue_t *self, struct job *job, const struct worker *worker)
{
    if (!renders(worker) || job->row.state != JOB_ACTIVE) {
        return NULL;
    }
    if (memory_excludes(job, worker->class)) {
        return TOO_LARGE;
    }
    return fit_class_job(self, job, worker->class) && ways_drawer(self, job, worker) ? DRAWS_SHARED
                                                                                     : NULL;
}

static json_t *why_large(const struct job *job, const struct worker *worker)
{
    const struct job_memory *memory = &job->row.memory;
    bool seen = memory->gpu_peak > memory->too_small;
    CLEANUP(cleanup_free)
    char *needs = memory_size(seen ? memory->gpu_peak : memory->too_small);
    CLEANUP(cleanup_free) char *has = memory_size(worker->class->memory_bytes);
    CLEANUP(cleanup_free)
    char *text = alloc_format("job %lld needs %s%s of GPU memory; this card has %s",
                              (long long)job->row.job, seen ? "" : "more than ", needs, has);
    return json_pack("{s:s, s:s, s:s}", "code", TOO_LARGE, "text", text, "hint",
                     "larger cards render it");
}

static json_t *why_shared(const struct job *job, const struct worker *drawer)
{
    CLEANUP(cleanup_free)
    char *text = alloc_format(
        "only one worker of this host draws job %lld (%s): its card cannot "
        "be chosen; %s draws",
        (long long)job->row.job, json_string_value(json_object_get(job->row.found, "engine")),
        drawer->name);
    return json_pack("{s:s, s:s, s:s}", "code", DRAWS_SHARED, "text", text, "hint",
                     "Cycles renders on every card");
}

json_t *idle_why(queue_t *self, const struct worker *worker)
{
    json_t *why = NULL;
    bool idle = renders(worker) && !self->paused && !worker->job && worker->claim_count == 0;
    for (size_t i = 0; idle && !why && i < self->ready.count && i < JOBS_SCAN; i++) {
        struct job *job = self->ready.items[i];
        const char *code = idle_code(self, job, worker);
        if (code) {
            why = code == TOO_LARGE ? why_large(job, worker)
                                    : why_shared(job, ways_drawer(self, job, worker));
        }
    }
    return why;
}

const struct worker *idle_drawer(queue_t *self, struct job *job)
{
    const struct worker *drawer = NULL;
    for (struct link *at = self->heard.next; at != &self->heard; at = at->next) {
        const struct worker *worker = LINK_ITEM(at, struct worker, heard);
        if (!renders(worker) || !fit_class_job(self, job, worker->class)) {
            continue;
        }
        const struct worker *other = ways_drawer(self, job, worker);
        if (!other && !(worker->job && worker->job->draws && worker->draws_shared)) {
            return NULL; /* it could take it, and will when it has finished what it has */
        }
        drawer = other ? other : worker;
    }
    return drawer;
}
