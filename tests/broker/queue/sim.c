#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"

enum { SIM_CLAIMED = 256 };

struct names {
    const char *outputs[SIM_CLAIMED];
    int32_t frames[SIM_CLAIMED];
    size_t count;
};

static int64_t frame_key(int64_t job, int32_t frame)
{
    return (int64_t)((uint64_t)job << 32) | (int64_t)(uint32_t)frame;
}

static void free_job_row(struct job_row *row)
{
    if (row) {
        json_decref(row->spec);
        json_decref(row->found);
        json_decref(row->questions);
        json_decref(row->warnings);
        json_decref(row->error);
        free((void *)(uintptr_t)row->worker);
        free((void *)(uintptr_t)row->worker_id);
        free(row);
    }
}

static void free_frame_row(struct frame_row *row)
{
    if (row) {
        json_decref(row->error);
        json_decref(row->proof);
        json_decref(row->tried);
        free((void *)(uintptr_t)row->worker);
        free((void *)(uintptr_t)row->worker_id);
        free(row);
    }
}

static void new_queue(struct sim *self)
{
    struct queue_config config = { .farm = "0123456789abcdef",
                                   .first_session = self->first_session };
    self->first_session += 1000000;
    self->queue = queue_new(&config);
}

void sim_open(struct sim *self)
{
    *self = (struct sim){ .now = { .ms = 1000, .wall_ms = 1700000000000 }, .first_session = 77 };
    new_queue(self);
    queue_loaded(self->queue, self->now);
}

void sim_close(struct sim *self)
{
    queue_destroy(&self->queue);
    for (size_t i = 0; i < self->jobs.size; i++) {
        free_job_row(self->jobs.slots[i].value);
    }
    for (size_t i = 0; i < self->frames.size; i++) {
        free_frame_row(self->frames.slots[i].value);
    }
    for (size_t i = 0; i < self->metas.size; i++) {
        free(self->metas.slots[i].value);
    }
    for (size_t i = 0; i < self->worker_count; i++) {
        json_decref(self->workers[i]->telemetry);
        free(self->workers[i]);
    }
    map_clear(&self->jobs);
    map_clear(&self->frames);
    map_clear(&self->metas);
}

static void write_job(struct sim *self, const struct change *change)
{
    struct job_row *old = map_get(&self->jobs, change->as.job.job);
    enum job_state from = old ? old->state : JOB_QUEUED;
    assert_int_equal(change->from, from);
    assert_true(from == change->as.job.state || job_may_move(from, change->as.job.state));
    struct job_row *row = alloc_zero(1, sizeof *row);
    *row = change->as.job;
    json_incref(row->spec);
    json_incref(row->found);
    json_incref(row->questions);
    json_incref(row->warnings);
    json_incref(row->error);
    row->worker = alloc_text(row->worker);
    row->worker_id = alloc_text(row->worker_id);
    map_put(&self->jobs, row->job, row);
    free_job_row(old);
}

static void write_frame(struct sim *self, const struct change *change)
{
    int64_t key = frame_key(change->as.frame.job, change->as.frame.frame);
    struct frame_row *old = map_get(&self->frames, key);
    enum frame_state from = old ? old->state : FRAME_WAITING;
    enum frame_state to = change->as.frame.state;
    assert_int_equal(change->from, from);
    assert_true(from == to || frame_may_move(from, to));
    assert_true(!old || change->as.frame.claim >= old->claim);
    assert_true(to == from || self->retrying || key == self->wrong ||
                (from != FRAME_DONE && from != FRAME_KEPT));
    assert_true((to == FRAME_CLAIMED) == (change->as.frame.worker_id != NULL));
    assert_true((to == FRAME_CLAIMED) == (change->as.frame.outcome == OUTCOME_LIVE));
    struct frame_row *row = alloc_zero(1, sizeof *row);
    *row = change->as.frame;
    if (!row->proof && old && (to == FRAME_DONE || to == FRAME_KEPT)) {
        row->proof = old->proof;
    }
    json_incref(row->proof);
    json_incref(row->error);
    json_incref(row->tried);
    row->worker = alloc_text(row->worker);
    row->worker_id = alloc_text(row->worker_id);
    map_put(&self->frames, key, row);
    free_frame_row(old);
}

static void delete_job(struct sim *self, int64_t job)
{
    int64_t keys[4096];
    size_t count = 0;
    free_job_row(map_remove(&self->jobs, job));
    for (size_t i = 0; i < self->frames.size; i++) {
        if (self->frames.slots[i].value && self->frames.slots[i].key >> 32 == job && count < 4096) {
            keys[count++] = self->frames.slots[i].key;
        }
    }
    for (size_t i = 0; i < count; i++) {
        free_frame_row(map_remove(&self->frames, keys[i]));
    }
}

static void write_meta(struct sim *self, const char *key, int64_t value)
{
    int64_t *kept = map_get(&self->metas, key[0]);
    if (!kept) {
        kept = alloc_zero(1, sizeof *kept);
        map_put(&self->metas, key[0], kept);
    }
    assert_true(key[0] == 'p' || value >= *kept);
    *kept = value;
}

/* The workers of a test are few, and their ids live as long as it does. */
static struct sim_worker *find_worker(const struct sim *self, const char *id)
{
    for (size_t i = 0; i < self->worker_count; i++) {
        if (strcmp(self->workers[i]->id, id) == 0) {
            return self->workers[i];
        }
    }
    return NULL;
}

static void write_process(struct sim *self, const char *id, const struct queue_process *process)
{
    struct sim_worker *worker = find_worker(self, id);
    assert_non_null(worker);
    assert_true(process || worker->written.start); /* nothing is deleted that is not there */
    worker->written = process ? *process : (struct queue_process){ 0 };
}

static void write_event(struct sim *self, const struct change_event *event)
{
    const char *text = event->text ? event->text : "";
    self->events[self->event_count++ % SIM_EVENTS] = event->word;
    if (event->word == EVENT_FRAME_WRONG) {
        self->wrong = frame_key(event->job, event->frame);
    }
    (void)snprintf(self->text, sizeof self->text, "%s", text);
    if (event->word == EVENT_FRAME_ERROR) {
        (void)snprintf(self->failed, sizeof self->failed, "%s", text);
    }
}

static void commit(struct sim *self)
{
    size_t count;
    const struct change *changes = queue_changes(self->queue, &count);
    for (size_t i = 0; i < count; i++) {
        switch (changes[i].kind) {
        case CHANGE_JOB_PUT:
            write_job(self, &changes[i]);
            break;
        case CHANGE_JOB_DELETE:
            delete_job(self, changes[i].as.job_id);
            break;
        case CHANGE_FRAME_PUT:
            write_frame(self, &changes[i]);
            break;
        case CHANGE_FRAME_DELETE:
            free_frame_row(map_remove(
                &self->frames, frame_key(changes[i].as.frame.job, changes[i].as.frame.frame)));
            break;
        case CHANGE_META:
            write_meta(self, changes[i].as.meta.key, changes[i].as.meta.value);
            break;
        case CHANGE_WORKER_PUT:
            write_process(self, changes[i].as.worker.id, &changes[i].as.worker.process);
            break;
        case CHANGE_WORKER_DELETE:
            write_process(self, changes[i].as.worker.id, NULL);
            break;
        case CHANGE_EVENT:
            write_event(self, &changes[i].as.event);
            break;
        }
    }
    queue_changes_clear(self->queue);
}

size_t sim_events(const struct sim *self, enum event_word word)
{
    size_t count = 0;
    for (size_t i = 0; i < self->event_count && i < SIM_EVENTS; i++) {
        count += self->events[i] == word;
    }
    return count;
}

bool sim_event(const struct sim *self, enum event_word word)
{
    return sim_events(self, word) > 0;
}

static void drop_held(struct sim_worker *worker, int64_t claim)
{
    for (size_t i = 0; i < worker->held_count; i++) {
        if (worker->held[i].grant.claim == claim) {
            worker->held[i] = worker->held[--worker->held_count];
            return;
        }
    }
}

static void drop_report(struct sim_worker *worker, const struct queue_settled *settled)
{
    for (size_t i = 0; i < worker->report_count; i++) {
        if (worker->reports[i].claim == settled->claim &&
            worker->reports[i].what == settled->what) {
            worker->report_count--;
            memmove(worker->reports + i, worker->reports + i + 1,
                    (worker->report_count - i) * sizeof *worker->reports);
            return;
        }
    }
}

static void hear(struct sim_worker *worker, const struct queue_answer *answer)
{
    worker->answered = true;
    worker->answer = *answer;
    worker->session = answer->session;
    assert_int_equal(answer->seq, worker->seq);
    assert_true(answer->orders.n >= worker->seen);
    worker->seen = answer->orders.n;
    for (size_t i = 0; i < answer->settled_count; i++) {
        drop_report(worker, &answer->settled[i]);
    }
    for (size_t i = 0; i < answer->stale_count; i++) {
        drop_held(worker, answer->stale[i]);
    }
    if (answer->job != 0) {
        worker->job = answer->job;
    }
    for (size_t i = 0; i < answer->grant_count; i++) {
        const struct queue_grant *grant = &answer->grants[i];
        assert_true(grant->kind != CLAIM_RENDER || grant->job == worker->job);
        assert_true(worker->held_count < SIM_HELD);
        worker->held[worker->held_count++] = (struct sim_held){
            .grant = *grant,
            .phase = grant->kind == CLAIM_INSPECT ? PHASE_INSPECTING
                     : grant->kind == CLAIM_SWEEP ? PHASE_SWEEPING
                                                  : PHASE_AHEAD,
        };
    }
}

static void take_answers(struct sim *self)
{
    struct queue_answer answer;
    int64_t session;
    while (queue_answer_next(self->queue, self->now, &answer) == QUEUE_OK) {
        for (size_t i = 0; i < self->worker_count && !self->lose_answers; i++) {
            if (self->workers[i]->opened == answer.session) {
                hear(self->workers[i], &answer);
            }
        }
    }
    while (queue_closed_next(self->queue, &session) == QUEUE_OK) {
    }
}

void sim_turn(struct sim *self)
{
    queue_turn(self->queue, self->now);
    commit(self);
    take_answers(self);
}

static void load_rows(struct sim *self, bool ended)
{
    const char *text;
    (void)ended;
    for (size_t i = 0; i < self->frames.size; i++) {
        if (self->frames.slots[i].value) {
            struct frame_row row = *(struct frame_row *)self->frames.slots[i].value;
            row.proof = NULL;
            assert_int_equal(queue_load_frame(self->queue, &row, &text), 0);
        }
    }
}

void sim_restart(struct sim *self)
{
    static const char *const keys[] = { "claim", "job", "paused" };
    const char *text;
    queue_destroy(&self->queue);
    new_queue(self);
    for (size_t i = 0; i < 3; i++) {
        int64_t *value = map_get(&self->metas, keys[i][0]);
        if (value) {
            queue_load_meta(self->queue, keys[i], *value);
        }
    }
    for (size_t i = 0; i < self->jobs.size; i++) {
        if (self->jobs.slots[i].value) {
            assert_int_equal(queue_load_job(self->queue, self->jobs.slots[i].value, &text), 0);
        }
    }
    load_rows(self, false);
    for (size_t i = 0; i < self->worker_count; i++) {
        if (self->workers[i]->written.start) {
            queue_load_worker(self->queue, self->workers[i]->id, &self->workers[i]->written);
        }
    }
    queue_loaded(self->queue, self->now);
}

void sim_pass(struct sim *self, int64_t ms)
{
    self->now.ms += ms;
    self->now.wall_ms += ms;
}

json_t *sim_spec(const char *file, json_t *options)
{
    return json_pack("{s:s, s:i, s:I, s:s, s:s, s:s, s:s, s:o}", "file", file, "size", 1000,
                     "mtime_ns", (json_int_t)5, "hash", "aa", "kept", "/k/.kept.blend", "name", "",
                     "cwd", "/", "options", options ? options : json_object());
}

json_t *sim_found_at(int32_t start, int32_t end, const char *head)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:b, s:b, s:[{s:s, s:s, s:i, s:s}]}", "scene",
                     "Scene", "frame_start", start, "frame_end", end, "frame_step", 1,
                     "frame_current", start, "file_version", 304, "ordered", 0, "denoise", 0,
                     "outputs", "view", "", "head", head, "digits", 4, "tail", ".png");
}

json_t *sim_found(int32_t start, int32_t end)
{
    return sim_found_at(start, end, "/out/a_");
}

int64_t sim_submit(struct sim *self, const char *file, json_t *options)
{
    struct queue_submitted out = { 0 };
    struct queue_error error = { 0 };
    json_t *spec = sim_spec(file, options);
    int rc = queue_submit(self->queue, self->now, spec, &out, &error);
    json_decref(spec);
    assert_int_equal(rc, QUEUE_OK);
    return out.job;
}

int64_t sim_inspected(struct sim *self, const char *file, json_t *found, json_t *questions,
                      json_t *options)
{
    int64_t job = sim_submit(self, file, options);
    struct sim_worker *inspector = sim_worker(self, "host/none");
    inspector->kind = DEVICE_NONE;
    inspector->want = 1;
    sim_ready(self, inspector);
    sim_turn(self);
    size_t held = sim_get(self, inspector);
    assert_int_equal(inspector->held[held].grant.kind, CLAIM_INSPECT);
    sim_report(inspector, held, REPORT_INSPECTED);
    inspector->reports[0].found = found;
    inspector->reports[0].questions = questions;
    sim_step(self, inspector);
    if (inspector->held_count > 0 && inspector->held[0].grant.kind == CLAIM_SWEEP) {
        sim_report(inspector, 0, REPORT_SWEPT); /* what may lie there when a job begins */
    }
    inspector->want = 0;
    inspector->leave = true;
    sim_step(self, inspector);
    json_decref(found);
    json_decref(questions);
    return job;
}

int64_t sim_active(struct sim *self, const char *file, int32_t start, int32_t end, json_t *options)
{
    char head[256];
    (void)snprintf(head, sizeof head, "/out%s_", file);
    int64_t job = sim_inspected(self, file, sim_found_at(start, end, head), NULL, options);
    assert_int_equal(sim_job(self, job).row->state, JOB_ACTIVE);
    return job;
}

struct sim_worker *sim_worker(struct sim *self, const char *name)
{
    struct sim_worker *worker = alloc_zero(1, sizeof *worker);
    assert_true(self->worker_count < 64);
    (void)snprintf(worker->id, sizeof worker->id, "%032zx", self->worker_count + 1);
    (void)snprintf(worker->name, sizeof worker->name, "%s", name);
    worker->kind = DEVICE_CPU;
    worker->want = 1;
    self->workers[self->worker_count++] = worker;
    return worker;
}

void sim_ready(struct sim *self, struct sim_worker *worker)
{
    struct queue_ready ready = {
        .seq = ++worker->seq,
        .worker_id = worker->id,
        .name = worker->name,
        .host = worker->host ? worker->host : "host",
        .pid = 1,
        .process = worker->process,
        .device = worker->kind == DEVICE_NONE ? "none" : "cpu:0",
        .device_kind = worker->kind,
        .device_name = worker->device_name,
        .memory_bytes = worker->memory_bytes,
        .ways = worker->ways,
        .draws_shared = worker->draws_shared,
        .cards = worker->cards,
        .regroups = worker->regroups,
        .largest_bytes = worker->largest_bytes,
        .job = worker->job,
    };
    int64_t replaced;
    ready.kinds[CLAIM_RENDER] = worker->kind != DEVICE_NONE;
    ready.kinds[CLAIM_INSPECT] = true;
    ready.kinds[CLAIM_SWEEP] = !worker->no_sweeps;
    for (size_t i = 0; i < 4 && (i == 0 || worker->versions[i]); i++) {
        const char *version = worker->versions[i] ? worker->versions[i] : "3.4.1";
        ready.blenders[ready.blender_count++] = (struct queue_blender){
            .version = version, .path = "/b", .denoiser = !worker->no_denoiser
        };
    }
    for (size_t i = 0; i < worker->held_count && ready.claim_count < QUEUE_STALES; i++) {
        ready.claims[ready.claim_count++] = worker->held[i].grant.claim;
    }
    for (size_t i = 0; i < worker->report_count && ready.claim_count < QUEUE_STALES; i++) {
        ready.claims[ready.claim_count++] = worker->reports[i].claim;
    }
    worker->answered = false;
    worker->seen = 0;
    assert_int_equal(queue_ready(self->queue, self->now, &ready, &replaced, &worker->opened),
                     QUEUE_OK);
}

int sim_sync(struct sim *self, struct sim_worker *worker)
{
    struct queue_sync sync = {
        .session = worker->session,
        .seq = ++worker->seq,
        .seen = worker->seen,
        .job = worker->job,
        .want = worker->want,
        .leave = worker->leave,
        .state = worker->held_count > 0 ? WORKER_RENDERING : WORKER_IDLE,
        .rest = worker->rest,
        .telemetry = worker->telemetry,
    };
    for (size_t i = 0; i < worker->held_count && sync.holding_count < QUEUE_HOLDINGS; i++) {
        sync.holding[sync.holding_count++] = (struct queue_holding){
            .claim = worker->held[i].grant.claim,
            .phase = worker->held[i].phase,
        };
    }
    memcpy(sync.reports, worker->reports, sizeof sync.reports);
    sync.report_count = worker->report_count;
    worker->answered = false;
    return queue_sync(self->queue, self->now, &sync);
}

void sim_step(struct sim *self, struct sim_worker *worker)
{
    if (worker->opened != 0 && worker->session != worker->opened) {
        sim_turn(self); /* its READY is not answered yet */
    }
    if (sim_sync(self, worker) == QUEUE_READY_AGAIN) {
        sim_ready(self, worker);
    }
    sim_turn(self);
    sim_check(self);
}

size_t sim_get(struct sim *self, struct sim_worker *worker)
{
    size_t before = worker->held_count;
    sim_step(self, worker);
    assert_true(worker->held_count > before);
    return worker->held_count - 1;
}

void sim_report(struct sim_worker *worker, size_t held, enum report_what what)
{
    assert_true(worker->report_count < QUEUE_REPORTS && held < worker->held_count);
    struct queue_report *report = &worker->reports[worker->report_count++];
    *report =
        (struct queue_report){ .claim = worker->held[held].grant.claim, .what = what, .ms = 100 };
    if (what == REPORT_STARTED) {
        worker->held[held].phase = PHASE_RENDERING;
    } else {
        drop_held(worker, report->claim);
    }
}

void sim_error(struct sim_worker *worker, size_t held, const char *code, bool fatal)
{
    sim_report(worker, held, REPORT_ERROR);
    struct queue_report *report = &worker->reports[worker->report_count - 1];
    report->code = code;
    report->text = "it went wrong";
    report->hint = "";
    report->fatal = fatal;
}

struct job_view sim_job(struct sim *self, int64_t job)
{
    struct job_view view = { 0 };
    assert_int_equal(queue_job(self->queue, self->now, job, &view), QUEUE_OK);
    return view;
}

struct frame_row sim_frame(struct sim *self, int64_t job, int32_t frame)
{
    struct frame_row row = { 0 };
    assert_int_equal(queue_frame(self->queue, job, frame, &row), QUEUE_OK);
    return row;
}

static void check_frame(struct sim *self, const struct frame_row *row, struct map *claims)
{
    const struct frame_row *kept = map_get(&self->frames, frame_key(row->job, row->frame));
    if (kept) {
        assert_int_equal(kept->state, row->state);
        assert_int_equal(kept->claim, row->claim);
        assert_int_equal(kept->attempts, row->attempts);
        assert_int_equal(kept->short_bytes, row->short_bytes);
        assert_int_equal(kept->fresh, row->fresh);
    }
    if (row->state == FRAME_CLAIMED) {
        int64_t job;
        int32_t frame;
        assert_null(map_get(claims, row->claim));
        map_put(claims, row->claim, claims);
        assert_int_equal(queue_claim(self->queue, row->claim, &job, &frame), QUEUE_OK);
        assert_true(job == row->job && frame == row->frame);
    }
}

/* No file of an output is in the hands of two claims, whatever jobs they are of. */
static void check_names(const struct job_view *view, int32_t frame, struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        assert_true(names->frames[i] != frame || strcmp(names->outputs[i], view->output) != 0);
    }
    assert_true(names->count < SIM_CLAIMED);
    names->outputs[names->count] = view->output;
    names->frames[names->count++] = frame;
}

static void check_job(struct sim *self, int64_t number, struct map *claims, struct names *names)
{
    struct job_view view = sim_job(self, number);
    const struct job_row *kept = map_get(&self->jobs, number);
    int64_t counts[FRAME_STATES] = { 0 };
    int64_t total = 0;
    struct frame_row row = { .frame = INT32_MIN };
    assert_non_null(kept);
    assert_int_equal(kept->state, view.row->state);
    assert_int_equal(kept->claim, view.row->claim);
    assert_memory_equal(&kept->memory, &view.row->memory, sizeof kept->memory);
    while (queue_frame_next(self->queue, number, row.frame, &row) == QUEUE_OK) {
        counts[row.state]++;
        total++;
        check_frame(self, &row, claims);
        if (row.state == FRAME_CLAIMED && view.counted) {
            check_names(&view, row.frame, names);
        }
    }
    if (view.counted) {
        assert_int_equal(total, view.counts.total);
        for (size_t i = 0; i < FRAME_STATES; i++) {
            assert_int_equal(counts[i], view.counts.by_state[i]);
        }
    }
    assert_true(view.row->state != JOB_DONE ||
                counts[FRAME_DONE] + counts[FRAME_KEPT] == view.counts.total);
}

void sim_check(struct sim *self)
{
    struct map claims = { 0 };
    struct names names = { 0 };
    for (int64_t job = queue_job_next(self->queue, 0); job != 0;
         job = queue_job_next(self->queue, job)) {
        check_job(self, job, &claims, &names);
    }
    map_clear(&claims);
}
