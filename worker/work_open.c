#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/log.h"
#include "proto/messages.h"
#include "worker/work_parts.h"

void open_forget(work_t *self)
{
    self->opening = OPENING_NONE;
    self->opening_claim = 0;
    self->opening_look = 0;
    json_decref(self->opened);
    json_decref(self->result);
    free(self->use);
    free(self->remark);
    self->opened = self->result = NULL;
    self->use = self->remark = NULL;
    device_forget(self);
    self->scripts = false;
    self->rss_first = 0;
    self->fresh_claim = 0;
}

bool open_same(const json_t *left, const json_t *right)
{
    static const char *const keys[] = { "job",  "file",    "size", "mtime_ns",
                                        "hash", "options", "found" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *a = json_object_get(left, keys[i]);
        const json_t *b = json_object_get(right, keys[i]);
        if ((a || b) && !json_equal(a, b)) {
            return false;
        }
    }
    return left && right;
}

/* Does the running Blender have to go before its next work? */
static const char *reason_to_restart(const work_t *self, const struct task *task)
{
    bool other = self->opening == OPENING_DONE && !open_same(self->opened, task->about);
    int64_t rss = self->ports.blender_rss(self->ports.ctx);
    if (self->dirty) {
        return self->dirty;
    }
    if (task->fresh && self->fresh_claim != task->claim) {
        return "the frame ran out of memory in one that had rendered before";
    }
    if (self->scripts && (other || task->kind == TASK_INSPECT)) {
        return "it ran scripts of another job";
    }
    if (self->setup.recycle > 0 && self->frames >= self->setup.recycle) {
        return "it has rendered as many frames as it shall";
    }
    if (self->setup.memory_bytes > 0 && self->rss_first > 0 &&
        rss > 2 * self->rss_first + self->setup.memory_bytes) {
        return "its memory has grown past the limit";
    }
    return NULL;
}

static void start_look(work_t *self, struct task *task, bool after)
{
    struct source_ask ask = { .id = 0 };
    if (!source_from_job(task->about, &ask)) {
        return; /* checked when it was granted */
    }
    ask.id = self->opening_look = ++self->requests;
    ask.read_header = task->kind == TASK_INSPECT;
    if (after) {
        ask.opened = alloc_text(self->use);
        ask.opened_facts = self->facts;
    }
    self->opening = after ? OPENING_CHECKING : OPENING_LOOKING;
    self->ports.source_look(self->ports.ctx, &ask);
}

/* The new Blender, if one has to come, starts while the file is looked at. */
static void begin(work_t *self, struct task *task, int64_t now_ms)
{
    const char *reason = reason_to_restart(self, task);
    enum blender_state state = self->ports.blender_state(self->ports.ctx);
    bool running = state != BLENDER_OFF && state != BLENDER_CLOSING;
    if (reason && running) {
        self->ports.blender_restart(self->ports.ctx, reason);
    }
    if (reason || !running) {
        self->frames = 0;
    }
    self->dirty = NULL;
    open_forget(self);
    self->opening_claim = task->claim;
    self->opened = json_incref(task->about);
    self->fresh_claim = task->fresh ? task->claim : 0;
    if (task->kind == TASK_INSPECT) {
        work_move(self, task, TASK_INSPECTING, now_ms);
    }
    start_look(self, task, false);
}

bool open_for(work_t *self, struct task *task, int64_t now_ms)
{
    enum blender_state state = self->ports.blender_state(self->ports.ctx);
    if (self->opening == OPENING_DONE && task->kind == TASK_RENDER && state == BLENDER_IDLE &&
        open_same(self->opened, task->about) && !reason_to_restart(self, task) &&
        self->fresh_claim == (task->fresh ? task->claim : 0) && /* one without persistent data */
        task->chosen == self->ports.blender_info(self->ports.ctx)) {
        return true;
    }
    begin(self, task, now_ms);
    return false;
}

/* The task for which the file is opened; another one of the same job when it is gone. */
static struct task *opening_task(work_t *self)
{
    struct task *task = work_task(self, self->opening_claim);
    for (struct task *other = self->tasks; !task && other; other = other->next) {
        if (other->state == TASK_LOOKED && open_same(other->about, self->opened)) {
            task = other;
            self->opening_claim = other->claim;
        }
    }
    return task;
}

static void send_command(work_t *self, struct task *task)
{
    json_t *about = json_copy(task->about);
    const char *word = task->kind == TASK_INSPECT ? "inspect" : "open";
    json_t *options = json_copy(json_object_get(about, "options"));
    /* Up to 12,288 numbers that only the broker and the survey need. */
    (void)json_object_del(options, "frames"); /* -1: there are none */
    json_object_set_new(about, "options", options ? options : json_object());
    json_object_set_new(about, "use", json_string(self->use));
    self->ports.blender_mark(self->ports.ctx);
    self->fresh = true;
    self->opening = OPENING_RUNNING;
    struct pulse_limits limits = limits_of(self, task);
    limits.most_ms = 0; /* that is for frames */
    json_t *command = json_pack("{s:s, s:o}", "do", word, "job", about);
    if (task->kind == TASK_RENDER) {
        json_object_set_new(command, "device", device_request(self, task));
        if (task->fresh) {
            json_object_set_new(command, "fresh", json_true());
        }
    }
    self->ports.blender_command(self->ports.ctx, command, &limits);
}

void open_step(work_t *self)
{
    struct task *task = opening_task(self);
    if (!task) {
        if (self->opening == OPENING_RUNNING) {
            self->ports.blender_restart(self->ports.ctx, "what it opens is not wanted any more");
        }
        open_forget(self);
    } else if (self->opening == OPENING_WAITING) {
        self->ports.blender_want(self->ports.ctx, self->chosen);
        if (self->ports.blender_state(self->ports.ctx) == BLENDER_IDLE &&
            self->ports.blender_info(self->ports.ctx) == self->chosen) {
            send_command(self, task);
        }
    }
}

static void fail_source(work_t *self, struct task *task, const struct source_answer *answer,
                        int64_t now_ms)
{
    static const char *const codes[] = { "",          "file-missing",   "file-changed",
                                         "not-blend", "file-truncated", "file-unreadable" };
    static const char *const texts[] = {
        "",
        "no such file",
        "changed since it was submitted, and no kept copy has its old bytes",
        "not a .blend file",
        "truncated: it is not whole",
        "cannot be read"
    };
    static const char *const hints[] = {
        "",
        "put the file back, or cancel the job",
        "render the file as it is now: dblend resume JOB --accept-change",
        "give a file that Blender saved",
        "save the file again, then add it again",
        "make the file readable for the worker",
    };
    char text[1200];
    (void)snprintf(text, sizeof text, "%.1000s: %s%s%s", msg_str_or(task->about, "file", "?"),
                   texts[answer->verdict], answer->error ? ": " : "",
                   answer->error ? strerror(answer->error) : "");
    struct blender_end why = { .code = codes[answer->verdict],
                               .text = text,
                               .hint = hints[answer->verdict] };
    open_forget(self);
    work_fail(self, task, &why, true, now_ms);
}

/* The look before the open. */
static void use_source(work_t *self, struct task *task, const struct source_answer *answer,
                       int64_t now_ms)
{
    const json_t *found = msg_map_or_null(task->about, "found");
    int version =
        answer->file_version ? answer->file_version : (int)msg_int_or(found, "file_version", 0);
    const struct blender_info *chosen = NULL;
    if (answer->verdict != SOURCE_OK) {
        fail_source(self, task, answer, now_ms);
        return;
    }
    free(self->use);
    self->use = alloc_text(answer->use);
    self->facts = answer->facts;
    self->from_kept = answer->from_kept;
    if (!work_choose(self, task, version, &chosen, now_ms)) {
        open_forget(self);
        return;
    }
    self->chosen = chosen;
    self->opening = OPENING_WAITING;
}

/* The look after it: Blender's answer counts now. */
static void finish(work_t *self, struct task *task, int64_t now_ms)
{
    CLEANUP(cleanup_json) json_t *answer = self->result;
    self->result = NULL;
    const char *event = msg_str_or(answer, "event", "");
    bool error = strcmp(event, "error") == 0;
    self->scripts = msg_bool_or(answer, "scripts", false);
    if (error) {
        self->dirty = "an error";
        self->opening = OPENING_NONE;
        work_take_log(self, task);
    }
    if (task->kind == TASK_INSPECT) {
        self->dirty = self->scripts ? "it ran scripts of another job" : self->dirty;
        self->opening = OPENING_NONE;
        inspect_found(self, task, answer, now_ms);
        return;
    }
    if (!error && !device_agrees(self, task, answer, now_ms)) {
        return;
    }
    if (!error) {
        self->opening = OPENING_DONE;
        log_debug("job %lld is open: file=\"%s\" ms=%lld", (long long)task->job, self->use,
                  (long long)msg_int_or(answer, "ms", 0));
        return;
    }
    struct blender_end why = { .code = msg_str_or(answer, "code", "script-error"),
                               .text = msg_str_or(answer, "text", ""),
                               .hint = msg_str_or(answer, "hint", "") };
    work_fail(self, task, &why, msg_bool_or(answer, "fatal", false), now_ms);
}

void open_looked(work_t *self, const struct source_answer *answer, int64_t now_ms)
{
    struct task *task = opening_task(self);
    self->opening_look = 0;
    if (!task) {
        open_forget(self);
        return;
    }
    if (self->opening == OPENING_LOOKING) {
        use_source(self, task, answer, now_ms);
        return;
    }
    if (answer->verdict == SOURCE_OK) {
        finish(self, task, now_ms);
    } else if (++task->opens < WORK_OPENS_MAX) {
        log_info("open again: file=\"%s\": it changed meanwhile", self->use);
        json_decref(self->result);
        self->result = NULL;
        start_look(self, task, false);
    } else {
        fail_source(self, task, answer, now_ms);
    }
}

void open_answer(work_t *self, const json_t *answer)
{
    struct task *task = opening_task(self);
    if (!task) {
        open_forget(self);
        return;
    }
    json_decref(self->result);
    self->result = json_deep_copy(answer);
    start_look(self, task, true);
}

void open_failed(work_t *self, const struct blender_end *end, int64_t now_ms)
{
    struct task *task = opening_task(self);
    open_forget(self);
    if (task) {
        work_take_log(self, task);
        work_fail(self, task, end, false, now_ms);
    }
}
