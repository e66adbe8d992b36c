#include "worker/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/log.h"
#include "proto/messages.h"
#include "worker/work_parts.h"

work_t *work_new(const struct work_setup *setup, const struct work_ports *ports, reports_t *reports)
{
    work_t *self = alloc_zero(1, sizeof *self);
    self->setup = *setup;
    self->ports = *ports;
    self->reports = reports;
    return self;
}

void work_destroy(work_t **self_p)
{
    work_t *self = *self_p;
    if (self) {
        while (self->tasks) {
            struct task *gone = self->tasks;
            self->tasks = gone->next;
            task_destroy(&gone);
        }
        open_forget(self);
        json_decref(self->about);
        free(self);
        *self_p = NULL;
    }
}

void work_set_farm(work_t *self, const char *farm)
{
    (void)snprintf(self->farm, sizeof self->farm, "%s", farm);
}

struct task *work_task(const work_t *self, int64_t claim)
{
    for (struct task *task = self->tasks; task; task = task->next) {
        if (task->claim == claim) {
            return task;
        }
    }
    return NULL;
}

void work_move(work_t *self, struct task *task, enum task_state to, int64_t now_ms)
{
    enum task_state from = task->state;
    (void)self;
    if (!task_move(task, to, now_ms)) {
        log_error("claim %lld: no move from %s to %s", (long long)task->claim,
                  task_state_name(from), task_state_name(to));
        abort(); /* ours alone: no input leads here */
    }
    log_debug("claim %lld: %s -> %s job=%lld frame=%d", (long long)task->claim,
              task_state_name(from), task_state_name(to), (long long)task->job, (int)task->frame);
}

bool work_option(const json_t *about, const char *key)
{
    return msg_bool_or(msg_map_or_null(about, "options"), key, false);
}

/* ---- the end of claims ---- */

void work_end(work_t *self, struct task *task, json_t *report)
{
    const char *what = json_string_value(json_object_get(report, "what"));
    log_debug("claim %lld ends: %s kind=%s job=%lld frame=%d", (long long)task->claim,
              what ? what : "stale", task_kind_name(task->kind), (long long)task->job,
              (int)task->frame);
    struct task **at = &self->tasks;
    while (*at != task) {
        at = &(*at)->next;
    }
    *at = task->next;
    if (report) {
        reports_add(self->reports, &report, &task->log, task->log_size);
    }
    task_destroy(&task);
    self->ports.tell(self->ports.ctx);
}

bool work_has_files(const struct task *task)
{
    return task->kind == TASK_RENDER && task->state >= TASK_TAKING && task->state <= TASK_PROVING;
}

void work_give_up(work_t *self, struct task *task, json_t *report, int64_t now_ms)
{
    if (task->state == TASK_GIVING_UP) {
        /* What it came to stands, unless the claim is not ours any more. */
        if (!report) {
            json_decref(task->last_report);
            task->last_report = NULL;
        }
        json_decref(report);
        return;
    }
    if (work_has_files(task)) {
        task->stopping = task->state == TASK_RENDERING &&
                         self->ports.blender_state(self->ports.ctx) == BLENDER_RENDERING;
        task->last_report = report;
        task->request = 0;
        if (task->stopping) {
            self->ports.blender_restart(self->ports.ctx, "its frame is given up");
            open_forget(self);
        }
        work_move(self, task, TASK_GIVING_UP, now_ms);
        return;
    }
    work_end(self, task, report);
}

/* It may be that another program has the card's memory. */
static void add_holders(work_t *self, json_t *report)
{
    int64_t had_bytes = 0;
    CLEANUP(cleanup_free) char *who = self->ports.held_by(self->ports.ctx, &had_bytes);
    if (who) {
        json_object_set_new(report, "held_by", json_string(who));
        if (had_bytes > 0) {
            json_object_set_new(report, "gpu_had_bytes", json_integer(had_bytes));
        }
    }
}

void work_fail(work_t *self, struct task *task, const struct blender_end *why, bool fatal,
               int64_t now_ms)
{
    log_warning("claim %lld fails: job=%lld frame=%d code=%s: %s", (long long)task->claim,
                (long long)task->job, (int)task->frame, why->code, why->text);
    json_t *report = report_error(task->claim, why->code, why->text, why->hint, fatal);
    if (strcmp(why->code, "out-of-gpu-memory") == 0) {
        add_holders(self, report);
    }
    work_give_up(self, task, report, now_ms);
}

void work_take_log(work_t *self, struct task *task)
{
    free(task->log);
    task->log = self->ports.blender_log(self->ports.ctx, &task->log_size);
    if (task->log && task->log_size == 0) {
        free(task->log);
        task->log = NULL;
    }
}

/* ---- what the broker says ---- */

void work_assign(work_t *self, json_t *about)
{
    json_decref(self->about);
    self->about = json_incref(about);
    self->job = msg_int_or(about, "job", 0);
    log_info("take job %lld: file=\"%s\"", (long long)self->job, msg_str_or(about, "file", "?"));
}

static void refuse_grant(work_t *self, int64_t claim)
{
    json_t *report = report_new(claim, "returned");
    char *no_log = NULL;
    reports_add(self->reports, &report, &no_log, 0);
    self->ports.tell(self->ports.ctx);
}

void work_grant(work_t *self, const json_t *grant, int64_t now_ms)
{
    enum task_kind kind = TASK_RENDER;
    int64_t claim = msg_int_or(grant, "claim", 0);
    int64_t job = msg_int_or(grant, "job", 0);
    bool known = task_kind_parse(msg_str_or(grant, "kind", ""), &kind);
    if (work_task(self, claim) || reports_ended(self->reports, claim)) {
        return; /* granted again: the answer crossed our message */
    }
    json_t *about = json_object_get(grant, "about");
    if (kind == TASK_RENDER && !json_is_object(about)) {
        about = job == self->job ? self->about : NULL;
    }
    known = known && !(kind == TASK_RENDER && self->setup.inspector);
    bool whole = about && msg_str_or(about, "file", NULL) && msg_str_or(about, "hash", NULL);
    if (!known || !whole || self->draining || self->resting) {
        refuse_grant(self, claim);
        return;
    }
    struct task *task = task_new(claim, kind, now_ms);
    task->job = job;
    task->about = json_incref(about);
    task->frame = (int32_t)msg_int_or(grant, "frame", 0);
    task->attempt = (int)msg_int_or(grant, "attempt", 1);
    task->again = msg_bool_or(grant, "again", false);
    task->fresh = msg_bool_or(grant, "fresh", false);
    task->sighting = json_incref(json_object_get(grant, "sighting"));
    task->known = json_incref(json_object_get(grant, "known"));
    task->live = json_incref(json_object_get(grant, "live"));
    task->look = json_incref(json_object_get(grant, "look"));
    task->ends = msg_bool_or(grant, "ends", false);
    struct task **at = &self->tasks;
    while (*at) {
        at = &(*at)->next;
    }
    *at = task;
    log_debug("claim %lld is ours: kind=%s job=%lld frame=%d", (long long)claim,
              task_kind_name(kind), (long long)job, (int)task->frame);
}

void work_drop(work_t *self, int64_t claim, int64_t now_ms)
{
    struct task *task = work_task(self, claim);
    if (task) {
        work_give_up(self, task, NULL, now_ms);
    }
}

void work_stop(work_t *self, int64_t claim, int64_t now_ms)
{
    struct task *task = work_task(self, claim);
    if (task) {
        work_give_up(self, task, report_new(claim, "returned"), now_ms);
    }
}

void work_return_ahead(work_t *self, bool all, int64_t now_ms)
{
    struct task *next = NULL;
    for (struct task *task = self->tasks; task; task = next) {
        next = task->next;
        bool ahead = task->kind == TASK_RENDER ? task_ahead(task) : all && task->state == TASK_NEW;
        if (ahead) {
            work_give_up(self, task, report_new(task->claim, "returned"), now_ms);
        }
    }
}

void work_set_orders(work_t *self, bool pause, bool give_back, int64_t now_ms)
{
    self->pause = pause;
    self->give_back = give_back;
    if (pause || give_back) {
        work_return_ahead(self, false, now_ms); /* inspections go on */
    }
}

void work_drain(work_t *self, bool now, int64_t now_ms)
{
    self->draining = true;
    work_return_ahead(self, true, now_ms);
    struct task *next = NULL;
    for (struct task *task = self->tasks; now && task; task = next) {
        next = task->next;
        work_give_up(self, task, report_new(task->claim, "returned"), now_ms);
    }
    self->ports.tell(self->ports.ctx);
}

static void return_job(work_t *self)
{
    log_info("return job %lld", (long long)self->job);
    self->job = 0;
    json_decref(self->about);
    self->about = NULL;
    self->give_back = false;
    self->ports.tell(self->ports.ctx);
}

void work_asked(work_t *self)
{
    self->asked_idle = self->job != 0 && work_count(self, task_unproven) == 0;
}

/* Near the end of a job nothing is granted ahead of what renders: only an answer to a message that
 * said "I have nothing to render" and still brings nothing means that the job has no more. */
void work_answered(work_t *self, int want, size_t grants)
{
    bool none_left = self->give_back || self->pause || (want > 0 && grants == 0);
    if (self->asked_idle && self->job != 0 && none_left && work_count(self, task_unproven) == 0) {
        return_job(self);
    }
    self->asked_idle = false;
}

/* ---- what Blender says ---- */

static struct task *task_in(const work_t *self, enum task_state state)
{
    for (struct task *task = self->tasks; task; task = task->next) {
        if (task->state == state) {
            return task;
        }
    }
    return NULL;
}

void work_blender_answer(work_t *self, const json_t *answer, int64_t now_ms)
{
    struct task *rendering = task_in(self, TASK_RENDERING);
    if (self->opening == OPENING_RUNNING) {
        open_answer(self, answer);
    } else if (rendering) {
        frame_blender_answer(self, rendering, answer, now_ms);
    }
}

void work_blender_ended(work_t *self, const struct blender_end *end, int64_t now_ms)
{
    struct task *rendering = task_in(self, TASK_RENDERING);
    self->blender_fails = end->during == BLENDER_STARTING || self->blender_fails;
    if (rendering && end->during == BLENDER_RENDERING) {
        work_take_log(self, rendering);
        work_fail(self, rendering, end, false, now_ms);
    } else if (self->opening == OPENING_RUNNING) {
        open_failed(self, end, now_ms);
    }
    if (self->blender_fails) {
        work_return_ahead(self, true, now_ms); /* others may be able to */
    }
    open_forget(self);
    self->dirty = NULL;
}

void work_source_answer(work_t *self, const struct source_answer *answer, int64_t now_ms)
{
    if (answer->id == self->opening_look) {
        open_looked(self, answer, now_ms);
    }
}

/* ---- what next ---- */

bool work_choose(work_t *self, struct task *task, int file_version, const struct blender_info **out,
                 int64_t now_ms)
{
    const json_t *found = msg_map_or_null(task->about, "found");
    struct blender_need need = {
        .file_version = file_version,
        .bound = msg_str_or(task->about, "blender", NULL),
        .denoiser = task->need_denoiser || msg_bool_or(found, "denoise", false),
    };
    struct blender_end why = { .code = "blender-missing", .hint = "" };
    char text[512];
    const char *file = msg_str_or(task->about, "file", "?");
    free(self->remark);
    self->remark = NULL;
    switch (blenders_choose(self->setup.blenders, &need, out, &self->remark)) {
    case BLENDERS_OK:
        return true;
    case BLENDERS_TOO_OLD:
        why.code = "file-too-new";
        why.hint = "install that Blender, or name it with --blender";
        (void)snprintf(text, sizeof text, "%.300s: saved by Blender %d.%d; the newest here is %s",
                       file, file_version / 100, file_version % 100,
                       self->setup.blenders->items[0].version);
        break;
    case BLENDERS_NO_DENOISER:
        why.code = "denoiser-missing";
        why.hint = "render with --no-denoise, or install an official build of Blender";
        (void)snprintf(text, sizeof text, "%.300s: no Blender here that fits can denoise", file);
        break;
    default:
        why.hint = "install Blender 2.93 or newer, or name it with --blender";
        (void)snprintf(text, sizeof text, "%.300s: no Blender %s on %s", file,
                       need.bound ? need.bound : "was found", "this machine");
        break;
    }
    why.text = text;
    work_fail(self, task, &why, task->kind == TASK_INSPECT, now_ms);
    return false;
}

char *work_digest(const json_t *found, const struct blender_info *info)
{
    return alloc_format("dblend:%s:%d.%d", msg_str_or(found, "digest", ""), info->series / 100,
                        info->series % 100);
}

/* What the prover is to do for a task. True when something changed. */
static bool step_prover(work_t *self, struct task *task, int64_t now_ms)
{
    bool wants =
        task->request == 0 && (task->state == TASK_SURVEYING || task->state == TASK_GIVING_UP ||
                               (task->state == TASK_PROVING && task->proof == 0) ||
                               (task->state == TASK_NEW && task->kind != TASK_INSPECT));
    if (!wants) {
        return false;
    }
    if (task->state == TASK_GIVING_UP) {
        enum blender_state state = self->ports.blender_state(self->ports.ctx);
        if (task->stopping && (state == BLENDER_RENDERING || state == BLENDER_CLOSING)) {
            return false; /* it would write its picture anew after the unlink */
        }
        if (task->without_prover) {
            json_t *report = task->last_report;
            task->last_report = NULL;
            work_end(self, task, report);
            return true;
        }
    }
    if (!self->ports.prover_ready(self->ports.ctx)) {
        return false;
    }
    if (task->state == TASK_GIVING_UP) {
        work_ask(self, task, json_pack("{s:s}", "do", "give-up"));
    } else if (task->state == TASK_PROVING) {
        frame_prove(self, task);
    } else if (task->state == TASK_SURVEYING) {
        inspect_survey(self, task);
    } else if (task->kind == TASK_SWEEP) {
        sweep_begin(self, task, now_ms);
    } else {
        frame_look(self, task, now_ms);
    }
    return true;
}

/* The task that gets Blender next: inspections are short and go first. */
static struct task *next_for_blender(const work_t *self)
{
    struct task *first = NULL;
    for (struct task *task = self->tasks; task; task = task->next) {
        if (task->state == TASK_TAKING || task->state == TASK_TAKEN ||
            task->state == TASK_RENDERING) {
            return NULL;
        }
        if (task->kind == TASK_INSPECT && task->state == TASK_NEW) {
            return task;
        }
        if (!first && task->state == TASK_LOOKED) {
            first = task;
        }
    }
    return first;
}

static void step_blender(work_t *self, int64_t now_ms)
{
    struct task *task = next_for_blender(self);
    bool busy = self->opening != OPENING_NONE && self->opening != OPENING_DONE;
    if (busy) {
        open_step(self);
        return;
    }
    if (!task ||
        (task->kind == TASK_RENDER && work_count(self, task_in_proof) >= WORK_PROOFS_MAX)) {
        return;
    }
    if (open_for(self, task, now_ms)) {
        frame_take(self, task, now_ms);
    }
}

/* After an error Blender goes at once: it may hold removed files open, and their space. */
static void clean_blender(work_t *self, enum blender_state state)
{
    bool opening = self->opening != OPENING_NONE && self->opening != OPENING_DONE;
    bool taking = task_in(self, TASK_TAKING) || task_in(self, TASK_TAKEN);
    if (self->dirty && state == BLENDER_IDLE && !opening && !taking) {
        self->ports.blender_restart(self->ports.ctx, self->dirty);
        self->dirty = NULL;
        self->frames = 0;
        open_forget(self);
    }
}

static void rest_blender(work_t *self, int64_t now_ms, int64_t *deadline)
{
    enum blender_state state = self->ports.blender_state(self->ports.ctx);
    if (!self->setup.inspector || state != BLENDER_IDLE || self->tasks) {
        return;
    }
    if (now_ms >= self->busy_ms + WORK_IDLE_MS) {
        open_forget(self);
        self->ports.blender_want(self->ports.ctx, NULL);
    } else {
        *deadline = self->busy_ms + WORK_IDLE_MS;
    }
}

int64_t work_step(work_t *self, int64_t now_ms)
{
    int64_t deadline = INT64_MAX;
    enum blender_state state = self->ports.blender_state(self->ports.ctx);
    if (state == BLENDER_IDLE && self->blender_fails) {
        self->blender_fails = false;
        self->ports.tell(self->ports.ctx);
    }
    if ((state == BLENDER_OFF || state == BLENDER_STARTING) && self->opening == OPENING_DONE) {
        open_forget(self);
    }
    clean_blender(self, state);
    step_blender(self, now_ms); /* before the proof of the last frame: Blender waits for `take` */
    struct task *task = self->tasks;
    while (task) {
        task = step_prover(self, task, now_ms) ? self->tasks : task->next;
    }
    step_blender(self, now_ms); /* what has ended may have made room */
    if (self->tasks || self->job != 0) {
        self->busy_ms = now_ms;
    }
    rest_blender(self, now_ms, &deadline);
    rest_step(self);
    return deadline;
}
