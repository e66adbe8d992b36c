#include "broker/queue/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

#define KEEP_CHECK_MS 60000

queue_t *queue_new(const struct queue_config *config)
{
    queue_t *self = alloc_zero(1, sizeof *self);
    self->config = *config;
    if (self->config.keep_ms <= 0) {
        self->config.keep_ms = KEEP_DEFAULT_MS;
    }
    self->next_claim = 1;
    self->next_job = 1;
    self->next_order = 1;
    self->next_session = config->first_session > 0 ? config->first_session : 1;
    self->all.by_age = true;
    self->held.by_age = true;
    self->recent = alloc_zero(RECENT_CLAIMS, sizeof *self->recent);
    link_init(&self->heard);
    link_init(&self->parked);
    link_init(&self->touched);
    link_init(&self->say);
    link_init(&self->lost);
    link_init(&self->groups.workers);
    pauses_init(&self->rests, REST_FIRST_MS, REST_MAX_MS);
    pauses_init(&self->block_pauses, BLOCK_FIRST_MS, BLOCK_MAX_MS);
    return self;
}

static void free_worker(struct worker *worker)
{
    struct link *next;
    for (struct link *at = worker->claims.next; at != &worker->claims; at = next) {
        struct claim *claim = LINK_ITEM(at, struct claim, of_worker);
        next = at->next;
        if (claim->frame) {
            claim->frame->more->live = NULL;
        }
        free(claim);
    }
    link_remove(&worker->turn);
    worker_free(&worker);
}

/* Those that left stay in the list of answers until they have theirs. */
static void free_leaving(struct link *head)
{
    while (!link_empty(head)) {
        struct worker *worker = LINK_ITEM(head->next, struct worker, turn);
        link_remove(&worker->turn);
        if (worker->last) {
            free_worker(worker);
        }
    }
}

static void free_lists(queue_t *self)
{
    free((void *)self->all.items);
    free((void *)self->held.items);
    free((void *)self->ready.items);
    free((void *)self->inspect.items);
    free((void *)self->sweep.items);
    free((void *)self->leftovers.items);
    free(self->sweep_live);
    free((void *)self->taken);
    map_clear(&self->jobs);
    map_clear(&self->keyed);
    map_clear(&self->same);
    map_clear(&self->files);
    map_clear(&self->claims);
    map_clear(&self->sessions);
    map_clear(&self->ids);
    map_clear(&self->by_name);
    rest_free(self);
    host_free(self);
    words_clear(&self->names);
    words_clear(&self->gauge_names);
}

void queue_destroy(queue_t **self_p)
{
    queue_t *self = *self_p;
    if (!self) {
        return;
    }
    free_leaving(&self->touched);
    free_leaving(&self->say);
    for (size_t i = 0; i < self->ids.size; i++) {
        if (self->ids.slots[i].value) {
            free_worker(self->ids.slots[i].value);
        }
    }
    for (size_t i = 0; i < self->taken_count; i++) {
        self->taken[i]->more->heap_at = 0;
    }
    for (size_t i = 0; i < self->all.count; i++) {
        job_free(&self->all.items[i]);
    }
    while (!link_empty(&self->lost)) {
        struct lost_worker *lost = LINK_ITEM(self->lost.next, struct lost_worker, link);
        worker_lost_free(&lost);
    }
    for (size_t i = 0; i < self->class_count; i++) {
        free(self->classes[i]);
    }
    free((void *)self->classes);
    queue_changes_clear(self);
    free(self->changes);
    free(self->closed);
    json_decref(self->versions);
    free(self->recent);
    free_lists(self);
    free(self);
    *self_p = NULL;
}

static void forget_old(queue_t *self, struct queue_now now)
{
    if (now.ms < self->keep_check_ms) {
        return;
    }
    self->keep_check_ms = now.ms + KEEP_CHECK_MS;
    worker_forget_lost(self, NULL, now.ms - LOST_SHOWN_MS);
    for (size_t i = self->all.count; i-- > 0;) {
        struct job *job = self->all.items[i];
        if (job_state_ended(job->row.state) &&
            now.wall_ms - job->row.finished_at > self->config.keep_ms) {
            job_forget(self, now, job);
        }
    }
}

void queue_turn(queue_t *self, struct queue_now now)
{
    taken_turn(self, now);
    sweep_turn(self, now);
    forget_old(self, now);
    block_turn(self, now);
    rest_turn(self, now);
    groups_turn(self, now);
    assign_turn(self, now);
    talk_turn(self, now);
}

int64_t queue_deadline(const queue_t *self, struct queue_now now)
{
    int64_t deadline = INT64_MAX;
    if (!link_empty(&self->say) || !link_empty(&self->touched) || self->work) {
        return now.ms;
    }
    if (!link_empty(&self->parked)) {
        deadline = LINK_ITEM(self->parked.next, struct worker, park)->park_ms;
    }
    if (!link_empty(&self->heard)) {
        const struct worker *worker = LINK_ITEM(self->heard.next, struct worker, heard);
        int64_t ends = worker->heard_ms + talk_lease(self) + self->extended_ms;
        deadline = ends < deadline ? ends : deadline;
    }
    if (self->taken_count > 0 && self->taken[0]->more->look_ms < deadline) {
        deadline = self->taken[0]->more->look_ms;
    }
    if (self->sweep_ms != 0 && self->sweep_ms < deadline) {
        deadline = self->sweep_ms;
    }
    if (self->all.count > 0 && self->keep_check_ms < deadline) {
        deadline = self->keep_check_ms;
    }
    int64_t rest = pauses_deadline(&self->rests);
    int64_t block = pauses_deadline(&self->block_pauses);
    deadline = rest < deadline ? rest : deadline;
    deadline = block < deadline ? block : deadline;
    int64_t group = groups_deadline(self);
    deadline = group < deadline ? group : deadline;
    return deadline > now.ms ? deadline : now.ms;
}

void queue_drain_all(queue_t *self, struct queue_now now, enum drain_order drain)
{
    (void)now;
    self->drain = drain;
    for (struct link *at = self->heard.next; at != &self->heard; at = at->next) {
        struct worker *worker = LINK_ITEM(at, struct worker, heard);
        assign_no_longer_hungry(self, worker);
        worker->drain = drain > worker->drain ? drain : worker->drain;
        worker_touch(self, worker);
    }
}

int queue_drain(queue_t *self, struct queue_now now, const char *name)
{
    int rc = QUEUE_NO_WORKER;
    const char *kept = words_find(&self->names, name);
    (void)now;
    for (struct link *at = self->heard.next; kept && at != &self->heard; at = at->next) {
        struct worker *worker = LINK_ITEM(at, struct worker, heard);
        if (worker->session == 0 || worker->name != kept) {
            continue;
        }
        if (rc == QUEUE_NO_WORKER) {
            rc = QUEUE_SAME;
        }
        if (worker->drain == DRAIN_NONE) {
            rc = QUEUE_OK;
            assign_no_longer_hungry(self, worker);
            worker->drain = DRAIN_SOFT;
            worker_touch(self, worker);
        }
    }
    return rc;
}
