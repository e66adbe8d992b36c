/* Looking at the queue: nothing in here changes it. */

#include <string.h>

#include "broker/queue/idle.h"
#include "broker/queue/state.h"
#include "broker/queue/ways.h"
#include "proto/alloc.h"

enum { HELD_SHOWN = 16 };

void queue_live(const queue_t *self, struct queue_stats *out)
{
    *out = (struct queue_stats){
        .last_job = self->next_job - 1,
        .workers = (int64_t)self->session_count,
        .inspectors = (int64_t)self->inspector_count,
        .claims = (int64_t)self->claims.count,
        .renders = self->render_claims,
        .paused = self->paused,
    };
}

void queue_stats(const queue_t *self, struct queue_stats *out)
{
    queue_live(self, out);
    for (size_t i = 0; i < self->all.count; i++) {
        const struct job *job = self->all.items[i];
        enum job_state state = job->row.state;
        out->jobs += !job->row.removing && !job_state_ended(state);
        out->work += !job->row.removing &&
                     (state == JOB_QUEUED || state == JOB_INSPECTING || state == JOB_ACTIVE);
    }
}

static json_t *make_why(struct job *job, const char *code, char *text, const char *hint)
{
    json_decref(job->why);
    job->why = json_pack("{s:s, s:s, s:s}", "code", code, "text", text, "hint", hint);
    cleanup_free(&text);
    return job->why;
}

/* Its Blender does not fit beside those that run on the same machine. */
static json_t *why_lacking(queue_t *self, struct job *job)
{
    for (struct link *at = self->heard.next; at != &self->heard; at = at->next) {
        const struct worker *worker = LINK_ITEM(at, struct worker, heard);
        CLEANUP(cleanup_json)
        json_t *why = worker->share.lacks_job == job->row.job ? host_why(worker) : NULL;
        if (why) {
            return make_why(job, "host-memory",
                            alloc_text(json_string_value(json_object_get(why, "text"))),
                            "it is given when others there have ended theirs");
        }
    }
    return NULL;
}

/* Somebody fits, but all who do rest or have failed it too often. */
static json_t *why_nobody(queue_t *self, struct queue_now now, struct job *job)
{
    const struct block *block = block_last(job);
    json_t *lacking = job->counts.by_state[FRAME_CLAIMED] > 0 ? NULL : why_lacking(self, job);
    if (lacking) {
        return lacking;
    }
    const struct worker *drawer =
        job->draws && job->counts.by_state[FRAME_CLAIMED] == 0 ? idle_drawer(self, job) : NULL;
    if (drawer) {
        return make_why(job, "draws-shared",
                        alloc_format("one worker of a host draws at a time, as its card cannot be "
                                     "chosen: %s draws job %lld",
                                     drawer->name, (long long)drawer->job->row.job),
                        "it is given when that has ended");
    }
    if (job->counts.by_state[FRAME_CLAIMED] > 0 ||
        (self->rest_count + self->recall_count + self->own_rest_count == 0 && !block) ||
        fit_other(self, job, NULL, FIT_UNBLOCKED)) {
        return NULL;
    }
    if (block) {
        return make_why(job, block->code,
                        alloc_format("the workers failed it too often (%s: %s); they try again in "
                                     "%lld s",
                                     block->name, block->code,
                                     (long long)pause_left_s(&job->blocks->pause, now)),
                        "dblend log says more");
    }
    const struct standing *standing = rest_first(self, job);
    const struct standing *recalled = standing ? NULL : recall_first(self, job);
    if (recalled) {
        return make_why(job, "recalled",
                        alloc_format("the device of every worker that fits was given back (%s)",
                                     recalled->name),
                        "dblend wake WORKER lets one go on");
    }
    json_t *own = standing ? NULL : rest_own_first(self, job);
    if (own) {
        return make_why(job, json_string_value(json_object_get(own, "code")),
                        alloc_format("every worker that fits rests: %s",
                                     json_string_value(json_object_get(own, "text"))),
                        json_string_value(json_object_get(own, "hint")));
    }
    if (!standing) {
        return NULL;
    }
    return make_why(
        job, json_string_value(json_object_get(standing->error, "code")),
        alloc_format("every worker that fits rests (%s: %s); the next goes on in %lld s",
                     standing->name, json_string_value(json_object_get(standing->error, "text")),
                     (long long)pause_left_s(&standing->rest, now)),
        json_string_value(json_object_get(standing->error, "hint")));
}

/* Why an active job stands still though it has frames to give, or NULL. */
static json_t *why_waits(queue_t *self, struct queue_now now, struct job *job)
{
    if (job->row.state != JOB_ACTIVE) {
        return NULL;
    }
    if (job->blocked_by) {
        return make_why(job, "output-in-use",
                        alloc_format("waits until job %lld has ended: it renders to the same files",
                                     (long long)job->blocked_by),
                        "");
    }
    const char *code = NULL;
    char *text = sweep_why(self, job, &code);
    if (text) {
        return make_why(job, code, text, "");
    }
    if (!job->ready || self->class_count == 0) {
        return NULL;
    }
    (void)fit_class_job(self, job, self->classes[0]); /* brings why_code up to date */
    if (memory_wanting(self, job)) {
        CLEANUP(cleanup_free) char *needs = memory_text(self, job, 0);
        return make_why(job, "out-of-gpu-memory", alloc_format("it %s", needs),
                        job->allow_cpu ? "start a worker with more"
                                       : "--allow-cpu lets CPU workers render it");
    }
    if (!job->why_code) {
        return why_nobody(self, now, job);
    }
    int32_t version = job->target_bound ? job->row.bound_blender : job->file_version;
    if (strcmp(job->why_code, ways_code(job)) == 0) {
        return make_why(job, job->why_code, ways_text(job), ways_hint(job));
    }
    if (strcmp(job->why_code, "denoiser-missing") == 0) {
        return make_why(job, job->why_code,
                        alloc_format("it denoises, and no Blender of the workers here can"),
                        "--no-denoise");
    }
    return make_why(job, job->why_code,
                    alloc_format(job->target_bound
                                     ? "its first frames are of Blender %d.%d (%s), no worker here "
                                       "has that"
                                     : "no worker here has Blender %d.%d or newer%.0s",
                                 version / 100, version % 100,
                                 device_kind_name(job->row.bound_kind)),
                    job->target_bound ? "--mix allows others" : "install it, or --blender PATH");
}

static int64_t eta_s(struct job *job, int64_t median_ms)
{
    const int64_t *by = job->counts.by_state;
    int64_t left = by[FRAME_WAITING] + by[FRAME_CLAIMED] + by[FRAME_TAKEN];
    if (job_state_ended(job->row.state) || !job->counted) {
        return -1;
    }
    if (median_ms < 0 || job->worker_count == 0) {
        return -1;
    }
    return (left * median_ms / (int64_t)job->worker_count + 999) / 1000;
}

int queue_job(queue_t *self, struct queue_now now, int64_t number, struct job_view *out)
{
    struct job *job = job_find(self, number);
    if (!job) {
        return QUEUE_NO_JOB;
    }
    *out = (struct job_view){
        .row = &job->row,
        .counted = job->counted,
        .counts = job->counts,
        .priority = job->priority,
        .name = job->name,
        .file = job->file,
        .scene = job->scene,
        .output = job->output,
        .median_ms = rows_median(job),
        .live_claims = job_live(job),
        .workers = (int64_t)job->worker_count,
    };
    out->eta_s = eta_s(job, out->median_ms);
    if (job->row.state == JOB_CANCELLED) {
        out->counts.by_state[FRAME_CANCELLED] += out->counts.by_state[FRAME_WAITING];
        out->counts.by_state[FRAME_WAITING] = 0;
    }
    out->open = job->row.state == JOB_HELD ? questions_open(self, job) : NULL;
    out->error = job->row.error ? job->row.error
                 : out->open    ? json_array_get(out->open, 0)
                                : why_waits(self, now, job);
    return QUEUE_OK;
}

int64_t queue_job_next(const queue_t *self, int64_t after)
{
    size_t low = 0;
    size_t high = self->all.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->all.items[middle]->row.job <= after) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    while (low < self->all.count && self->all.items[low]->row.removing) {
        low++;
    }
    return low < self->all.count ? self->all.items[low]->row.job : 0;
}

static void export(const struct job *job, int32_t number, struct frame_row *out)
{
    const struct frame *frame = rows_get(job, number);
    if (frame) {
        rows_export(job, frame, out);
        return;
    }
    *out = (struct frame_row){
        .job = job->row.job,
        .frame = number,
        .state = job->row.state == JOB_CANCELLED ? FRAME_CANCELLED : FRAME_WAITING,
        .ms = -1,
        .bytes = -1,
    };
}

int queue_frame_next(queue_t *self, int64_t number, int32_t after, struct frame_row *out)
{
    const struct job *job = job_find(self, number);
    if (!job) {
        return QUEUE_NO_JOB;
    }
    int64_t low = 0;
    int64_t total = job->counted ? job->counts.total : 0;
    int64_t high = total;
    int32_t frame = 0;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (ranges_at(&job->frames, middle, &frame) && frame <= after) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low >= total || !ranges_at(&job->frames, low, &frame)) {
        return QUEUE_EMPTY;
    }
    export(job, frame, out);
    return QUEUE_OK;
}

int queue_frame(queue_t *self, int64_t number, int32_t frame, struct frame_row *out)
{
    const struct job *job = job_find(self, number);
    if (!job) {
        return QUEUE_NO_JOB;
    }
    if (!job->counted || ranges_rank(&job->frames, frame) < 0) {
        return QUEUE_EMPTY;
    }
    export(job, frame, out);
    return QUEUE_OK;
}

int queue_claim(const queue_t *self, int64_t number, int64_t *job, int32_t *frame)
{
    const struct claim *claim = map_get(&self->claims, number);
    if (!claim) {
        return QUEUE_EMPTY;
    }
    *job = claim->job->row.job;
    *frame = claim->frame ? claim->frame->number : EVENT_NO_FRAME;
    return QUEUE_OK;
}

static enum worker_state state_of(const queue_t *self, const struct worker *worker)
{
    if (worker->drain != DRAIN_NONE) {
        return WORKER_DRAINING;
    }
    if (recall_on(worker)) {
        return worker->state; /* resting once its Blender has ended */
    }
    bool lacks = worker->share.lacks_job != 0 && !worker->job;
    if ((rest_on(worker) || lacks) && worker->claim_count == 0) {
        return WORKER_RESTING;
    }
    return self->paused && worker->claim_count == 0 && worker->state != WORKER_STARTING
               ? WORKER_PAUSED
               : worker->state;
}

/* Why it rests, or has nothing to do; new, or NULL. */
static json_t *error_of(queue_t *self, const struct worker *worker)
{
    if (!recall_on(worker) && !worker->own_rest && !worker->standing->error) {
        json_t *lacks = host_why(worker);
        return lacks ? lacks : idle_why(self, worker);
    }
    json_t *error = recall_on(worker)  ? worker->standing->recall_error
                    : worker->own_rest ? worker->own_rest
                                       : worker->standing->error;
    return json_incref(error);
}

static void visit_live(queue_t *self, struct queue_now now, const struct worker *worker,
                       void (*visit)(void *arg, const struct worker_view *worker), void *arg)
{
    int32_t frames[HELD_SHOWN];
    size_t count = 0;
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        const struct claim *claim = LINK_ITEM(at, struct claim, of_worker);
        if (claim->frame && count < HELD_SHOWN) {
            frames[count++] = claim->frame->number;
        }
    }
    CLEANUP(cleanup_json) json_t *error = error_of(self, worker);
    CLEANUP(cleanup_json) json_t *telemetry = gauges_json(&worker->gauges);
    struct worker_view view = {
        .worker = worker->name,
        .device = worker->device,
        .host = worker->host,
        .pid = worker->pid,
        .state = state_of(self, worker),
        .job = worker->job ? worker->job->row.job : 0,
        .frames = frames,
        .frame_count = count,
        .blenders = worker->versions,
        .done = worker->done,
        .phase = worker->progress_text,
        .phase_done = worker->progress_done,
        .phase_total = worker->progress_total,
        .error = error,
        .rests_until = rest_until(worker, now),
        .telemetry = telemetry,
    };
    visit(arg, &view);
}

void queue_workers(queue_t *self, struct queue_now now,
                   void (*visit)(void *arg, const struct worker_view *worker), void *arg)
{
    for (struct link *at = self->heard.next; at != &self->heard; at = at->next) {
        const struct worker *worker = LINK_ITEM(at, struct worker, heard);
        if (worker->session != 0 && worker->device_kind != DEVICE_NONE &&
            map_get(&self->by_name, words_key(worker->name)) == worker) {
            visit_live(self, now, worker, visit, arg);
        }
    }
    for (struct link *at = self->lost.next; at != &self->lost; at = at->next) {
        const struct lost_worker *lost = LINK_ITEM(at, struct lost_worker, link);
        struct worker_view view = {
            .worker = lost->name,
            .device = lost->device,
            .host = lost->host,
            .pid = lost->pid,
            .state = WORKER_LOST,
            .blenders = lost->versions,
            .done = lost->done,
        };
        if (now.ms - lost->at_ms <= LOST_SHOWN_MS) {
            visit(arg, &view);
        }
    }
}

/* Those that it is not given to for what they are, not for what they did. */
static void visit_unfit(queue_t *self, struct job *job,
                        void (*visit)(void *arg, const struct blocked_view *blocked), void *arg)
{
    for (struct link *at = self->heard.next; at != &self->heard; at = at->next) {
        const struct worker *worker = LINK_ITEM(at, struct worker, heard);
        struct blocked_view view = { .worker = worker->name };
        view.code = block_on(job, worker->name) ? NULL : idle_code(self, job, worker);
        if (view.code) {
            visit(arg, &view);
        }
    }
}

int queue_blocked(queue_t *self, struct queue_now now, int64_t number,
                  void (*visit)(void *arg, const struct blocked_view *blocked), void *arg)
{
    struct job *job = job_find(self, number);
    if (!job) {
        return QUEUE_NO_JOB;
    }
    visit_unfit(self, job, visit, arg);
    if (!job->blocks || job->blocks->on == 0) {
        return QUEUE_OK;
    }
    bool until = !fit_other(self, job, NULL, FIT_UNBLOCKED);
    int64_t wall_ms = pause_wall_ms(&job->blocks->pause, now);
    for (struct link *at = job->blocks->list.next; at != &job->blocks->list; at = at->next) {
        const struct block *block = LINK_ITEM(at, struct block, link);
        struct blocked_view view = {
            .worker = block->name,
            .code = block->code,
            .until = until ? wall_ms : 0,
        };
        if (block->on) {
            visit(arg, &view);
        }
    }
    return QUEUE_OK;
}

/* Another job that is not over still reads the same kept file. */
static bool kept_is_shared(const queue_t *self, const struct job *job, const char *kept)
{
    for (size_t i = 0; i < self->all.count; i++) {
        const struct job *other = self->all.items[i];
        const char *its = json_string_value(json_object_get(other->row.spec, "kept"));
        if (other != job && its && strcmp(its, kept) == 0 && !job_state_ended(other->row.state)) {
            return true;
        }
    }
    return false;
}

bool queue_kept_alone(const queue_t *self, int64_t number)
{
    const struct job *job = job_find(self, number);
    const char *kept = job ? json_string_value(json_object_get(job->row.spec, "kept")) : NULL;
    return kept && !kept_is_shared(self, job, kept);
}

static void copy(json_t *to, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);
    if (value && !json_is_null(value)) {
        json_object_set(to, key, value);
    }
}

json_t *queue_describe(queue_t *self, int64_t number, enum claim_kind kind)
{
    static const char *const keys[] = { "file", "size",         "mtime_ns", "hash",
                                        "cwd",  "submitted_at", "options" };
    struct job *job = map_get(&self->jobs, number); /* also one that is being removed */
    if (!job) {
        return NULL;
    }
    json_t *out = json_object();
    json_object_set_new(out, "job", json_integer(number));
    json_object_set_new(out, "name", json_string(job->name));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        copy(out, job->row.spec, keys[i]);
    }
    const char *kept = json_string_value(json_object_get(job->row.spec, "kept"));
    if (kept && !(kind == CLAIM_SWEEP && kept_is_shared(self, job, kept))) {
        json_object_set_new(out, "kept", json_string(kept));
    }
    if (job->row.found && kind != CLAIM_INSPECT) {
        json_object_set(out, "found", job->row.found);
    }
    if (job->row.bound_blender != 0 && !job->mix) {
        CLEANUP(cleanup_free)
        char *version =
            alloc_format("%d.%d", job->row.bound_blender / 100, job->row.bound_blender % 100);
        json_object_set_new(out, "blender", json_string(version));
    }
    if (rows_median(job) >= 0) {
        json_object_set_new(out, "median_ms", json_integer(rows_median(job)));
    }
    return out;
}

const json_t *queue_found(const queue_t *self, int64_t number)
{
    const struct job *job = job_find(self, number);
    return job ? job->row.found : NULL;
}
