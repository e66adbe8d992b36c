/* What people do to jobs that are there: pause, resume, cancel, remove, retry, priority, clear. */

#include <stdlib.h>

#include "broker/queue/same.h"
#include "broker/queue/state.h"
#include "proto/alloc.h"

static void touch_all(queue_t *self)
{
    for (struct link *at = self->heard.next; at != &self->heard; at = at->next) {
        worker_touch(self, LINK_ITEM(at, struct worker, heard));
    }
}

static int pause_farm(queue_t *self, struct queue_now now, bool paused)
{
    if (self->paused == paused) {
        return QUEUE_SAME;
    }
    self->paused = paused;
    self->work = true;
    change_meta(self, "paused", paused);
    change_event(self, now, paused ? EVENT_JOB_PAUSED : EVENT_JOB_RESUMED, event_of(NULL, NULL),
                 alloc_text("the whole farm"));
    touch_all(self);
    return QUEUE_OK;
}

static int ended(const struct job *job, struct queue_error *error)
{
    bool held = job->row.state == JOB_HELD;
    CLEANUP(cleanup_free)
    char *text =
        alloc_format("job %lld is %s", (long long)job->row.job, job_state_name(job->row.state));
    CLEANUP(cleanup_free)
    char *hint = job->row.state == JOB_DONE
                     ? NULL
                     : alloc_format(held ? "dblend accept %lld answers it"
                                         : "dblend retry %lld takes it up again",
                                    (long long)job->row.job);
    (void)queue_say_no(error, held ? "held" : "ended", text, hint ? hint : "");
    error->job = job->row.job;
    return QUEUE_REFUSED;
}

int queue_pause(queue_t *self, struct queue_now now, int64_t number, struct queue_error *error)
{
    struct job *job = job_find(self, number);
    if (number == 0) {
        return pause_farm(self, now, true);
    }
    if (!job) {
        return QUEUE_NO_JOB;
    }
    if (job->row.state == JOB_PAUSED) {
        return QUEUE_SAME;
    }
    if (!job_may_move(job->row.state, JOB_PAUSED)) {
        return ended(job, error);
    }
    job_move(self, now, job, JOB_PAUSED);
    change_event(self, now, EVENT_JOB_PAUSED, event_of(job, NULL), NULL);
    return QUEUE_OK;
}

int queue_pause_for(queue_t *self, struct queue_now now, int64_t number, const char *code,
                    const char *text, const char *hint)
{
    struct job *job = job_find(self, number);
    if (!job) {
        return QUEUE_NO_JOB;
    }
    job_set_error(job, code, text, hint);
    if (!job_may_move(job->row.state, JOB_PAUSED)) {
        job_changed(self, job);
        return QUEUE_SAME;
    }
    job_move(self, now, job, JOB_PAUSED);
    change_event(self, now, EVENT_JOB_PAUSED, event_of(job, NULL),
                 alloc_format("%s: %s", code, text ? text : ""));
    return QUEUE_OK;
}

int queue_pause_changed(queue_t *self, struct queue_now now, int64_t number)
{
    const struct job *job = job_find(self, number);
    if (!job) {
        return QUEUE_NO_JOB;
    }
    CLEANUP(cleanup_free)
    char *text = alloc_format(
        "%s: changed since it was submitted, and the submitted bytes are gone", job->file);
    CLEANUP(cleanup_free)
    char *hint = alloc_format("dblend resume %lld --accept-change renders it as it is now",
                              (long long)number);
    return queue_pause_for(self, now, number, "file-changed", text, hint);
}

/* The job takes the file as it is now; what inspection found of the old one is worth nothing. */
static void take_file(queue_t *self, struct queue_now now, struct job *job, json_t *file)
{
    json_t *spec = json_copy(job->row.spec);
    json_object_del(spec, "kept");
    json_object_update(spec, file);
    same_remove(self, job);
    json_decref(job->row.spec);
    job->row.spec = spec;
    same_add(self, job);
    job->row.attempts = 0;
    job_drop_found(self, now, job);
}

int queue_resume(queue_t *self, struct queue_now now, int64_t number, json_t *file,
                 struct queue_error *error)
{
    struct job *job = job_find(self, number);
    if (number == 0) {
        return pause_farm(self, now, false);
    }
    if (!job) {
        return QUEUE_NO_JOB;
    }
    if (job->row.state != JOB_PAUSED) {
        return job_state_ended(job->row.state) || job->row.state == JOB_HELD ? ended(job, error)
                                                                             : QUEUE_SAME;
    }
    if (file) {
        take_file(self, now, job, file);
    }
    job_set_error(job, NULL, NULL, NULL);
    if (job->row.found) {
        questions_settle(self, now, job);
    } else {
        job->row.attempts = 0; /* what went wrong while it was paused is not held against it */
        job_move(self, now, job, JOB_QUEUED);
        if (job->live && job->live->kind == CLAIM_INSPECT) {
            job_move(self, now, job, JOB_INSPECTING); /* its inspection never stopped */
        }
    }
    change_event(self, now, EVENT_JOB_RESUMED, event_of(job, NULL), NULL);
    return QUEUE_OK;
}

static void cancel_frames(queue_t *self, struct job *job)
{
    struct rows_place at = { 0 };
    struct frame *frame;
    while ((frame = rows_each(job, &at)) != NULL) {
        if (frame->state == FRAME_WAITING || frame->state == FRAME_TAKEN) {
            frame_move(self, job, frame, FRAME_CANCELLED, NULL);
        } else if (frame->state == FRAME_CLAIMED) {
            worker_touch(self, frame->more->live->worker); /* it is told to stop */
        }
    }
}

static void cancel(queue_t *self, struct queue_now now, struct job *job)
{
    cancel_frames(self, job);
    job_move(self, now, job, JOB_CANCELLED);
    change_event(self, now, EVENT_JOB_CANCELLED, event_of(job, NULL), NULL);
}

int queue_cancel(queue_t *self, struct queue_now now, int64_t number, struct queue_error *error)
{
    struct job *job = job_find(self, number);
    if (!job) {
        return QUEUE_NO_JOB;
    }
    if (job->row.state == JOB_CANCELLED) {
        return QUEUE_SAME;
    }
    if (job_state_ended(job->row.state)) {
        return ended(job, error);
    }
    cancel(self, now, job);
    return QUEUE_OK;
}

void job_forget(queue_t *self, struct queue_now now, struct job *job)
{
    if (!job->row.removing) {
        job->row.removing = true;
        job_changed(self, job);
        change_event(self, now, EVENT_JOB_REMOVED, event_of(job, NULL), alloc_text(job->file));
    }
    (void)job_remove_if_idle(self, job);
}

int queue_remove(queue_t *self, struct queue_now now, int64_t number, struct queue_error *error)
{
    struct job *job = job_find(self, number);
    (void)error;
    if (!job) {
        return QUEUE_NO_JOB;
    }
    if (!job_state_ended(job->row.state)) {
        cancel(self, now, job);
    }
    job_forget(self, now, job);
    return QUEUE_OK;
}

int64_t queue_clear(queue_t *self, struct queue_now now)
{
    int64_t count = 0;
    for (size_t i = self->all.count; i-- > 0;) {
        struct job *job = self->all.items[i];
        if (job_state_ended(job->row.state) && !job->row.removing) {
            job_forget(self, now, job);
            count++;
        }
    }
    return count;
}

static bool put_back(const struct frame *frame, enum queue_retry what)
{
    if (frame->state == FRAME_FAILED || frame->state == FRAME_CANCELLED) {
        return true;
    }
    return what != RETRY_FAILED && (frame->state == FRAME_DONE || frame->state == FRAME_KEPT);
}

struct placed {
    int64_t position;
    struct frame *frame;
};

static int by_position(const void *a, const void *b)
{
    int64_t x = ((const struct placed *)a)->position;
    int64_t y = ((const struct placed *)b)->position;
    return (x > y) - (x < y);
}

/* Frames go back in the order in which the job gives them out. How many. */
static size_t retry_frames(queue_t *self, struct job *job, enum queue_retry what)
{
    size_t count = 0;
    struct placed *list = alloc_zero(job->row_count + 1, sizeof *list);
    struct rows_place at = { 0 };
    struct frame *frame;
    while ((frame = rows_each(job, &at)) != NULL) {
        if (put_back(frame, what)) {
            int64_t rank = ranges_rank(&job->frames, frame->number);
            list[count++] = (struct placed){
                .position = order_position(&job->order, job->counts.total, rank),
                .frame = frame,
            };
        }
    }
    qsort(list, count, sizeof *list, by_position);
    for (size_t i = 0; i < count; i++) {
        frame = list[i].frame;
        bool was_there = frame->state == FRAME_DONE || frame->state == FRAME_KEPT;
        frame->again = what == RETRY_ALL && was_there;
        frame_reset(frame);
        frame_move(self, job, frame, FRAME_WAITING, NULL);
    }
    free(list);
    return count;
}

void job_retry(queue_t *self, struct queue_now now, struct job *job)
{
    job->row.sweep_due = false;
    job->row.sweeps = 0;
    job->row.attempts = 0;
    job_set_error(job, NULL, NULL, NULL);
    if (job->reinspect) {
        job->reinspect = false;
        job_drop_found(self, now, job);
    }
    if (job->row.found) {
        questions_settle(self, now, job);
    } else {
        job_move(self, now, job, JOB_QUEUED);
        if (job->live && job->row.claim_kind == CLAIM_INSPECT) {
            job_move(self, now, job, JOB_INSPECTING);
        }
    }
}

int queue_retry(queue_t *self, struct queue_now now, int64_t number, enum queue_retry what,
                struct queue_error *error)
{
    struct job *job = job_find(self, number);
    (void)error;
    if (!job) {
        return QUEUE_NO_JOB;
    }
    bool over = job_state_ended(job->row.state);
    bool unfit = job->row.state == JOB_DONE && what == RETRY_FAILED;
    size_t count = unfit ? 0 : retry_frames(self, job, what);
    bool blocked = block_forget(self, job);
    bool shut_out = memory_forget(self, job);
    if (unfit || (!over && count == 0 && !blocked && !shut_out)) {
        return QUEUE_SAME;
    }
    if (over) {
        job_retry(self, now, job);
    }
    job_review(self, now, job);
    change_event(self, now, EVENT_JOB_RETRIED, event_of(job, NULL), NULL);
    return QUEUE_OK;
}

void queue_warn(queue_t *self, int64_t number, const char *code, const char *text)
{
    struct job *job = job_find(self, number);
    size_t before = job ? json_array_size(job->row.warnings) : 0;
    if (job) {
        job_warn(job, code, text);
    }
    if (job && json_array_size(job->row.warnings) != before) {
        job_changed(self, job);
    }
}

int queue_priority(queue_t *self, struct queue_now now, int64_t number, int32_t priority,
                   struct queue_error *error)
{
    struct job *job = job_find(self, number);
    if (!job) {
        return QUEUE_NO_JOB;
    }
    if (priority < 0 || priority > 100) {
        return queue_say_no(error, "usage", "the priority is not 0 to 100", "");
    }
    if (priority == job->priority) {
        return QUEUE_SAME;
    }
    job_set_priority(self, now, job, priority);
    return QUEUE_OK;
}

bool queue_kept_gone(const queue_t *self, int64_t number)
{
    const struct job *job = job_find(self, number);
    return job && job_state_ended(job->row.state) && !json_object_get(job->row.spec, "kept");
}

int queue_set_kept(queue_t *self, struct queue_now now, int64_t number, const char *kept)
{
    struct job *job = job_find(self, number);
    (void)now;
    if (!job) {
        return QUEUE_NO_JOB;
    }
    job_set_kept(job, kept);
    job_changed(self, job);
    return QUEUE_OK;
}
