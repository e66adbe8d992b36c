/* The scheduler: which worker gets which job, and which claims. */

#include <string.h>

#include "broker/queue/state.h"
#include "broker/queue/ways.h"
#include "proto/alloc.h"

/* So many workers are looked at in vain (blocked for the job) before the rest is left to their own
 * SYNCs. */
enum { SERVE_SCAN = 64 };

void assign_no_longer_hungry(queue_t *self, struct worker *worker)
{
    (void)self;
    if (link_in_list(&worker->hungry)) {
        link_remove(&worker->hungry);
        if (!worker->job && worker->class) {
            worker->class->free_count--;
        }
    }
}

static void hungry(struct worker *worker)
{
    if (worker->job) {
        link_append(&worker->job->hungry, &worker->hungry);
    } else {
        link_append(&worker->class->free, &worker->hungry);
        worker->class->free_count++;
    }
}

void assign_stop_moving(struct worker *worker)
{
    if (worker->moving) {
        worker->moving->incoming_count--;
        worker->moving = NULL;
        link_remove(&worker->moving_link);
    }
}

static void move_to(queue_t *self, struct worker *worker, struct job *job)
{
    assign_stop_moving(worker);
    worker->moving = job;
    link_append(&job->incoming, &worker->moving_link);
    job->incoming_count++;
    worker_touch(self, worker);
}

void assign_cancel_incoming(queue_t *self, struct job *job)
{
    while (!link_empty(&job->incoming)) {
        struct worker *worker = LINK_ITEM(job->incoming.next, struct worker, moving_link);
        assign_stop_moving(worker);
        worker_touch(self, worker);
    }
}

void assign_job(queue_t *self, struct queue_now now, struct worker *worker, struct job *job)
{
    if (worker->job == job) {
        return;
    }
    assign_no_longer_hungry(self, worker);
    if (worker->job) {
        link_remove(&worker->on_job);
        worker->job->worker_count--;
        change_event(self, now, EVENT_RENDER_RETURNED, event_of(worker->job, worker->name), NULL);
        if (worker->job->ordered) {
            self->work = true; /* another one may go on with it */
        }
    }
    worker->job = job;
    host_review(worker);
    if (job) {
        assign_stop_moving(worker);
        link_append(&job->workers, &worker->on_job);
        job->worker_count++;
        change_event(self, now, EVENT_RENDER_STARTED, event_of(job, worker->name), NULL);
    }
}

size_t assign_unproven(const struct worker *worker)
{
    size_t count = 0;
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        const struct claim *claim = LINK_ITEM(at, struct claim, of_worker);
        count += claim->kind == CLAIM_RENDER && claim->phase != PHASE_PROOF;
    }
    return count;
}

static bool holds_ahead(const struct worker *worker)
{
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        const struct claim *claim = LINK_ITEM(at, struct claim, of_worker);
        if (claim->kind == CLAIM_RENDER && claim->phase == PHASE_AHEAD) {
            return true;
        }
    }
    return false;
}

/* Ordered jobs: one worker at a time, and its own claims are the only ones. */
static bool free_for(const struct job *job, const struct worker *worker)
{
    int64_t own = 0;
    if (!job->ordered) {
        return true;
    }
    if (worker->job == job ? job->workers.next != &worker->on_job : job->worker_count > 0) {
        return false;
    }
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        const struct claim *claim = LINK_ITEM(at, struct claim, of_worker);
        own += claim->job == job && claim->frame;
    }
    return own == job->counts.by_state[FRAME_CLAIMED];
}

bool assign_has_room(queue_t *self, const struct job *job, struct worker *worker)
{
    return !ways_drawer(self, job, worker) && host_fits(job, worker) &&
           groups_allow(self, job, worker);
}

static bool may_take(queue_t *self, struct job *job, struct worker *worker)
{
    return !block_on(job, worker->name) && free_for(job, worker) &&
           fit_class_job(self, job, worker->class) && rows_waiting_for(job, worker->class) &&
           assign_has_room(self, job, worker);
}

bool assign_back(queue_t *self, const struct worker *worker)
{
    struct job *job = worker->job;
    if (!job) {
        return worker->sync_job != 0; /* a job that is not here any more */
    }
    if (job->row.state != JOB_ACTIVE || job->blocked_by || worker->moving ||
        self->drying == worker || rest_on(worker) || block_on(job, worker->name) ||
        (job->ordered && job->workers.next != &worker->on_job) ||
        (worker->class && !fit_class_job(self, job, worker->class) &&
         !memory_holds_large(worker))) {
        return true;
    }
    /* what is ahead may stay: nobody else is waiting for it */
    return !(worker->class ? rows_waiting_for(job, worker->class)
                           : job->counts.by_state[FRAME_WAITING] > 0) &&
           !holds_ahead(worker);
}

/* The last frames go one by one to those who have none, so that nobody waits for a slow one. */
static bool may_go_ahead(queue_t *self, struct job *job)
{
    size_t workers = job->worker_count + (job->ordered ? 0 : fit_free(self, job));
    return job->counts.by_state[FRAME_WAITING] > (int64_t)workers;
}

static bool grant_frame(queue_t *self, struct worker *worker, struct job *job)
{
    size_t unproven = assign_unproven(worker);
    if (worker->claim_count >= CLAIMS_MAX || unproven >= UNPROVEN_MAX ||
        (unproven > 0 && (!may_go_ahead(self, job) || groups_coming(self, worker))) ||
        !free_for(job, worker)) {
        return false;
    }
    struct frame *frame = rows_next(self, job, worker);
    if (!frame) {
        return false;
    }
    fit_bind(self, job, worker->class);
    claim_grant(self, worker, CLAIM_RENDER, job, frame);
    return true;
}

/* Is there work of higher priority that this worker should come over for? */
static void look_higher(queue_t *self, struct worker *worker)
{
    for (size_t i = 0; i < self->ready.count; i++) {
        struct job *job = self->ready.items[i];
        if (job->priority <= worker->job->priority) {
            return;
        }
        if ((int64_t)job->incoming_count < job->counts.by_state[FRAME_WAITING] &&
            may_take(self, job, worker)) {
            move_to(self, worker, job);
            return;
        }
    }
}

/* Frames of its own job, or of the first that has some for it. How many were granted. */
static int fill_render(queue_t *self, struct queue_now now, struct worker *worker, int wanted)
{
    int granted = 0;
    if (worker->job) {
        struct job *job = worker->job;
        if (!worker->moving) {
            look_higher(self, worker);
        }
        if (job->ready && !assign_back(self, worker)) {
            while (granted < wanted && job->ready && grant_frame(self, worker, job)) {
                granted++;
                job_review(self, now, job);
            }
        }
        return granted;
    }
    for (size_t i = 0; i < self->ready.count && granted == 0 && worker->sync_job == 0; i++) {
        struct job *job = self->ready.items[i];
        if (!may_take(self, job, worker)) {
            continue;
        }
        while (granted < wanted && job->ready && grant_frame(self, worker, job)) {
            assign_job(self, now, worker, job);
            granted++;
            job_review(self, now, job);
        }
    }
    return granted;
}

static bool grant_inspection(queue_t *self, struct queue_now now, struct worker *worker)
{
    bool inspector = worker->device_kind == DEVICE_NONE;
    if (self->inspect.count == 0 || !worker->class->kinds[CLAIM_INSPECT]) {
        return false;
    }
    if (!inspector && self->inspect_count > 0) {
        return false; /* a live inspector takes it */
    }
    if (!inspector && (worker->claim_count > 0 || worker->job)) {
        if (!self->drying) {
            self->drying = worker;
            worker_touch(self, worker);
        }
        return false;
    }
    struct job *job = self->inspect.items[0];
    if (self->drying == worker) {
        self->drying = NULL;
    }
    claim_grant(self, worker, CLAIM_INSPECT, job, NULL);
    job_move(self, now, job, JOB_INSPECTING);
    return true;
}

static int unnamed(const struct worker *worker)
{
    int count = 0;
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        count += LINK_ITEM(at, struct claim, of_worker)->named_seq != worker->seq;
    }
    return count;
}

void assign_fill(queue_t *self, struct queue_now now, struct worker *worker)
{
    if (worker->session == 0 || worker->last || !worker->waits || !worker->class) {
        return;
    }
    assign_no_longer_hungry(self, worker);
    int wanted = worker->want - unnamed(worker);
    bool any = false;
    if (worker->drain != DRAIN_NONE || recall_on(worker) || wanted <= 0) {
        return;
    }
    while (wanted > 0 && worker->claim_count < CLAIMS_MAX &&
           (sweep_grant(self, now, worker, false) || grant_inspection(self, now, worker))) {
        wanted--;
        any = true;
    }
    if (!self->paused && worker->class->kinds[CLAIM_RENDER] && wanted > 0 &&
        self->drying != worker && !rest_on(worker)) {
        groups_review(self, now);
        int granted = fill_render(self, now, worker, wanted);
        wanted -= granted;
        any = any || granted > 0;
    }
    if (wanted > 0 && worker->claim_count < CLAIMS_MAX && sweep_grant(self, now, worker, true)) {
        wanted--;
        any = true;
    }
    if (wanted > 0 && worker->claim_count < CLAIMS_MAX && !rest_on(worker)) {
        hungry(worker);
    }
    if (any) {
        worker_touch(self, worker);
    }
}

/* Those on the job first, then those without one. */
static void serve(queue_t *self, struct queue_now now, struct job *job)
{
    size_t left = job->worker_count; /* the list turns: whoever stays hungry goes to its end */
    while (job->ready && left-- > 0 && !link_empty(&job->hungry)) {
        assign_fill(self, now, LINK_ITEM(job->hungry.next, struct worker, hungry));
    }
    for (size_t i = 0; i < self->class_count && job->ready; i++) {
        struct class *class = self->classes[i];
        int in_vain = 0;
        left = class->free_count;
        while (job->ready && left-- > 0 && class->free_count > 0 && in_vain < SERVE_SCAN &&
               fit_class_job(self, job, class) && rows_waiting_for(job, class)) {
            struct worker *worker = LINK_ITEM(class->free.next, struct worker, hungry);
            assign_fill(self, now, worker);
            in_vain += worker->job == NULL;
        }
    }
}

/* Call workers over from jobs of lower priority, the lowest first, as many as there are frames. */
static void call_over(queue_t *self, struct job *job)
{
    for (size_t i = self->ready.count; i-- > 0;) {
        struct job *lower = self->ready.items[i];
        if (lower->priority >= job->priority) {
            return;
        }
        for (struct link *at = lower->workers.next; at != &lower->workers; at = at->next) {
            struct worker *worker = LINK_ITEM(at, struct worker, on_job);
            if ((int64_t)job->incoming_count >= job->counts.by_state[FRAME_WAITING] ||
                !free_for(job, worker)) {
                return;
            }
            if (!worker->moving && worker->class && !rest_on(worker) &&
                may_take(self, job, worker)) {
                move_to(self, worker, job);
            }
        }
    }
}

/* Is there work for this class that is neither a frame nor waits for others? */
static bool other_work(const queue_t *self, const struct class *class)
{
    bool leftovers = self->leftovers.count > 0 &&
                     (class->device_kind == DEVICE_NONE || self->inspector_count == 0);
    return (class->kinds[CLAIM_SWEEP] && (self->sweep.count > 0 || leftovers)) ||
           (class->kinds[CLAIM_INSPECT] && self->inspect.count > 0);
}

static void serve_others(queue_t *self, struct queue_now now)
{
    /* inspectors, and workers without claims, are all in the lists of the free */
    for (size_t i = 0; i < self->class_count; i++) {
        struct class *class = self->classes[i];
        size_t left = class->free_count;
        while (left-- > 0 && class->free_count > 0 && other_work(self, class)) {
            assign_fill(self, now, LINK_ITEM(class->free.next, struct worker, hungry));
        }
    }
}

/* Somebody else has done, or will do, the inspection that a worker was to run dry for. */
static void stop_drying(queue_t *self)
{
    if (self->drying && (self->inspect.count == 0 || self->inspect_count > 0)) {
        struct worker *worker = self->drying;
        self->drying = NULL;
        worker_touch(self, worker);
        self->work = true;
    }
}

void assign_turn(queue_t *self, struct queue_now now)
{
    stop_drying(self);
    if (!self->work) {
        return;
    }
    serve_others(self, now);
    stop_drying(self);
    for (size_t i = 0; i < self->ready.count && !self->paused;) {
        struct job *job = self->ready.items[i];
        serve(self, now, job);
        if (job->ready) {
            call_over(self, job);
        }
        i = list_after(&self->ready, job); /* others may have left the list meanwhile */
    }
    self->work = false; /* what is left nobody here can take now */
}
