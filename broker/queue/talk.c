/* The talk with workers: READY and SYNC applied, answers built. */

#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

enum { TEXT_MAX = 200 };

int64_t talk_park(const queue_t *self)
{
    int64_t sessions = (int64_t)(self->session_count + self->inspector_count);
    return sessions > PARK_MIN_MS ? sessions : PARK_MIN_MS;
}

int64_t talk_lease(const queue_t *self)
{
    int64_t lease = 3 * talk_park(self);
    return lease > LEASE_MIN_MS ? lease : LEASE_MIN_MS;
}

/* A new request takes the place of the one that waits: that one is never answered. */
static void supersede(queue_t *self, struct queue_now now, struct worker *worker, int64_t seq)
{
    worker->seq = seq;
    worker->waits = true;
    worker->ready = false;
    worker->say = false;
    worker_owes_nothing(worker);
    link_remove(&worker->park);
    link_remove(&worker->turn);
    worker_heard(self, now, worker);
    worker_touch(self, worker);
}

static struct claim *claim_of(const queue_t *self, const struct worker *worker, int64_t number)
{
    struct claim *claim = map_get(&self->claims, number);
    return claim && claim->worker == worker ? claim : NULL;
}

/* May a claim that its worker has never heard of be granted again? */
static bool worth_it(const queue_t *self, const struct worker *worker, const struct claim *claim)
{
    if (worker->drain != DRAIN_NONE || recall_on(worker)) {
        return false;
    }
    return claim->kind != CLAIM_RENDER ||
           (claim->job->row.state == JOB_ACTIVE && !self->paused && claim->job == worker->job &&
            !rest_on(worker) && !block_on(claim->job, worker->name));
}

/*
 * Claims that the worker did not name: it never had the answer that granted them, or is another
 * life of the same program. They are granted again, as far as that still makes sense.
 */
static void settle_unnamed(queue_t *self, struct queue_now now, struct worker *worker)
{
    struct link *next;
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        struct claim *claim = LINK_ITEM(at, struct claim, of_worker);
        if (claim->named_seq != worker->seq && claim->frame && !worker->job &&
            claim->job->row.state == JOB_ACTIVE) {
            assign_job(self, now, worker, claim->job);
        }
        if (claim->named_seq != worker->seq && claim->frame) {
            claim->phase = PHASE_AHEAD;
        }
    }
    for (struct link *at = worker->claims.next; at != &worker->claims; at = next) {
        struct claim *claim = LINK_ITEM(at, struct claim, of_worker);
        next = at->next;
        if (claim->named_seq != worker->seq && !worth_it(self, worker, claim)) {
            claim_give_up(self, now, claim, OUTCOME_RETURNED, "its worker does not have it");
        }
    }
}

/* Most workers have the same Blenders as the one that came before them: one list serves all. */
static json_t *versions_of(queue_t *self, const struct queue_ready *ready)
{
    json_t *versions = json_array();
    for (size_t i = 0; i < ready->blender_count && i < QUEUE_BLENDERS; i++) {
        json_array_append_new(versions, json_string(ready->blenders[i].version));
    }
    if (self->versions && json_equal(self->versions, versions)) {
        json_decref(versions);
    } else {
        json_decref(self->versions);
        self->versions = versions;
    }
    return json_incref(self->versions);
}

static void describe(queue_t *self, struct queue_now now, struct worker *worker,
                     const struct queue_ready *ready)
{
    free(worker->device);
    free(worker->device_name);
    json_decref(worker->versions);
    worker->name = words_keep(&self->names, ready->name);
    worker->standing = rest_standing(self, worker->name);
    worker->host = words_keep(&self->names, ready->host);
    worker->device = alloc_text(ready->device);
    worker->device_name = alloc_text(ready->device_name);
    worker->pid = ready->pid;
    if ((worker->process.start || ready->process.start) &&
        memcmp(&worker->process, &ready->process, sizeof worker->process) != 0) {
        change_worker(self, worker->id, ready->process.start ? &ready->process : NULL);
    }
    worker->process = ready->process;
    worker->device_kind = ready->device_kind;
    worker->draws_shared = ready->draws_shared;
    host_join(self, worker, ready->host);
    groups_join(self, now, worker, ready);
    worker->versions = versions_of(self, ready);
}

/* A worker, known or not, gets a new session. */
static void open_session(queue_t *self, struct queue_now now, struct worker *worker,
                         const struct queue_ready *ready)
{
    bool fresh = worker->session == 0;
    assign_no_longer_hungry(self, worker);
    assign_stop_moving(worker);
    worker_leave_class(self, worker);
    if (!fresh) {
        map_remove(&self->sessions, worker->session);
    }
    if (worker->name && map_get(&self->by_name, words_key(worker->name)) == worker) {
        map_remove(&self->by_name, words_key(worker->name));
    }
    describe(self, now, worker, ready);
    worker->session = self->next_session++;
    map_put(&self->sessions, worker->session, worker);
    map_put(&self->by_name, words_key(worker->name), worker);
    worker_join_class(self, worker, fit_class(self, ready));
    worker_forget_lost(self, worker->name, INT64_MIN);
    worker->seen = 0;
    worker->want = 0;
    worker->state = WORKER_STARTING;
    if (self->drain > worker->drain) {
        worker->drain = self->drain;
    }
    if (fresh) {
        change_event(self, now, EVENT_WORKER_STARTED, event_of(NULL, worker->name), NULL);
    }
}

int queue_ready(queue_t *self, struct queue_now now, const struct queue_ready *ready,
                int64_t *replaced, int64_t *out)
{
    const char *id = words_find(&self->names, ready->worker_id);
    struct worker *worker = id ? map_get(&self->ids, words_key(id)) : NULL;
    if (worker && ready->seq <= worker->seq) {
        return QUEUE_IGNORED;
    }
    if (!worker) {
        worker = worker_new(self, ready->worker_id);
    }
    *replaced = worker->session;
    open_session(self, now, worker, ready);
    supersede(self, now, worker, ready->seq);
    worker->ready = true;
    for (size_t i = 0; i < ready->claim_count && i < QUEUE_STALES; i++) {
        struct claim *claim = claim_of(self, worker, ready->claims[i]);
        if (claim) {
            claim->named_seq = worker->seq;
        }
    }
    worker->sync_job = ready->job;
    assign_job(self, now, worker, ready->job ? job_find(self, ready->job) : NULL);
    settle_unnamed(self, now, worker);
    *out = worker->session;
    return QUEUE_OK;
}

static void apply_reports(queue_t *self, struct queue_now now, struct worker *worker,
                          const struct queue_sync *sync)
{
    for (size_t i = 0; i < sync->report_count && i < QUEUE_REPORTS; i++) {
        const struct queue_report *report = &sync->reports[i];
        bool accepted = report_apply(self, now, worker, report);
        struct owed *owed = worker_owed(worker);
        owed->settled[owed->settled_count++] = (struct queue_settled){
            .claim = report->claim,
            .what = report->what,
            .accepted = accepted,
        };
        struct claim *claim = claim_of(self, worker, report->claim);
        if (claim) {
            claim->named_seq = worker->seq;
        }
    }
}

static bool settled_now(const struct worker *worker, int64_t claim)
{
    const struct owed *owed = worker->owed;
    for (size_t i = 0; owed && i < owed->settled_count; i++) {
        if (owed->settled[i].claim == claim && owed->settled[i].accepted) {
            return true;
        }
    }
    return false;
}

static void add_stale(struct worker *worker, int64_t claim)
{
    struct owed *owed = worker_owed(worker);
    for (size_t i = 0; i < owed->stale_count; i++) {
        if (owed->stale[i] == claim) {
            return;
        }
    }
    if (owed->stale_count < QUEUE_STALES) {
        owed->stale[owed->stale_count++] = claim;
    }
}

static void apply_holding(queue_t *self, struct worker *worker, const struct queue_sync *sync)
{
    for (size_t i = 0; worker->owed && i < worker->owed->settled_count; i++) {
        int64_t number = worker->owed->settled[i].claim;
        if (!settled_now(worker, number) && !claim_of(self, worker, number)) {
            add_stale(worker, number);
        }
    }
    for (size_t i = 0; i < sync->holding_count && i < QUEUE_HOLDINGS; i++) {
        struct claim *claim = claim_of(self, worker, sync->holding[i].claim);
        if (claim) {
            claim->named_seq = worker->seq;
            claim->phase = sync->holding[i].phase;
        } else if (!settled_now(worker, sync->holding[i].claim)) {
            add_stale(worker, sync->holding[i].claim);
        }
    }
}

static void take_state(queue_t *self, struct worker *worker, const struct queue_sync *sync)
{
    worker->seen = sync->seen;
    if (sync->seen > worker->order_n) {
        worker->order_n = sync->seen; /* told by an older broker; what differs gets a higher one */
    }
    worker->want = sync->want < 0 ? 0 : sync->want > CLAIMS_MAX ? CLAIMS_MAX : sync->want;
    worker->state = sync->state;
    free(worker->progress_text);
    worker->progress_text = NULL;
    worker->progress_done = sync->progress_done;
    worker->progress_total = sync->progress_total;
    if (sync->progress_text && sync->progress_claim != 0) {
        worker->progress_text =
            alloc_bytes(sync->progress_text, strnlen(sync->progress_text, TEXT_MAX));
    }
    gauges_take(self, &worker->gauges, sync->telemetry);
    host_gauge(worker, sync->telemetry);
}

int queue_sync(queue_t *self, struct queue_now now, const struct queue_sync *sync)
{
    struct worker *worker = map_get(&self->sessions, sync->session);
    if (!worker) {
        return QUEUE_READY_AGAIN;
    }
    if (sync->seq <= worker->seq) {
        return QUEUE_IGNORED;
    }
    assign_no_longer_hungry(self, worker);
    supersede(self, now, worker, sync->seq);
    take_state(self, worker, sync);
    rest_own(self, now, worker, &sync->rest);
    apply_reports(self, now, worker, sync);
    apply_holding(self, worker, sync);
    worker->sync_job = sync->job;
    assign_job(self, now, worker, sync->job ? job_find(self, sync->job) : NULL);
    if (sync->leave) {
        worker_end(self, now, worker, OUTCOME_RETURNED);
        return QUEUE_OK;
    }
    settle_unnamed(self, now, worker);
    assign_fill(self, now, worker);
    return QUEUE_OK;
}

/* What the orders are now. True if they are others than those of the last number. */
static void renew_orders(queue_t *self, struct worker *worker)
{
    int64_t stop[QUEUE_STOPS];
    size_t stops = 0;
    bool back = assign_back(self, worker);
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        const struct claim *claim = LINK_ITEM(at, struct claim, of_worker);
        if (claim->job->row.state == JOB_CANCELLED && claim->kind != CLAIM_SWEEP &&
            stops < QUEUE_STOPS) {
            stop[stops++] = claim->number;
        }
    }
    if (back != worker->order_back || self->paused != worker->order_pause ||
        worker->drain != worker->order_drain || recall_order(worker) != worker->order_rest ||
        stops != worker->order_stops ||
        (stops > 0 && memcmp(stop, worker->order_stop, stops * sizeof *stop) != 0)) {
        worker->order_n++;
        worker->order_back = back;
        worker->order_pause = self->paused;
        worker->order_drain = worker->drain;
        worker->order_rest = recall_order(worker);
        worker->order_stops = stops;
        free(worker->order_stop);
        worker->order_stop = NULL;
        if (stops > 0) {
            worker->order_stop = alloc_zero(stops, sizeof *stop);
            memcpy(worker->order_stop, stop, stops * sizeof *stop);
        }
    }
}

static bool has_grants(const struct worker *worker)
{
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        if (LINK_ITEM(at, struct claim, of_worker)->named_seq != worker->seq) {
            return true;
        }
    }
    return false;
}

static void say(queue_t *self, struct worker *worker)
{
    link_remove(&worker->park);
    link_append(&self->say, &worker->turn);
    worker->say = true;
}

void talk_turn(queue_t *self, struct queue_now now)
{
    int64_t park_ms = now.ms + talk_park(self);
    while (!link_empty(&self->touched)) {
        struct worker *worker = LINK_ITEM(self->touched.next, struct worker, turn);
        link_remove(&worker->turn);
        if (!worker->last) {
            renew_orders(self, worker);
        }
        if (worker->last || worker->ready || worker->owed || has_grants(worker) ||
            worker->order_n > worker->seen) {
            say(self, worker);
        } else if (!link_in_list(&worker->park)) {
            worker->park_ms = park_ms;
            link_append(&self->parked, &worker->park);
        }
    }
    while (!link_empty(&self->parked)) {
        struct worker *worker = LINK_ITEM(self->parked.next, struct worker, park);
        if (worker->park_ms > now.ms) {
            break;
        }
        say(self, worker);
    }
}

static void answer_grants(struct queue_now now, const struct worker *worker,
                          struct queue_answer *out)
{
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        const struct claim *claim = LINK_ITEM(at, struct claim, of_worker);
        if (claim->named_seq == worker->seq || out->grant_count == QUEUE_GRANTS) {
            continue;
        }
        struct queue_grant *grant = &out->grants[out->grant_count++];
        *grant = (struct queue_grant){
            .claim = claim->number,
            .kind = claim->kind,
            .job = claim->job->row.job,
            .frame = EVENT_NO_FRAME,
            .about = claim->kind != CLAIM_RENDER,
            .attempt = (claim->frame ? claim->frame->attempts : claim->job->row.attempts) + 1,
        };
        if (claim->frame) {
            grant->frame = claim->frame->number;
            grant->again = claim->frame->again;
            grant->fresh = claim->frame->more->fresh;
            grant->sighted = claim->frame->more->sighted;
            grant->sighting = claim->frame->more->sighting;
            grant->abandoned = taken_abandoned(claim->job, claim->frame, now);
        }
    }
}

static void fill_answer(queue_t *self, struct queue_now now, const struct worker *worker,
                        struct queue_answer *out)
{
    out->session = worker->session;
    out->seq = worker->seq;
    out->park_ms = talk_park(self);
    out->last = worker->last;
    out->orders.n = worker->order_n;
    out->orders.pause = worker->order_pause;
    out->orders.drain = worker->order_drain;
    out->orders.rest = worker->order_rest;
    out->orders.give_back = worker->order_back;
    out->orders.stop_count = worker->order_stops;
    for (size_t i = 0; i < worker->order_stops; i++) {
        out->orders.stop[i] = worker->order_stop[i];
    }
    if (worker->owed) {
        const struct owed *owed = worker->owed;
        out->settled_count = owed->settled_count;
        memcpy(out->settled, owed->settled, owed->settled_count * sizeof *out->settled);
        out->stale_count = owed->stale_count;
        memcpy(out->stale, owed->stale, owed->stale_count * sizeof *out->stale);
    }
    answer_grants(now, worker, out);
    if (worker->job && worker->job->row.job != worker->sync_job) {
        out->job = worker->job->row.job;
    }
}

int queue_answer_next(queue_t *self, struct queue_now now, struct queue_answer *out)
{
    if (link_empty(&self->say)) {
        return QUEUE_EMPTY;
    }
    struct worker *worker = LINK_ITEM(self->say.next, struct worker, turn);
    if (!worker->last) {
        renew_orders(self, worker);
    }
    *out = (struct queue_answer){ 0 };
    fill_answer(self, now, worker, out);
    link_remove(&worker->turn);
    assign_no_longer_hungry(self, worker); /* it does not listen until it has asked again */
    worker->say = false;
    worker->waits = false;
    worker->ready = false;
    worker_owes_nothing(worker);
    if (worker->last) {
        worker_free(&worker);
    }
    return QUEUE_OK;
}

int queue_closed_next(queue_t *self, int64_t *session)
{
    if (self->closed_count == 0) {
        return QUEUE_EMPTY;
    }
    *session = self->closed[--self->closed_count];
    return QUEUE_OK;
}

void queue_gone(queue_t *self, struct queue_now now, int64_t session)
{
    struct worker *worker = map_get(&self->sessions, session);
    if (worker) {
        worker_end(self, now, worker, OUTCOME_LOST);
    }
}

int queue_expire(queue_t *self, struct queue_now now)
{
    int count = 0;
    int64_t lease = talk_lease(self);
    while (!link_empty(&self->heard)) {
        struct worker *worker = LINK_ITEM(self->heard.next, struct worker, heard);
        if (worker->heard_ms + lease > now.ms - self->extended_ms) {
            break;
        }
        worker_end(self, now, worker, OUTCOME_LOST);
        count++;
    }
    return count;
}

void queue_extend(queue_t *self, int64_t delay_ms)
{
    if (delay_ms > 0) {
        self->extended_ms += delay_ms;
    }
}
