/* What workers report of their claims: applied once, accepted again when repeated. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

static const enum claim_outcome outcome_of[] = {
    [REPORT_STARTED] = OUTCOME_LIVE,        [REPORT_FINISHED] = OUTCOME_FINISHED,
    [REPORT_KEPT] = OUTCOME_KEPT,           [REPORT_TAKEN] = OUTCOME_TAKEN,
    [REPORT_ERROR] = OUTCOME_ERROR,         [REPORT_RETURNED] = OUTCOME_RETURNED,
    [REPORT_INSPECTED] = OUTCOME_INSPECTED, [REPORT_SWEPT] = OUTCOME_SWEPT,
};
_Static_assert(sizeof outcome_of / sizeof *outcome_of == REPORT_WHATS, "an outcome a report");

static bool may_report(enum claim_kind kind, enum report_what what)
{
    switch (what) {
    case REPORT_STARTED:
    case REPORT_ERROR:
    case REPORT_RETURNED:
        return true;
    case REPORT_FINISHED:
    case REPORT_KEPT:
    case REPORT_TAKEN:
        return kind == CLAIM_RENDER;
    case REPORT_INSPECTED:
        return kind == CLAIM_INSPECT;
    case REPORT_SWEPT:
        return kind == CLAIM_SWEEP;
    case REPORT_WHATS:
        break;
    }
    return false;
}

/* `started` of a claim that its worker has ended since is as good as it was. */
static bool matches(enum claim_outcome outcome, enum report_what what)
{
    return what == REPORT_STARTED ? outcome != OUTCOME_LOST && outcome != OUTCOME_NONE
                                  : outcome == outcome_of[what];
}

/* Not live: accepted before, if the row still has this claim with this outcome. */
static bool repeated(queue_t *self, const struct worker *worker, const struct queue_report *report)
{
    const struct recent_claim *recent = &self->recent[report->claim & (RECENT_CLAIMS - 1)];
    struct job *job = recent->claim == report->claim ? map_get(&self->jobs, recent->job) : NULL;
    if (!job) {
        return false;
    }
    if (recent->frame == EVENT_NO_FRAME) {
        return job->row.claim == report->claim && job->row.worker == worker->name &&
               matches(job->row.claim_outcome, report->what);
    }
    const struct frame *frame = rows_get(job, recent->frame);
    return frame && frame->claim == report->claim && frame->worker == worker->name &&
           matches((enum claim_outcome)frame->outcome, report->what);
}

static void started(queue_t *self, struct queue_now now, struct claim *claim)
{
    if (claim->started) {
        return;
    }
    claim->started = true;
    if (claim->frame) {
        claim->frame->started_at = now.wall_ms;
        change_frame(self, claim->job, claim->frame, claim->frame->state, NULL);
        change_event(self, now, EVENT_FRAME_STARTED,
                     event_of_frame(claim->job, claim->frame->number, claim->worker->name), NULL);
    }
}

static int64_t sum_bytes(const json_t *files)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *size = json_object_get(json_array_get(files, i), "bytes");
        int64_t more = json_is_integer(size) ? (int64_t)json_integer_value(size) : 0;
        if (more > 0 && bytes < INT64_MAX - more) {
            bytes += more;
        }
    }
    return bytes;
}

static void take_warnings(queue_t *self, struct job *job, const json_t *warnings)
{
    size_t before = json_array_size(job->row.warnings);
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const json_t *item = json_array_get(warnings, i);
        const char *code = json_string_value(json_object_get(item, "code"));
        const char *text = json_string_value(json_object_get(item, "text"));
        if (code && text) {
            job_warn(job, code, text);
        }
    }
    if (json_array_size(job->row.warnings) != before) {
        job_changed(self, job);
    }
}

static void finished(queue_t *self, struct queue_now now, struct claim *claim,
                     const struct queue_report *report)
{
    struct job *job = claim->job;
    struct frame *frame = claim->frame;
    struct worker *worker = claim->worker;
    bool kept = report->what == REPORT_KEPT;
    worker->done += !kept;
    frame->outcome = (uint8_t)outcome_of[report->what];
    frame->finished_at = now.wall_ms;
    frame->bytes = sum_bytes(report->files);
    frame->again = false;
    if (!kept) {
        frame->attempts++;
        frame->ms = report->ms;
        if (report->ms >= 0) {
            rows_add_time(job, report->ms);
        }
    }
    claim_end(self, claim);
    frame_move(self, job, frame, kept ? FRAME_KEPT : FRAME_DONE, report->files);
    change_event(self, now, kept ? EVENT_FRAME_KEPT : EVENT_FRAME_DONE,
                 event_of_frame(job, frame->number, frame->worker), NULL);
    if (!kept) {
        memory_done(self, job, worker, report);
        failure_over(self, now, worker, job);
    }
    take_warnings(self, job, report->warnings);
}

static void taken(queue_t *self, struct queue_now now, struct claim *claim,
                  const struct queue_report *report)
{
    struct job *job = claim->job;
    struct frame *frame = claim->frame;
    frame->outcome = OUTCOME_TAKEN;
    taken_sight(self, now, job, frame, &report->sighting);
    claim_end(self, claim);
    if (job->row.state == JOB_CANCELLED) {
        frame_move(self, job, frame, FRAME_CANCELLED, NULL);
        change_event(self, now, EVENT_FRAME_CANCELLED,
                     event_of_frame(job, frame->number, frame->worker), NULL);
        return;
    }
    frame_move(self, job, frame, FRAME_TAKEN, NULL);
    change_event(self, now, EVENT_FRAME_TAKEN, event_of_frame(job, frame->number, frame->worker),
                 NULL);
    if (job->row.stopped) {
        frame_move(self, job, frame, FRAME_WAITING, NULL);
    }
}

/* What is tried next, for people; "" where an attempt that failed says nothing about that. */
static const char *say_next(queue_t *self, struct job *job, const struct frame *frame,
                            enum memory_step step)
{
    switch (step) {
    case MEMORY_FRESH:
        return "; once more in a fresh Blender";
    case MEMORY_LARGER:
        return "; trying a larger one";
    case MEMORY_CPU:
        return "; trying a CPU worker";
    case MEMORY_NONE:
        return "";
    case MEMORY_OTHER:
        break;
    }
    bool other =
        frame->attempts < job->attempts_max && fit_other(self, job, frame->worker, FIT_UNBLOCKED);
    return other ? "; trying another" : "";
}

/* One line for people: who ran out of what, and what comes next. why: more about it, or "". */
static char *say_failure(queue_t *self, struct job *job, const struct frame *frame,
                         const struct worker *worker, const struct queue_report *report,
                         enum memory_step step)
{
    const char *text = report->text ? report->text : "";
    if (!failure_of_memory(report->code)) {
        return alloc_format("%s: %s", report->code, text);
    }
    bool host = strcmp(report->code, "out-of-memory") == 0;
    CLEANUP(cleanup_free)
    char *figures = step == MEMORY_NONE ? memory_text(self, job, frame->more->short_bytes) : NULL;
    CLEANUP(cleanup_free)
    char *held = report->held_by ? alloc_format(" (%.300s)", report->held_by) : NULL;
    bool card = worker->device_name && !host;
    return alloc_format("%s: %s ran out of %s on frame %d%s%s%s%s", report->code,
                        card ? worker->device_name : worker->name,
                        card || host ? "memory" : "GPU memory", frame->number,
                        say_next(self, job, frame, step), figures ? ": it " : "",
                        figures ? figures : "", held ? held : "");
}

static void note_error(struct job *job, struct frame *frame, const struct queue_report *report,
                       bool tried)
{
    struct frame_more *more = rows_more(job, frame);
    if (tried) {
        rows_try_add(more, frame->worker);
    }
    json_decref(more->error);
    more->error =
        json_pack("{s:s, s:s, s:s}", "code", report->code, "text", report->text ? report->text : "",
                  "hint", report->hint ? report->hint : "");
}

/* What a failed attempt leaves of the job: paused, failed as a whole, or as it was. */
static void judge(queue_t *self, struct queue_now now, struct worker *worker, struct job *job,
                  const struct queue_report *report)
{
    enum failure_scope scope = failure_scope(report->code, report->fatal);
    bool stop = failure_judge(self, now, worker, job, report);
    if (scope == FAILURE_FILE && job->row.state == JOB_ACTIVE) {
        (void)queue_pause_for(self, now, job->row.job, report->code, report->text, report->hint);
    } else if (stop) {
        job_set_error(job, report->code, report->text, report->hint);
        job_stop(self, now, job);
    }
}

/* Where nobody has the memory, that is what the frame, and a job of such frames, end with. */
static void judge_memory(queue_t *self, struct queue_now now, struct worker *worker,
                         struct job *job, enum memory_step step, const struct queue_report *said)
{
    if (step == MEMORY_LARGER || step == MEMORY_CPU) {
        failure_too_large(self, now, worker, job, said);
    } else if (step == MEMORY_NONE && memory_excludes(job, worker->class)) {
        if (job->row.state == JOB_ACTIVE) {
            job_set_error(job, said->code, said->text, said->hint);
            job_stop(self, now, job);
        } else {
            (void)memory_forget(self, job); /* paused: one that goes on has to find out, and end */
        }
    }
}

static const char *memory_hint(const struct job *job)
{
    return job->allow_cpu || job->mix ? "start a worker with more, then dblend retry"
                                      : "--allow-cpu lets CPU workers render it";
}

static void end_attempt(queue_t *self, struct queue_now now, struct job *job, struct frame *frame,
                        bool fails, const char *line)
{
    struct event_place place = event_of_frame(job, frame->number, frame->worker);
    change_event(self, now, EVENT_FRAME_ERROR, place, alloc_text(line));
    if (job->row.state == JOB_CANCELLED) {
        frame_move(self, job, frame, FRAME_CANCELLED, NULL);
        change_event(self, now, EVENT_FRAME_CANCELLED, place, NULL);
    } else if (fails) {
        frame_move(self, job, frame, FRAME_FAILED, NULL);
        change_event(self, now, EVENT_FRAME_FAILED, place, alloc_text(line));
    } else {
        frame_move(self, job, frame, FRAME_WAITING, NULL);
    }
}

static void failed(queue_t *self, struct queue_now now, struct claim *claim,
                   const struct queue_report *given)
{
    struct job *job = claim->job;
    struct frame *frame = claim->frame;
    struct worker *worker = claim->worker;
    struct queue_report report = *given;
    enum failure_scope scope = failure_scope(report.code, report.fatal);
    enum memory_step step = memory_ran_out(self, job, frame, worker, &report);
    bool charged =
        step == MEMORY_OTHER ? scope == FAILURE_JOB || scope == FAILURE_FRAME : step == MEMORY_NONE;
    frame->attempts += charged;
    CLEANUP(cleanup_free) char *line = say_failure(self, job, frame, worker, &report, step);
    if (step == MEMORY_NONE) {
        report.text = line + strlen(report.code) + 2;
        report.hint = memory_hint(job);
    }
    note_error(job, frame, &report, charged || step == MEMORY_LARGER || step == MEMORY_CPU);
    frame->outcome = OUTCOME_ERROR;
    frame->finished_at = now.wall_ms;
    claim_end(self, claim);
    bool fails = step == MEMORY_NONE || (charged && frame->attempts >= job->attempts_max);
    end_attempt(self, now, job, frame, fails, line);
    if (step == MEMORY_OTHER) {
        judge(self, now, worker, job, &report);
    } else {
        judge_memory(self, now, worker, job, step, &report);
    }
}

static void inspected(queue_t *self, struct queue_now now, struct claim *claim,
                      const struct queue_report *report)
{
    struct job *job = claim->job;
    const char *worker = claim->worker->name;
    const char *text = "?";
    job->row.claim_outcome = OUTCOME_INSPECTED;
    claim_end(self, claim);
    if (job->row.state != JOB_INSPECTING && job->row.state != JOB_PAUSED) {
        job_changed(self, job);
        return;
    }
    if (!json_is_object(report->found) || job_set_found(self, job, report->found, &text) != 0) {
        CLEANUP(cleanup_free) char *line = alloc_format("the inspection went wrong: %s", text);
        job_set_error(job, "script-error", line, "dblend retry");
        if (job->row.state == JOB_INSPECTING) {
            job_stop(self, now, job);
        } else {
            job_changed(self, job);
        }
        return;
    }
    json_decref(job->row.questions);
    json_decref(job->row.warnings);
    job->row.questions = json_is_array(report->questions) ? json_incref(report->questions) : NULL;
    job->row.warnings = json_is_array(report->warnings) ? json_incref(report->warnings) : NULL;
    job->row.attempts = 0;
    job_set_error(job, NULL, NULL, NULL);
    change_event(self, now, EVENT_JOB_INSPECTED, event_of(job, worker), NULL);
    if (job->row.state == JOB_INSPECTING) {
        questions_settle(self, now, job);
    } else {
        job_changed(self, job);
    }
}

static void not_inspected(queue_t *self, struct queue_now now, struct claim *claim,
                          const struct queue_report *report)
{
    struct job *job = claim->job;
    job->row.claim_outcome = OUTCOME_ERROR;
    claim_end(self, claim);
    bool changed_file = strcmp(report->code, "file-changed") == 0;
    job->row.attempts += !changed_file;
    job_set_error(job, report->code, report->text, report->hint);
    if (job->row.state != JOB_INSPECTING) {
        job_changed(self, job);
    } else if (changed_file) {
        (void)queue_pause_for(self, now, job->row.job, report->code, report->text, report->hint);
    } else if (report->fatal || job->row.attempts >= job->attempts_max) {
        job_stop(self, now, job);
    } else {
        job_move(self, now, job, JOB_QUEUED);
    }
}

static void apply(queue_t *self, struct queue_now now, struct claim *claim,
                  const struct queue_report *report)
{
    struct job *job = claim->job;
    if (claim->kind == CLAIM_SWEEP && report->what == REPORT_SWEPT) {
        sweep_done(self, now, claim, report);
        return; /* the job may be gone */
    }
    if (claim->kind == CLAIM_SWEEP) {
        sweep_failed(self, now, claim, OUTCOME_ERROR, report->code,
                     report->text ? report->text : report->code);
        return; /* the same */
    }
    if (report->what == REPORT_INSPECTED) {
        inspected(self, now, claim, report);
    } else if (report->what == REPORT_TAKEN) {
        taken(self, now, claim, report);
    } else if (report->what != REPORT_ERROR) {
        finished(self, now, claim, report);
    } else if (claim->kind == CLAIM_INSPECT) {
        not_inspected(self, now, claim, report);
    } else {
        failed(self, now, claim, report);
    }
    job_claim_ended(self, now, job);
}

bool report_apply(queue_t *self, struct queue_now now, struct worker *worker,
                  const struct queue_report *given)
{
    struct queue_report report = *given;
    struct claim *claim = map_get(&self->claims, report.claim);
    if (!claim || claim->worker != worker) {
        return repeated(self, worker, &report);
    }
    if (!may_report(claim->kind, report.what)) {
        return false;
    }
    if (report.what == REPORT_STARTED) {
        started(self, now, claim);
        return true;
    }
    if (report.what == REPORT_RETURNED && !report.charge) {
        claim_give_up(self, now, claim, OUTCOME_RETURNED, NULL);
        return true;
    }
    if (report.what == REPORT_RETURNED) {
        report.what = REPORT_ERROR;
        report.code = "crashed";
        report.text = "given back by its worker";
        report.fatal = false;
    }
    if (report.what == REPORT_ERROR && !report.code) {
        report.code = "script-error";
    }
    char hint[128];
    if (report.what == REPORT_ERROR && strcmp(report.code, "file-changed") == 0) {
        (void)snprintf(hint, sizeof hint,
                       "dblend resume %lld --accept-change renders it as it is now",
                       (long long)claim->job->row.job);
        report.hint = hint; /* a worker does not know what the person is to type */
    }
    apply(self, now, claim, &report);
    return true;
}
