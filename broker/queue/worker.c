/* Workers: one per worker id, with its session, its claims and what was last said to it. */

#include <stdlib.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

struct worker *worker_new(queue_t *self, const char *id)
{
    struct worker *worker = alloc_zero(1, sizeof *worker);
    worker->id = words_keep(&self->names, id);
    link_init(&worker->claims);
    map_put(&self->ids, words_key(worker->id), worker);
    return worker;
}

void worker_free(struct worker **self_p)
{
    struct worker *worker = *self_p;
    if (worker) {
        free(worker->device);
        free(worker->device_name);
        free(worker->progress_text);
        free(worker->order_stop);
        free(worker->owed);
        gauges_clear(&worker->gauges);
        json_decref(worker->own_rest);
        json_decref(worker->versions);
        free(worker);
        *self_p = NULL;
    }
}

void worker_lost_free(struct lost_worker **self_p)
{
    struct lost_worker *lost = *self_p;
    if (lost) {
        link_remove(&lost->link);
        free(lost->host);
        free(lost->device);
        json_decref(lost->versions);
        free(lost);
        *self_p = NULL;
    }
}

/* Rows of lost workers go when one of that name comes, or when they are older than before_ms. */
void worker_forget_lost(queue_t *self, const char *name, int64_t before_ms)
{
    struct link *next;
    for (struct link *at = self->lost.next; at != &self->lost; at = next) {
        struct lost_worker *lost = LINK_ITEM(at, struct lost_worker, link);
        next = at->next;
        if (lost->name == name || lost->at_ms < before_ms) {
            worker_lost_free(&lost);
        }
    }
}

void worker_touch(queue_t *self, struct worker *worker)
{
    if (worker->waits && !worker->say && !link_in_list(&worker->turn)) {
        link_append(&self->touched, &worker->turn);
    }
}

struct owed *worker_owed(struct worker *worker)
{
    if (!worker->owed) {
        worker->owed = alloc_zero(1, sizeof *worker->owed);
    }
    return worker->owed;
}

void worker_owes_nothing(struct worker *worker)
{
    free(worker->owed);
    worker->owed = NULL;
}

void worker_stale(queue_t *self, struct worker *worker, int64_t claim)
{
    if (worker->waits && worker_owed(worker)->stale_count < QUEUE_STALES) {
        worker->owed->stale[worker->owed->stale_count++] = claim;
        worker_touch(self, worker);
    }
}

void worker_heard(queue_t *self, struct queue_now now, struct worker *worker)
{
    worker->heard_ms = now.ms - self->extended_ms;
    link_append(&self->heard, &worker->heard);
}

static void remember_lost(queue_t *self, struct queue_now now, struct worker *worker)
{
    if (worker->device_kind == DEVICE_NONE ||
        map_get(&self->by_name, words_key(worker->name)) != worker) {
        return;
    }
    struct lost_worker *lost = alloc_zero(1, sizeof *lost);
    lost->name = worker->name;
    lost->host = alloc_text(worker->host);
    lost->device = alloc_text(worker->device);
    lost->pid = worker->pid;
    lost->done = worker->done;
    lost->versions = json_incref(worker->versions);
    lost->at_ms = now.ms;
    link_append(&self->lost, &lost->link);
}

void worker_leave_class(queue_t *self, struct worker *worker)
{
    struct class *class = worker->class;
    if (!class) {
        return;
    }
    worker->class = NULL;
    if (--class->live == 0) {
        self->class_generation++;
    }
    self->inspect_count -= class->kinds[CLAIM_INSPECT] && class->device_kind == DEVICE_NONE;
    if (worker->device_kind == DEVICE_NONE) {
        self->inspector_count--;
    } else {
        self->session_count--;
    }
}

void worker_join_class(queue_t *self, struct worker *worker, struct class *class)
{
    worker->class = class;
    if (class->live++ == 0) {
        self->class_generation++;
    }
    self->inspect_count += class->kinds[CLAIM_INSPECT] && class->device_kind == DEVICE_NONE;
    if (worker->device_kind == DEVICE_NONE) {
        self->inspector_count++;
    } else {
        self->session_count++;
    }
}

/* Those without a session are the first: they were heard of before everybody else. */
int queue_absent_next(const queue_t *self, const char **after, struct queue_process *process)
{
    bool past = *after == NULL;
    for (const struct link *at = self->heard.next; at != &self->heard; at = at->next) {
        const struct worker *worker = LINK_ITEM((struct link *)(uintptr_t)at, struct worker, heard);
        if (worker->session != 0) {
            return QUEUE_EMPTY;
        }
        if (past && worker->process.start) {
            *after = worker->id;
            *process = worker->process;
            return QUEUE_OK;
        }
        past = past || worker->id == *after;
    }
    return QUEUE_EMPTY;
}

void queue_absent_gone(queue_t *self, struct queue_now now, const char *id)
{
    const char *kept = words_find(&self->names, id);
    struct worker *worker = kept ? map_get(&self->ids, words_key(kept)) : NULL;
    if (worker && worker->session == 0) {
        worker_end(self, now, worker, OUTCOME_LOST);
    }
}

void worker_closed(queue_t *self, int64_t session)
{
    if (self->closed_count == self->closed_room) {
        self->closed_room = self->closed_room ? self->closed_room * 2 : 16;
        self->closed = alloc_resize(self->closed, self->closed_room, sizeof *self->closed);
    }
    self->closed[self->closed_count++] = session;
}

/* Out of everything that could give it work; its session number means nothing from now on. */
static void disconnect(queue_t *self, struct queue_now now, struct worker *worker)
{
    assign_no_longer_hungry(self, worker);
    assign_job(self, now, worker, NULL);
    assign_stop_moving(worker);
    rest_own(self, now, worker, NULL);
    host_leave(worker);
    groups_leave(worker);
    if (self->drying == worker) {
        self->drying = NULL;
        self->work = true;
    }
    worker_leave_class(self, worker);
    if (worker->session != 0) {
        map_remove(&self->sessions, worker->session);
    }
    link_remove(&worker->heard);
    link_remove(&worker->park);
}

void worker_end(queue_t *self, struct queue_now now, struct worker *worker,
                enum claim_outcome outcome)
{
    bool lost = outcome == OUTCOME_LOST;
    bool had_session = worker->session != 0;
    while (!link_empty(&worker->claims)) {
        struct claim *claim = LINK_ITEM(worker->claims.next, struct claim, of_worker);
        claim_give_up(self, now, claim, outcome, lost ? "its worker was lost" : "its worker left");
    }
    disconnect(self, now, worker);
    if (had_session) {
        change_event(self, now, lost ? EVENT_WORKER_LOST : EVENT_WORKER_STOPPED,
                     event_of(NULL, worker->name), NULL);
    }
    if (lost && had_session) {
        remember_lost(self, now, worker);
    }
    if (map_get(&self->by_name, words_key(worker->name)) == worker) {
        map_remove(&self->by_name, words_key(worker->name));
    }
    map_remove(&self->ids, words_key(worker->id));
    if (worker->process.start) {
        change_worker(self, worker->id, NULL);
    }
    if (!lost && worker->waits) {
        worker->last = true; /* freed with its last answer */
        return;
    }
    if (had_session) {
        worker_closed(self, worker->session);
    }
    link_remove(&worker->turn);
    worker_free(&worker);
}
