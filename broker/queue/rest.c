/* Rests: a worker whose machine is in trouble, or that fails everything, gets no frames. */

#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

struct standing *rest_standing(queue_t *self, const char *name)
{
    struct standing *standing = map_get(&self->standings, words_key(name));
    if (!standing) {
        standing = alloc_zero(1, sizeof *standing);
        standing->name = name;
        map_put(&self->standings, words_key(name), standing);
    }
    return standing;
}

void rest_free(queue_t *self)
{
    for (size_t i = 0; i < self->standings.size; i++) {
        struct standing *standing = self->standings.slots[i].value;
        if (standing) {
            json_decref(standing->error);
            json_decref(standing->recall_error);
            free(standing);
        }
    }
    map_clear(&self->standings);
}

static bool in_trouble(const struct worker *worker)
{
    return worker->standing && link_in_list(&worker->standing->rest.link);
}

bool rest_on(const struct worker *worker)
{
    return in_trouble(worker) || recall_on(worker) || worker->own_rest;
}

int64_t rest_until(const struct worker *worker, struct queue_now now)
{
    return in_trouble(worker) && !recall_on(worker) ? pause_wall_ms(&worker->standing->rest, now)
                                                    : 0;
}

void rest_begin(queue_t *self, struct queue_now now, struct worker *worker,
                const struct queue_report *why)
{
    struct standing *standing = worker->standing;
    const char *text = why->text ? why->text : "";
    if (in_trouble(worker)) {
        return; /* another frame that it held goes the same way */
    }
    pause_begin(&self->rests, &standing->rest, now.ms);
    self->rest_count++;
    json_decref(standing->error);
    standing->error = json_pack("{s:s, s:s, s:s}", "code", why->code, "text", text, "hint",
                                why->hint ? why->hint : "");
    change_event(self, now, EVENT_WORKER_RESTING, event_of(NULL, standing->name),
                 alloc_format("%s: %s; resting %lld s", why->code, text,
                              (long long)(standing->rest.until_ms - now.ms) / 1000));
    pause_grow(&standing->rest);
    assign_stop_moving(worker);
    worker_touch(self, worker); /* it is to give back what it has not begun */
}

void rest_own(queue_t *self, struct queue_now now, struct worker *worker,
              const struct queue_rest_reason *why)
{
    bool rests = why && why->code;
    bool rested = worker->own_rest != NULL;
    json_decref(worker->own_rest);
    worker->own_rest =
        rests ? json_pack("{s:s, s:s, s:s}", "code", why->code, "text", why->text ? why->text : "",
                          "hint", why->hint ? why->hint : "")
              : NULL;
    if (rests == rested) {
        return;
    }
    if (!rests) {
        self->own_rest_count--;
        self->work = true;
    } else {
        self->own_rest_count++;
        change_event(self, now, EVENT_WORKER_RESTING, event_of(NULL, worker->name),
                     alloc_format("%s: %s", why->code, why->text ? why->text : ""));
        assign_no_longer_hungry(self, worker);
        assign_stop_moving(worker);
    }
    worker_touch(self, worker);
}

/* One that fits the job and rests by its own decision: why. */
json_t *rest_own_first(queue_t *self, struct job *job)
{
    for (struct link *at = self->heard.next; self->own_rest_count > 0 && at != &self->heard;
         at = at->next) {
        const struct worker *worker = LINK_ITEM(at, struct worker, heard);
        if (worker->own_rest && worker->class && fit_class_job(self, job, worker->class)) {
            return worker->own_rest;
        }
    }
    return NULL;
}

static void end(queue_t *self, struct standing *standing)
{
    link_remove(&standing->rest.link);
    self->rest_count--;
    json_decref(standing->error);
    standing->error = NULL;
}

void rest_done(queue_t *self, struct worker *worker)
{
    struct standing *standing = worker->standing;
    const char *code = json_string_value(json_object_get(standing->error, "code"));
    standing->rest.level = 0;
    if (in_trouble(worker) && code && strcmp(code, REST_FAILING) == 0) {
        end(self, standing); /* it does not fail everything: this was still under way */
        worker_touch(self, worker);
    }
}

void rest_turn(queue_t *self, struct queue_now now)
{
    struct pause *pause;
    while ((pause = pauses_due(&self->rests, now.ms)) != NULL) {
        struct standing *standing = LINK_ITEM(pause, struct standing, rest);
        struct worker *worker = map_get(&self->by_name, words_key(standing->name));
        end(self, standing);
        if (worker) {
            worker_touch(self, worker);
            assign_fill(self, now, worker);
        }
    }
}

const struct standing *rest_first(queue_t *self, struct job *job)
{
    const struct standing *first = NULL;
    for (struct link *at = self->heard.next; at != &self->heard; at = at->next) {
        const struct worker *worker = LINK_ITEM(at, struct worker, heard);
        if (in_trouble(worker) && worker->class && fit_class_job(self, job, worker->class) &&
            (!first || worker->standing->rest.until_ms < first->rest.until_ms)) {
            first = worker->standing;
        }
    }
    return first;
}
