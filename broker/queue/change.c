#include "broker/queue/change.h"

#include <stdlib.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

static struct change *add(queue_t *self, enum change_kind kind, int from)
{
    if (self->change_count == self->change_room) {
        self->change_room = self->change_room ? self->change_room * 2 : 64;
        self->changes = alloc_resize(self->changes, self->change_room, sizeof *self->changes);
    }
    struct change *change = &self->changes[self->change_count++];
    *change = (struct change){ .kind = kind, .from = from };
    return change;
}

void change_job(queue_t *self, const struct job *job, int from)
{
    struct change *change = add(self, CHANGE_JOB_PUT, from);
    change->as.job = job->row;
    json_incref(job->row.spec);
    json_incref(job->row.found);
    json_incref(job->row.questions);
    json_incref(job->row.warnings);
    json_incref(job->row.error);
}

void change_job_delete(queue_t *self, int64_t job)
{
    add(self, CHANGE_JOB_DELETE, 0)->as.job_id = job;
}

void change_frame(queue_t *self, struct job *job, const struct frame *frame, int from,
                  json_t *proof)
{
    struct change *change = add(self, CHANGE_FRAME_PUT, from);
    rows_export(job, frame, &change->as.frame);
    json_incref(change->as.frame.error);
    change->as.frame.proof = json_incref(proof);
    if (frame->more && frame->more->tried_count > 0) {
        change->as.frame.tried = json_array();
        for (size_t i = 0; i < frame->more->tried_count; i++) {
            json_array_append_new(change->as.frame.tried, json_string(frame->more->tried[i]));
        }
    }
}

void change_frame_delete(queue_t *self, int64_t job, int32_t frame)
{
    struct change *change = add(self, CHANGE_FRAME_DELETE, 0);
    change->as.frame.job = job;
    change->as.frame.frame = frame;
}

void change_meta(queue_t *self, const char *key, int64_t value)
{
    struct change *change = add(self, CHANGE_META, 0);
    change->as.meta.key = key;
    change->as.meta.value = value;
}

void change_worker(queue_t *self, const char *id, const struct queue_process *process)
{
    struct change *change = add(self, process ? CHANGE_WORKER_PUT : CHANGE_WORKER_DELETE, 0);
    change->as.worker.id = id;
    if (process) {
        change->as.worker.process = *process;
    }
}

struct event_place event_of(const struct job *job, const char *worker)
{
    return (struct event_place){ job ? job->row.job : 0, EVENT_NO_FRAME, worker };
}

struct event_place event_of_frame(const struct job *job, int32_t frame, const char *worker)
{
    return (struct event_place){ job->row.job, frame, worker };
}

void change_event(queue_t *self, struct queue_now now, enum event_word word,
                  struct event_place place, char *text)
{
    struct change *change = add(self, CHANGE_EVENT, 0);
    change->as.event = (struct change_event){
        .word = word,
        .at = now.wall_ms,
        .job = place.job,
        .frame = place.frame,
        .worker = place.worker,
    };
    change->as.event.text = text;
}

/* One row a turn carries a counter: raise it where it stands instead of adding another. */
static void counter(queue_t *self, const char *key, size_t *place, int64_t value)
{
    if (*place == 0) {
        change_meta(self, key, value);
        *place = self->change_count;
    }
    self->changes[*place - 1].as.meta.value = value;
}

int64_t change_next_claim(queue_t *self)
{
    int64_t claim = self->next_claim++;
    counter(self, "claim", &self->meta_claim, self->next_claim);
    return claim;
}

int64_t change_next_job(queue_t *self)
{
    int64_t job = self->next_job++;
    counter(self, "job", &self->meta_job, self->next_job);
    return job;
}

const struct change *queue_changes(const queue_t *self, size_t *count)
{
    *count = self->change_count;
    return self->changes;
}

static void release(struct change *change)
{
    switch (change->kind) {
    case CHANGE_JOB_PUT:
        json_decref(change->as.job.spec);
        json_decref(change->as.job.found);
        json_decref(change->as.job.questions);
        json_decref(change->as.job.warnings);
        json_decref(change->as.job.error);
        break;
    case CHANGE_FRAME_PUT:
        json_decref(change->as.frame.error);
        json_decref(change->as.frame.proof);
        json_decref(change->as.frame.tried);
        break;
    case CHANGE_EVENT:
        free(change->as.event.text);
        break;
    case CHANGE_JOB_DELETE:
    case CHANGE_FRAME_DELETE:
    case CHANGE_META:
    case CHANGE_WORKER_PUT:
    case CHANGE_WORKER_DELETE:
        break;
    }
}

void queue_changes_clear(queue_t *self)
{
    for (size_t i = 0; i < self->change_count; i++) {
        release(&self->changes[i]);
    }
    self->change_count = 0;
    self->meta_claim = 0;
    self->meta_job = 0;
}

void queue_event(queue_t *self, struct queue_now now, enum event_word word, const char *text)
{
    change_event(self, now, word, event_of(NULL, NULL), alloc_text(text));
}
