/* How a job may be rendered on a GPU, and which workers can do that. */

#include "broker/queue/ways.h"

#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"
#include "proto/device_types.h"

enum { OSL_ON_OPTIX = 305 }; /* the first Blender whose OptiX runs Open Shading Language */

static const char *wish_of(const struct job *job)
{
    return json_string_value(job_option(job, "device_type"));
}

void ways_read(struct job *job)
{
    CLEANUP(cleanup_free) char *error_text = NULL;
    struct device_types types = { .count = 0 };
    const char *wish = wish_of(job);
    const char *engine = json_string_value(json_object_get(job->row.found, "engine"));
    job->ways = 0;
    job->by_cycles = engine && strcmp(engine, "CYCLES") == 0;
    job->draws = engine && strncmp(engine, "BLENDER_", 8) == 0;
    job->cpu_only = json_is_true(json_object_get(job->row.found, "engine_cpu_only"));
    if (wish && device_types_parse(wish, &types, &error_text) == 0) {
        for (size_t i = 0; i < types.count; i++) {
            job->ways |= device_types_bit(types.words[i]);
        }
    }
}

bool ways_fit(const struct job *job, const struct class *class, int32_t version)
{
    unsigned ways = class->ways;
    if (class->device_kind != DEVICE_GPU || !job->by_cycles || job->allow_cpu || ways == 0) {
        return true;
    }
    if (job->cpu_only) {
        ways &= version >= OSL_ON_OPTIX ? device_types_bit("OPTIX") : 0;
    }
    return (job->ways ? ways & job->ways : ways) != 0;
}

const struct worker *ways_drawer(queue_t *queue, const struct job *job, const struct worker *worker)
{
    if (!job->draws || !worker->draws_shared || worker->job == job) {
        return NULL;
    }
    for (struct link *at = queue->heard.next; at != &queue->heard; at = at->next) {
        const struct worker *other = LINK_ITEM(at, struct worker, heard);
        if (other != worker && other->draws_shared && other->job && other->job->draws &&
            strcmp(other->host, worker->host) == 0) {
            return other;
        }
    }
    return NULL;
}

const char *ways_code(const struct job *job)
{
    return job->cpu_only ? "cpu-only" : "device-type";
}

char *ways_text(const struct job *job)
{
    return job->cpu_only ? alloc_text(
                               "it uses Open Shading Language, which renders on CPUs, or with"
                               " OptiX from Blender 3.5 on; no worker here can")
                         : alloc_format("no worker here can render with %s", wish_of(job));
}

const char *ways_hint(const struct job *job)
{
    return job->cpu_only ? "dblend-worker --device cpu, or --allow-cpu"
                         : "leave out --device-type, or name others";
}
