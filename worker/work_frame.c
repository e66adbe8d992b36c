#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/frame_name.h"
#include "proto/log.h"
#include "proto/messages.h"
#include "worker/complaint.h"
#include "worker/work_parts.h"

enum { STARTED_WAITS_MS = 10 };

/* The final names of the frame, one a view: [{path, view, width, height}]. */
static json_t *frame_files(const struct task *task)
{
    const json_t *found = msg_map_or_null(task->about, "found");
    json_t *files = json_array();
    size_t i = 0;
    json_t *output = NULL;
    json_array_foreach(json_object_get(found, "outputs"), i, output)
    {
        struct frame_name name = { .head = msg_str_or(output, "head", ""),
                                   .digits = (int)msg_int_or(output, "digits", 0),
                                   .tail = msg_str_or(output, "tail", "") };
        CLEANUP(cleanup_free) char *path = frame_name(&name, task->frame);
        json_array_append_new(files, json_pack("{s:s, s:s, s:I, s:I}", "path", path, "view",
                                               msg_str_or(output, "view", ""), "width",
                                               (json_int_t)msg_int_or(found, "width", 0), "height",
                                               (json_int_t)msg_int_or(found, "height", 0)));
    }
    return files;
}

/* A look, or the same again before we take the frame. */
static json_t *look_request(const struct task *task, const char *word)
{
    const json_t *found = msg_map_or_null(task->about, "found");
    bool overwrite = task->again || work_option(task->about, "overwrite");
    json_t *request =
        json_pack("{s:s, s:o, s:s, s:b, s:I, s:b, s:b}", "do", word, "files", frame_files(task),
                  "digest", task->digest, "stamped", msg_bool_or(found, "stamped", false),
                  "blend_mtime_ns", (json_int_t)msg_int_or(task->about, "mtime_ns", 0), "keep",
                  work_option(task->about, "keep"), "overwrite", overwrite);
    json_object_set(request, "sighting", task->sighting ? task->sighting : json_null());
    if (task->known) {
        json_object_set(request, "known", task->known);
    } else {
        json_object_set_new(request, "known", json_array());
    }
    return request;
}

void frame_look(work_t *self, struct task *task, int64_t now_ms)
{
    const json_t *found = msg_map_or_null(task->about, "found");
    int version = (int)msg_int_or(found, "file_version", 0);
    if (!work_choose(self, task, version, &task->chosen, now_ms)) {
        return;
    }
    free(task->digest);
    task->digest = work_digest(found, task->chosen);
    work_move(self, task, TASK_LOOKING, now_ms);
    work_ask(self, task, look_request(task, "look"));
}

void frame_take(work_t *self, struct task *task, int64_t now_ms)
{
    if (!self->ports.prover_ready(self->ports.ctx)) {
        return; /* once it is, we come by again */
    }
    work_move(self, task, TASK_TAKING, now_ms);
    work_ask(self, task, look_request(task, "take"));
}

/* While the frame before is proven: the end of that one is a matter of moments if it is small, and
 * one message brings both. */
static void tell_started(work_t *self, int64_t now_ms)
{
    if (work_count(self, task_in_proof) > 0) {
        self->ports.tell_by(self->ports.ctx, now_ms + STARTED_WAITS_MS);
    } else {
        self->ports.tell(self->ports.ctx);
    }
}

static void render(work_t *self, struct task *task, int64_t now_ms)
{
    json_t *command = json_pack("{s:s, s:I, s:i, s:s, s:s, s:O}", "do", "render", "job",
                                (json_int_t)task->job, "frame", (int)task->frame, "path",
                                task->path, "digest", task->digest, "paths", task->paths);
    if (!self->fresh) {
        self->ports.blender_mark(self->ports.ctx);
    }
    self->fresh = false;
    (void)snprintf(task->blender, sizeof task->blender, "%s", task->chosen->version);
    work_move(self, task, TASK_RENDERING, now_ms);
    const struct pulse_limits limits = limits_of(self, task);
    device_watch_begin(self);
    self->ports.blender_command(self->ports.ctx, command, &limits);
    json_t *report = report_new(task->claim, "started");
    char *no_log = NULL;
    json_object_set_new(report, "blender", json_string(task->blender));
    reports_add(self->reports, &report, &no_log, 0);
    tell_started(self, now_ms);
}

/* It is ours: temporary files and placeholder are there. */
static void taken_by_us(work_t *self, struct task *task, const json_t *answer, int64_t now_ms)
{
    const char *path = msg_str_or(answer, "path", NULL);
    json_t *paths = json_object_get(answer, "paths");
    enum blender_state state = self->ports.blender_state(self->ports.ctx);
    work_move(self, task, TASK_TAKEN, now_ms);
    if (!path || state != BLENDER_IDLE || self->opening != OPENING_DONE) {
        /* Blender went away in this very moment: not the frame's fault. */
        work_give_up(self, task, report_new(task->claim, "returned"), now_ms);
        return;
    }
    free(task->path);
    task->path = alloc_text(path);
    json_decref(task->paths);
    task->paths = paths ? json_incref(paths) : json_pack("[s]", path);
    render(self, task, now_ms);
}

static json_t *files_report(const struct task *task, const char *what, const json_t *answer)
{
    json_t *report = report_new(task->claim, what);
    json_t *files = json_object_get(answer, "files");
    json_object_set_new(report, "files", files ? json_incref(files) : json_array());
    return report;
}

static json_t *finished_report(const work_t *self, const struct task *task, const json_t *answer)
{
    json_t *report = files_report(task, "finished", answer);
    json_t *given = json_object_get(answer, "warnings");
    json_t *warnings = json_is_array(given) ? json_copy(given) : json_array();
    json_t *too_fast = limits_too_fast(task);
    if (too_fast) {
        json_array_append_new(warnings, too_fast);
    }
    device_add_warnings(self, task, warnings);
    json_object_set_new(report, "ms", json_integer(task->render_ms));
    json_object_set_new(report, "digest", json_string(task->digest));
    if (task->gpu_peak_bytes > 0) {
        json_object_set_new(report, "gpu_peak_bytes", json_integer(task->gpu_peak_bytes));
    }
    if (task->rss_peak_bytes > 0) {
        json_object_set_new(report, "rss_peak_bytes", json_integer(task->rss_peak_bytes));
    }
    if (json_array_size(warnings) > 0) {
        json_object_set(report, "warnings", warnings);
    }
    json_decref(warnings);
    return report;
}

static json_t *taken_report(const struct task *task, const json_t *answer)
{
    json_t *report = report_new(task->claim, "taken");
    static const char *const keys[] = { "size", "mtime_ns", "inode" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_object_set_new(report, keys[i], json_integer(msg_int_or(answer, keys[i], 0)));
    }
    return report;
}

/* Blender's words may say better what is wrong. */
static void by_own_words(const char *words, struct blender_end *why)
{
    struct complaint complaint;
    if (words && complaint_find(words, &complaint) == COMPLAINT_OK) {
        why->code = complaint.code;
        why->hint = complaint.hint;
    }
}

/* An error of the prover; Blender's own words say more about a picture that is not there. */
static void fail_by(work_t *self, struct task *task, const json_t *answer, int64_t now_ms)
{
    struct blender_end why = { .code = msg_str_or(answer, "code", "bad-picture"),
                               .text = msg_str_or(answer, "text", ""),
                               .hint = msg_str_or(answer, "hint", "") };
    if (strcmp(why.code, "no-picture") == 0 || strcmp(why.code, "bad-picture") == 0) {
        by_own_words(task->log, &why);
    }
    if (task->state == TASK_PROVING) {
        self->dirty = "a frame was not proven";
    }
    work_fail(self, task, &why, false, now_ms);
}

/* What came of a claim, whoever asks: kept, taken, fenced, error. False for another word. */
static bool settle(work_t *self, struct task *task, const char *is, const json_t *answer,
                   int64_t now_ms)
{
    if (strcmp(is, "kept") == 0) {
        work_end(self, task, files_report(task, "kept", answer));
    } else if (strcmp(is, "taken") == 0) {
        work_end(self, task, taken_report(task, answer));
    } else if (strcmp(is, "fenced") == 0) {
        work_give_up(self, task, report_new(task->claim, "returned"), now_ms);
    } else if (strcmp(is, "error") == 0) {
        fail_by(self, task, answer, now_ms);
    } else {
        return false;
    }
    return true;
}

static void while_giving_up(work_t *self, struct task *task, const char *is, const json_t *answer)
{
    json_t *report = task->last_report;
    if (report && strcmp(is, "done") == 0) {
        /* It was published before we could stop it: that counts. */
        json_decref(report);
        task->last_report = finished_report(self, task, answer);
    } else if (strcmp(is, "gone") == 0) {
        task->last_report = NULL;
        work_end(self, task, report);
    }
}

void frame_prover_answer(work_t *self, struct task *task, const json_t *answer, int64_t now_ms)
{
    const char *is = msg_str_or(answer, "is", "");
    bool known = true;
    switch (task->state) {
    case TASK_LOOKING:
        if (strcmp(is, "render") == 0) {
            work_move(self, task, TASK_LOOKED, now_ms);
        } else {
            known = settle(self, task, is, answer, now_ms);
        }
        break;
    case TASK_TAKING:
        if (strcmp(is, "mine") == 0) {
            taken_by_us(self, task, answer, now_ms);
        } else {
            known = settle(self, task, is, answer, now_ms);
        }
        break;
    case TASK_PROVING:
        if (strcmp(is, "done") == 0) {
            self->ports.blender_praise(self->ports.ctx);
            work_end(self, task, finished_report(self, task, answer));
        } else {
            known = settle(self, task, is, answer, now_ms);
        }
        break;
    case TASK_GIVING_UP:
        while_giving_up(self, task, is, answer);
        break;
    default:
        break; /* an answer to what was given up meanwhile */
    }
    if (!known) {
        log_warning("claim %lld: the prover answered \"%s\" while %s", (long long)task->claim, is,
                    task_state_name(task->state));
        work_give_up(self, task, report_new(task->claim, "returned"), now_ms);
    }
}

void frame_prove(work_t *self, struct task *task)
{
    work_ask(self, task, json_pack("{s:s}", "do", "prove"));
    task->proof = task->request;
}

/* Blender says that the frame is rendered, after words of its device that say it is not. */
static void fail_spoiled(work_t *self, struct task *task, const struct complaint *spoiled,
                         int64_t now_ms)
{
    char text[160];
    (void)snprintf(text, sizeof text, "Blender %s: frame %d is not whole: its device failed",
                   task->blender, (int)task->frame);
    struct blender_end why = { .code = spoiled->code, .text = text, .hint = spoiled->hint };
    self->dirty = "its device failed";
    work_fail(self, task, &why, false, now_ms);
}

void frame_blender_answer(work_t *self, struct task *task, const json_t *answer, int64_t now_ms)
{
    bool error = strcmp(msg_str_or(answer, "event", ""), "error") == 0;
    struct complaint spoiled;
    work_take_log(self, task);
    if (error) {
        struct blender_end why = { .code = msg_str_or(answer, "code", "script-error"),
                                   .text = msg_str_or(answer, "text", ""),
                                   .hint = msg_str_or(answer, "hint", "") };
        if (strcmp(why.code, "script-error") == 0 || strcmp(why.code, "out-of-memory") == 0) {
            by_own_words(why.text, &why);
        }
        self->dirty = "an error";
        work_fail(self, task, &why, msg_bool_or(answer, "fatal", false), now_ms);
        return;
    }
    if (task->log && complaint_spoiling(task->log, &spoiled) == COMPLAINT_OK) {
        fail_spoiled(self, task, &spoiled, now_ms);
        return;
    }
    self->frames++;
    if (self->rss_first == 0) {
        self->rss_first = self->ports.blender_rss(self->ports.ctx);
    }
    struct work_peaks peaks = self->ports.blender_peaks(self->ports.ctx);
    task->gpu_peak_bytes = peaks.gpu_bytes;
    task->rss_peak_bytes = peaks.rss_bytes;
    task->render_ms = msg_int_or(answer, "ms", 0);
    device_watch_end(self, task);
    limits_note(self, task);
    work_move(self, task, TASK_PROVING, now_ms);
}
