/* The memory of a machine, which its workers share. */

#include "broker/queue/host.h"

#include <stdlib.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

struct host {
    int64_t available_bytes; /* as somebody there said last; 0 = not known */
    int64_t promised_bytes;  /* of all its workers */
    size_t busy;             /* workers with a job */
};

void host_join(queue_t *self, struct worker *worker, const char *name)
{
    const char *kept = words_keep(&self->names, name);
    struct host *host = map_get(&self->hosts, words_key(kept));
    host_leave(worker);
    if (!host) {
        host = alloc_zero(1, sizeof *host);
        map_put(&self->hosts, words_key(kept), host);
    }
    worker->share.host = host;
    host_review(worker);
}

void host_leave(struct worker *worker)
{
    struct host_share *share = &worker->share;
    if (share->host) {
        share->host->promised_bytes -= share->promised_bytes;
        share->host->busy -= share->busy;
        *share = (struct host_share){ 0 };
    }
}

static int64_t need_of(const struct job *job, const struct worker *worker)
{
    return job->row.memory.rss_peak[worker->device_kind];
}

void host_review(struct worker *worker)
{
    struct host_share *share = &worker->share;
    struct job *job = worker->job;
    int64_t more = job ? need_of(job, worker) - share->rss_bytes : 0;
    if (!share->host) {
        return; /* a worker of before a restart, or one that has left */
    }
    share->host->promised_bytes -= share->promised_bytes;
    share->host->busy -= share->busy;
    share->promised_bytes = more > 0 ? more : 0;
    share->busy = job != NULL;
    share->host->promised_bytes += share->promised_bytes;
    share->host->busy += share->busy;
    if (job) {
        share->lacks_job = 0;
    }
}

static int64_t gauge(const json_t *telemetry, const char *key)
{
    const json_t *value = json_object_get(telemetry, key);
    int64_t bytes = json_is_integer(value) ? (int64_t)json_integer_value(value) : 0;
    return bytes > 0 && bytes <= MEMORY_MAX_BYTES ? bytes : 0;
}

void host_gauge(struct worker *worker, const json_t *telemetry)
{
    int64_t available = gauge(telemetry, "host_available_bytes");
    worker->share.rss_bytes = gauge(telemetry, "blender_rss_bytes");
    worker->share.lacks_job = 0;
    if (worker->share.host && available > 0) {
        worker->share.host->available_bytes = available;
    }
    host_review(worker);
}

bool host_fits(const struct job *job, struct worker *worker)
{
    struct host_share *share = &worker->share;
    const struct host *host = share->host;
    int64_t need = need_of(job, worker);
    if (!host || need == 0 || host->available_bytes == 0 || worker->job == job ||
        host->busy <= share->busy) {
        return true;
    }
    int64_t free = host->available_bytes - (host->promised_bytes - share->promised_bytes) +
                   share->rss_bytes; /* what it has now it gives up for the next job */
    if (need <= free) {
        return true;
    }
    share->lacks_job = job->row.job;
    share->lacks_bytes = need;
    share->lacks_free = free > 0 ? free : 0;
    return false;
}

json_t *host_why(const struct worker *worker)
{
    const struct host_share *share = &worker->share;
    if (share->lacks_job == 0 || worker->job) {
        return NULL;
    }
    CLEANUP(cleanup_free) char *needs = memory_size(share->lacks_bytes);
    CLEANUP(cleanup_free) char *has = memory_size(share->lacks_free);
    CLEANUP(cleanup_free)
    char *text = alloc_format("job %lld needs %s a worker; this host has %s left",
                              (long long)share->lacks_job, needs, has);
    return json_pack("{s:s, s:s, s:s}", "code", "host-memory", "text", text, "hint",
                     worker->device_kind == DEVICE_GPU ? "gpu:0+1 groups use all cards"
                                                       : "fewer workers, each with more cores");
}

void host_free(queue_t *self)
{
    for (size_t i = 0; i < self->hosts.size; i++) {
        free(self->hosts.slots[i].value);
    }
    map_clear(&self->hosts);
}
