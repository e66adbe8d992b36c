#include "broker/queue/job.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/queue/keyed.h"
#include "broker/queue/same.h"
#include "broker/queue/state.h"
#include "broker/queue/ways.h"
#include "proto/alloc.h"

enum { WARNINGS_MAX = 64 };

#define TO(state) (1U << (state))

static const unsigned allowed[] = {
    [JOB_QUEUED] = TO(JOB_INSPECTING) | TO(JOB_PAUSED) | TO(JOB_CANCELLED),
    [JOB_INSPECTING] = TO(JOB_QUEUED) | TO(JOB_HELD) | TO(JOB_ACTIVE) | TO(JOB_FAILED) |
                       TO(JOB_PAUSED) | TO(JOB_CANCELLED),
    [JOB_HELD] = TO(JOB_ACTIVE) | TO(JOB_QUEUED) | TO(JOB_CANCELLED),
    [JOB_ACTIVE] = TO(JOB_DONE) | TO(JOB_FAILED) | TO(JOB_PAUSED) | TO(JOB_CANCELLED),
    [JOB_PAUSED] = TO(JOB_QUEUED) | TO(JOB_ACTIVE) | TO(JOB_HELD) | TO(JOB_CANCELLED),
    [JOB_DONE] = TO(JOB_QUEUED) | TO(JOB_ACTIVE) | TO(JOB_HELD),
    [JOB_FAILED] = TO(JOB_QUEUED) | TO(JOB_ACTIVE) | TO(JOB_HELD),
    [JOB_CANCELLED] = TO(JOB_QUEUED) | TO(JOB_ACTIVE) | TO(JOB_HELD),
};
_Static_assert(sizeof allowed / sizeof *allowed == JOB_STATES, "a row a state");

bool job_may_move(enum job_state from, enum job_state to)
{
    return (unsigned)from < JOB_STATES && (unsigned)to < JOB_STATES &&
           (allowed[from] & TO(to)) != 0;
}

bool job_state_ended(enum job_state state)
{
    return state == JOB_DONE || state == JOB_FAILED || state == JOB_CANCELLED;
}

struct job *job_new(const struct job_row *row)
{
    struct job *job = alloc_zero(1, sizeof *job);
    job->row = *row;
    json_incref(row->spec);
    json_incref(row->found);
    json_incref(row->questions);
    json_incref(row->warnings);
    json_incref(row->error);
    job->median_ms = -1;
    job->target_generation = -1;
    link_init(&job->back);
    link_init(&job->back_tried);
    link_init(&job->need.large);
    link_init(&job->workers);
    link_init(&job->hungry);
    link_init(&job->incoming);
    return job;
}

static void free_outputs(struct job *job)
{
    for (size_t i = 0; i < job->output_count; i++) {
        free(job->outputs[i].view);
        free(job->outputs[i].head);
        free(job->outputs[i].tail);
    }
    free(job->outputs);
    free(job->output);
    job->outputs = NULL;
    job->output = NULL;
    job->output_count = 0;
}

void job_free(struct job **self_p)
{
    struct job *job = *self_p;
    if (job) {
        block_free(job);
        rows_clear(job);
        free_outputs(job);
        free(job->times);
        ranges_clear(&job->frames);
        json_decref(job->row.spec);
        json_decref(job->row.found);
        json_decref(job->row.questions);
        json_decref(job->row.warnings);
        json_decref(job->row.error);
        json_decref(job->why);
        json_decref(job->open);
        sweep_free(job);
        free(job);
        *self_p = NULL;
    }
}

json_t *job_option(const struct job *job, const char *key)
{
    return json_object_get(json_object_get(job->row.spec, "options"), key);
}

/* The words in which job and options speak of numbers; fallback when there is none. */
static int64_t integer(const json_t *value, int64_t fallback)
{
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int check_options(const struct job *job, const char **text)
{
    json_t *options = json_object_get(job->row.spec, "options");
    if (options && !json_is_object(options)) {
        *text = "options are not a map";
        return -EINVAL;
    }
    struct ranges frames = { 0 };
    int rc = ranges_from_json(job_option(job, "frames"), job_option(job, "frame_words"), &frames);
    ranges_clear(&frames);
    if (rc != 0) {
        *text = "frames are no frame list";
        return -EINVAL;
    }
    return 0;
}

int job_from_spec(struct job *job, const char **text)
{
    const char *order = json_string_value(job_option(job, "order"));
    job->file = json_string_value(json_object_get(job->row.spec, "file"));
    if (!job->file || job->file[0] != '/') {
        *text = "file is not an absolute path";
        return -EINVAL;
    }
    if (check_options(job, text) != 0) {
        return -EINVAL;
    }
    job->order = (struct order){ .mode = ORDER_FIRST };
    if (order && order_parse(order, &job->order) != 0) {
        *text = "order is none of first, last, middle, every:N";
        return -EINVAL;
    }
    job->name = json_string_value(json_object_get(job->row.spec, "name"));
    if (!job->name || !*job->name) {
        job->name = base_name(job->file);
    }
    job->scene = json_string_value(job_option(job, "scene"));
    int64_t priority = integer(job_option(job, "priority"), 50);
    int64_t attempts = integer(job_option(job, "attempts"), ATTEMPTS_DEFAULT);
    job->priority = priority < 0 ? 0 : priority > 100 ? 100 : (int32_t)priority;
    job->attempts_max = attempts < 1 ? 1 : attempts > 1000 ? 1000 : (int32_t)attempts;
    job->overwrite = json_is_true(job_option(job, "overwrite"));
    job->mix = json_is_true(job_option(job, "mix"));
    job->allow_cpu = json_is_true(job_option(job, "allow_cpu"));
    job->strict = json_is_true(job_option(job, "strict"));
    ways_read(job);
    int64_t timeout_s = integer(job_option(job, "placeholder_timeout_s"), 0);
    job->taken_timeout_ms = timeout_s > 0 && timeout_s < INT32_MAX ? timeout_s * 1000 : 0;
    return 0;
}

static int read_outputs(struct job *job, const json_t *found, const char **text)
{
    const json_t *outputs = json_object_get(found, "outputs");
    size_t count = json_array_size(outputs);
    free_outputs(job);
    if (count == 0 || count > 64) {
        *text = "no output, or too many";
        return -EINVAL;
    }
    job->outputs = alloc_zero(count, sizeof *job->outputs);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(outputs, i);
        const char *head = json_string_value(json_object_get(item, "head"));
        const char *tail = json_string_value(json_object_get(item, "tail"));
        const char *view = json_string_value(json_object_get(item, "view"));
        int64_t digits = integer(json_object_get(item, "digits"), -1);
        if (!head || head[0] != '/' || !tail || digits < 0 || digits > 255) {
            *text = "an output without head, digits or tail";
            return -EINVAL;
        }
        job->outputs[i] = (struct output_name){
            .view = alloc_text(view ? view : ""),
            .head = alloc_text(head),
            .digits = (int)digits,
            .tail = alloc_text(tail),
        };
        job->output_count = i + 1;
    }
    CLEANUP(cleanup_free) char *hashes = alloc_zero((size_t)job->outputs[0].digits + 2, 1);
    memset(hashes, '#', (size_t)(job->outputs[0].digits > 0 ? job->outputs[0].digits : 1));
    job->output = alloc_format("%s%s%s", job->outputs[0].head, hashes, job->outputs[0].tail);
    return 0;
}

static int read_frames(const struct job *job, const json_t *found, struct ranges *out)
{
    struct ranges given = { 0 };
    int64_t start = integer(json_object_get(found, "frame_start"), INT64_MAX);
    int64_t end = integer(json_object_get(found, "frame_end"), INT64_MAX);
    int64_t step = integer(json_object_get(found, "frame_step"), 1);
    int64_t current = integer(json_object_get(found, "frame_current"), start);
    int rc = ranges_from_json(job_option(job, "frames"), job_option(job, "frame_words"), &given);
    if (rc == 0 && (start < -RANGES_FRAME_MAX || start > RANGES_FRAME_MAX ||
                    end < -RANGES_FRAME_MAX || end > RANGES_FRAME_MAX || step < 1 ||
                    step > INT32_MAX || current < INT32_MIN || current > INT32_MAX)) {
        rc = RANGES_WRONG;
    }
    if (rc == 0) {
        struct ranges_scene scene = {
            .current = (int32_t)current,
            .start = (int32_t)start,
            .end = (int32_t)end,
            .step = (int32_t)step,
        };
        rc = ranges_resolve(&given, &scene, out);
    }
    ranges_clear(&given);
    return rc;
}

/* A frame list that is another one: rows that are not in it go, with their claims. */
static void drop_row(queue_t *self, struct job *job, struct frame *frame)
{
    if (frame->more && frame->more->live) {
        worker_touch(self, frame->more->live->worker);
        claim_end(self, frame->more->live);
    }
    taken_remove(self, frame);
    rows_less(frame);
    change_frame_delete(self, job->row.job, frame->number);
}

static void recount(queue_t *self, struct job *job)
{
    struct rows_place at = { 0 };
    struct frame *frame;
    rows_rank_anew(self, job, drop_row);
    job->counts = (struct job_counts){ .total = ranges_count(&job->frames) };
    job->counts.by_state[FRAME_WAITING] = job->counts.total;
    while ((frame = rows_each(job, &at)) != NULL) {
        job->counts.by_state[FRAME_WAITING]--;
        job->counts.by_state[frame->state]++;
    }
    job->cursor = 0;
    job->counted = true;
}

static void forget_before(struct job *job)
{
    if (json_object_get(job->row.spec, "before")) {
        json_t *spec = json_copy(job->row.spec);
        json_object_del(spec, "before");
        json_decref(job->row.spec);
        job->row.spec = spec;
    }
}

int job_set_found(queue_t *self, struct job *job, json_t *found, const char **text)
{
    struct ranges frames = { 0 };
    if (read_outputs(job, found, text) != 0) {
        return -EINVAL;
    }
    if (read_frames(job, found, &frames) != 0 || ranges_count(&frames) == 0) {
        ranges_clear(&frames);
        *text = "its frame range is none";
        return -EINVAL;
    }
    json_incref(found);
    json_decref(job->row.found);
    job->row.found = found;
    forget_before(job);
    ranges_clear(&job->frames);
    job->frames = frames;
    const char *scene = json_string_value(json_object_get(found, "scene"));
    const char *unbaked = json_string_value(job_option(job, "unbaked"));
    json_t *denoise = job_option(job, "denoise");
    job->scene = scene ? scene : job->scene;
    job->ordered = json_is_true(json_object_get(found, "ordered")) &&
                   !(unbaked && strcmp(unbaked, "allow") == 0);
    if (job->ordered) {
        job->order = (struct order){ .mode = ORDER_FIRST };
    }
    job->denoise = json_is_true(json_object_get(found, "denoise")) && !json_is_false(denoise);
    job->file_version = (int32_t)integer(json_object_get(found, "file_version"), 0);
    ways_read(job);
    job->target_generation = -1;
    recount(self, job);
    return 0;
}

/* Their workers render what is not wanted any more: they are told that the claims are stale. */
static void revoke_claims(queue_t *self, struct queue_now now, struct job *job)
{
    struct rows_place at = { 0 };
    struct frame *frame;
    while (job->counts.by_state[FRAME_CLAIMED] > 0 && (frame = rows_each(job, &at)) != NULL) {
        if (frame->state == FRAME_CLAIMED) {
            worker_stale(self, frame->more->live->worker, frame->more->live->number);
            claim_give_up(self, now, frame->more->live, OUTCOME_RETURNED, "inspected again");
        }
    }
    if (job->live && job->live->kind == CLAIM_INSPECT) {
        worker_stale(self, job->live->worker, job->live->number);
        job->row.claim_outcome = OUTCOME_RETURNED;
        claim_end(self, job->live);
    }
}

/*
 * What inspection found does not hold any more. Until the next one says which frames there are, the
 * old list tells where the rows belong; it is kept in the spec, for a restart.
 */
void job_drop_found(queue_t *self, struct queue_now now, struct job *job)
{
    const char *text;
    revoke_claims(self, now, job);
    if (job->row.found) {
        json_t *spec = json_copy(job->row.spec);
        json_object_set(spec, "before", job->row.found);
        json_decref(job->row.spec);
        job->row.spec = spec;
    }
    json_decref(job->row.found);
    job->row.found = NULL;
    job->counted = false;
    sweep_anew(job);
    (void)job_from_spec(job, &text); /* was read before, so this cannot fail */
}

int job_load_found(queue_t *self, struct job *job, const char **text)
{
    json_t *before = json_object_get(job->row.spec, "before");
    if (job->row.found || !before) {
        return job->row.found ? job_set_found(self, job, job->row.found, text) : 0;
    }
    json_incref(before);
    int rc = job_set_found(self, job, before, text);
    if (rc == 0) {
        job_drop_found(self, (struct queue_now){ 0 }, job); /* no claim is loaded yet */
    }
    json_decref(before);
    return rc;
}

void job_changed(queue_t *self, struct job *job)
{
    change_job(self, job, (int)job->row.state);
}

int64_t job_live(const struct job *job)
{
    return job->counts.by_state[FRAME_CLAIMED] + (job->live ? 1 : 0);
}

bool job_all_ended(const struct job *job)
{
    return job->counted && job->counts.by_state[FRAME_WAITING] == 0 &&
           job->counts.by_state[FRAME_CLAIMED] == 0 && job->counts.by_state[FRAME_TAKEN] == 0;
}

struct job *job_find(const queue_t *self, int64_t number)
{
    struct job *job = map_get(&self->jobs, number);
    return job && !job->row.removing ? job : NULL;
}

void job_touch_workers(queue_t *self, struct job *job)
{
    for (struct link *at = job->workers.next; at != &job->workers; at = at->next) {
        worker_touch(self, LINK_ITEM(at, struct worker, on_job));
    }
    if (job->live) {
        worker_touch(self, job->live->worker);
    }
}

void job_move(queue_t *self, struct queue_now now, struct job *job, enum job_state to)
{
    enum job_state from = job->row.state;
    assert(job_may_move(from, to));
    job->row.state = to;
    list_remove(&self->held, job);
    if (to == JOB_HELD) {
        list_add(&self->held, job);
    }
    if (job_state_ended(to)) {
        job->row.finished_at = now.wall_ms;
        (void)block_forget(self, job);
    } else {
        job->row.finished_at = 0;
        job->row.stopped = false;
    }
    if (to == JOB_ACTIVE) {
        struct job *elder;
        job->sweeping.leftovers = job->sweeping.leftovers || job->row.active_order == 0;
        job->sweeping.looked = false; /* others may have been at its pictures meanwhile */
        if (job->row.active_order == 0 || job->counts.by_state[FRAME_CLAIMED] == 0) {
            job->row.active_order = self->next_order++; /* with a live claim it never let go */
        }
        elder = owner_elder(self, job);
        job->blocked_by = elder ? elder->row.job : 0;
    }
    if (job_state_ended(to) && (job->row.found || json_object_get(job->row.spec, "kept")) &&
        (to == JOB_CANCELLED || job->row.stopped || !job->row.found)) {
        job->row.sweep_due = true; /* done and failed by their frames were looked over before */
    }
    change_job(self, job, (int)from);
    job_touch_workers(self, job);
    job_review(self, now, job);
    if (from == JOB_ACTIVE || job_state_ended(to)) {
        owner_left(self, now, job);
    } else if (to == JOB_ACTIVE) {
        owner_joined(self, now, job);
    }
}

static void member(struct job_list *list, struct job *job, bool *is, bool should)
{
    if (should && !*is) {
        list_add(list, job);
    } else if (!should && *is) {
        list_remove(list, job);
    }
    *is = should;
}

static void touch_hungry(queue_t *self, struct job *job)
{
    for (struct link *at = job->hungry.next; at != &job->hungry; at = at->next) {
        worker_touch(self, LINK_ITEM(at, struct worker, hungry));
    }
}

void job_review(queue_t *self, struct queue_now now, struct job *job)
{
    enum job_state state = job->row.state;
    bool was_ready = job->ready;
    if (state == JOB_ACTIVE && job_all_ended(job) && !job->row.sweep_due && !job->live) {
        job->row.sweep_due = true;
        job_changed(self, job);
    }
    member(&self->inspect, job, &job->inspectable, state == JOB_QUEUED && !job->live);
    sweep_review(self, job);
    member(&self->ready, job, &job->ready,
           state == JOB_ACTIVE && !job->blocked_by && job->counts.by_state[FRAME_WAITING] > 0);
    if (job->ready || job->inspectable || job->sweepable) {
        self->work = true;
    }
    if (was_ready && !job->ready) {
        assign_cancel_incoming(self, job);
        touch_hungry(self, job);
    }
    (void)now;
}

void job_set_error(struct job *job, const char *code, const char *text, const char *hint)
{
    json_decref(job->row.error);
    job->row.error = NULL;
    if (code) {
        job->row.error = json_pack("{s:s, s:s, s:s}", "code", code, "text", text ? text : "",
                                   "hint", hint ? hint : "");
    }
}

void job_warn(struct job *job, const char *code, const char *text)
{
    size_t count = json_array_size(job->row.warnings);
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(job->row.warnings, i);
        const char *had = json_string_value(json_object_get(item, "code"));
        const char *said = json_string_value(json_object_get(item, "text"));
        if (had && said && strcmp(had, code) == 0 && strcmp(said, text) == 0) {
            return;
        }
    }
    if (count >= WARNINGS_MAX) {
        return;
    }
    /* a new array: changes that wait for the store hold the old one */
    json_t *warnings = job->row.warnings ? json_copy(job->row.warnings) : json_array();
    json_array_append_new(warnings,
                          json_pack("{s:s, s:s, s:s}", "code", code, "text", text, "hint", ""));
    json_decref(job->row.warnings);
    job->row.warnings = warnings;
}

static void call_in_taken(queue_t *self, struct job *job)
{
    struct rows_place at = { 0 };
    struct frame *frame;
    while (job->counts.by_state[FRAME_TAKEN] > 0 && (frame = rows_each(job, &at)) != NULL) {
        if (frame->state == FRAME_TAKEN) {
            frame_move(self, job, frame, FRAME_WAITING, NULL);
        }
    }
}

void job_stop(queue_t *self, struct queue_now now, struct job *job)
{
    const char *text = json_string_value(json_object_get(job->row.error, "text"));
    call_in_taken(self, job);
    job->row.stopped = true;
    job_move(self, now, job, JOB_FAILED);
    change_event(self, now, EVENT_JOB_FAILED, event_of(job, NULL), alloc_text(text));
}

void job_set_kept(struct job *job, const char *kept)
{
    json_t *spec = json_copy(job->row.spec);
    if (kept) {
        json_object_set_new(spec, "kept", json_string(kept));
    } else {
        json_object_del(spec, "kept");
    }
    json_decref(job->row.spec);
    job->row.spec = spec; /* the strings that job borrows are shared by both copies */
}

void job_delete(queue_t *self, struct job *job)
{
    struct rows_place at = { 0 };
    struct frame *frame;
    assert(job_live(job) == 0);
    while (!link_empty(&job->workers)) {
        struct worker *worker = LINK_ITEM(job->workers.next, struct worker, on_job);
        assign_no_longer_hungry(self, worker);
        link_remove(&worker->on_job);
        worker->job = NULL;
        worker_touch(self, worker);
    }
    assign_cancel_incoming(self, job);
    while (job->counts.by_state[FRAME_TAKEN] > 0 && (frame = rows_each(job, &at)) != NULL) {
        taken_remove(self, frame);
    }
    member(&self->inspect, job, &job->inspectable, false);
    sweep_unlist(self, job);
    member(&self->ready, job, &job->ready, false);
    list_remove(&self->all, job);
    map_remove(&self->jobs, job->row.job);
    keyed_remove(self, job);
    same_remove(self, job);
    owner_remove(self, job);
    change_job_delete(self, job->row.job);
    job_free(&job);
}

void job_set_priority(queue_t *self, struct queue_now now, struct job *job, int32_t priority)
{
    json_t *spec = json_copy(job->row.spec);
    json_t *had = json_object_get(spec, "options");
    json_t *options = had ? json_copy(had) : json_object();
    json_object_set_new(options, "priority", json_integer(priority));
    json_object_set_new(spec, "options", options);
    json_decref(job->row.spec);
    job->row.spec = spec;
    member(&self->inspect, job, &job->inspectable, false); /* the lists are sorted by it */
    sweep_unlist(self, job);
    member(&self->ready, job, &job->ready, false);
    job->priority = priority;
    job_changed(self, job);
    assign_cancel_incoming(self, job);
    job_review(self, now, job);
}
