/* Devices that their owner has back: their workers rest until they are woken. */

#include "broker/queue/recall.h"

#include "broker/queue/state.h"
#include "proto/alloc.h"

enum drain_order recall_order(const struct worker *worker)
{
    return worker->standing ? worker->standing->recall : DRAIN_NONE;
}

bool recall_on(const struct worker *worker)
{
    return recall_order(worker) != DRAIN_NONE;
}

const struct standing *recall_first(queue_t *self, struct job *job)
{
    for (struct link *at = self->heard.next; self->recall_count > 0 && at != &self->heard;
         at = at->next) {
        const struct worker *worker = LINK_ITEM(at, struct worker, heard);
        if (recall_on(worker) && worker->class && fit_class_job(self, job, worker->class)) {
            return worker->standing;
        }
    }
    return NULL;
}

static void set_error(struct standing *standing, enum drain_order rest)
{
    json_decref(standing->recall_error);
    standing->recall_error = NULL;
    if (rest != DRAIN_NONE) {
        CLEANUP(cleanup_free) char *hint = alloc_format("dblend wake %s", standing->name);
        standing->recall_error = json_pack("{s:s, s:s, s:s}", "code", "recalled", "text",
                                           "its device was given back", "hint", hint);
    }
}

static void begin(queue_t *self, struct worker *worker)
{
    assign_no_longer_hungry(self, worker);
    assign_stop_moving(worker);
    if (self->drying == worker) {
        self->drying = NULL; /* somebody else is to do the inspection */
        self->work = true;
    }
}

static void note(queue_t *self, struct queue_now now, const struct standing *standing)
{
    static const char *const texts[] = {
        [DRAIN_SOFT] = "its device is given back once what renders is finished",
        [DRAIN_NOW] = "its device is given back at once",
    };
    enum drain_order rest = standing->recall;
    enum event_word word = rest == DRAIN_NONE ? EVENT_WORKER_WOKEN : EVENT_WORKER_RESTING;
    change_event(self, now, word, event_of(NULL, standing->name),
                 rest == DRAIN_NONE ? NULL : alloc_text(texts[rest]));
}

int queue_rest(queue_t *self, struct queue_now now, const char *name, enum drain_order rest)
{
    const char *kept = words_find(&self->names, name);
    struct worker *worker = kept ? map_get(&self->by_name, words_key(kept)) : NULL;
    struct standing *standing = kept ? map_get(&self->standings, words_key(kept)) : NULL;
    bool known =
        standing &&
        (standing->recall != DRAIN_NONE ||
         (worker && worker->session != 0 && worker->class && worker->device_kind != DEVICE_NONE));
    if (!known) {
        return QUEUE_NO_WORKER;
    }
    if (rest == standing->recall || (rest == DRAIN_SOFT && standing->recall == DRAIN_NOW)) {
        return QUEUE_SAME;
    }
    self->recall_count += standing->recall == DRAIN_NONE;
    self->recall_count -= rest == DRAIN_NONE;
    standing->recall = rest;
    set_error(standing, rest);
    note(self, now, standing);
    if (worker && rest != DRAIN_NONE) {
        begin(self, worker);
    }
    if (worker) {
        worker_touch(self, worker); /* its orders are others */
    }
    return QUEUE_OK;
}
