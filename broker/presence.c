#include "broker/presence.h"

#include <inttypes.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/log.h"
#include "proto/process.h"

enum {
    STOP_NOW_MS = 10000, /* who does not give back what it has is not waited for longer */
    STOP_IDLE_MS = 1000, /* nor, while nobody has anything, who does not leave */
    STOPPING_LOOK_MS = 100,
    ABSENT_LOOK_MS = 500,
    DISOWNED_IDLE_MS = 3000, /* whoever used it when its owner let go has left since */
};

void presence_init(struct presence *self, struct broker *broker, int64_t idle_exit_ms)
{
    *self = (struct presence){
        .broker = broker,
        .owner_pid = getppid(),
        .idle_exit_ms = idle_exit_ms,
        .busy_ms = clock_mono_ms(),
    };
}

void presence_disown(struct presence *self)
{
    self->broker->idle_exit = true;
    self->idle_exit_ms = DISOWNED_IDLE_MS;
    self->busy_ms = clock_mono_ms();
}

void presence_stop(struct broker *broker, struct queue_now now, enum drain_order order)
{
    if (broker->stop < order) {
        broker->stop = order;
        broker->stop_at = now.ms;
        queue_drain_all(broker->queue, now, order);
    }
}

/* ---- attendants ---- */

static int64_t silence_ms(const struct broker *broker)
{
    return broker->stop == DRAIN_NONE ? ATTEND_SILENCE_MS : ATTEND_STOPPING_MS;
}

static bool is_dead(int64_t pid)
{
    return pid > INT32_MAX || process_start((pid_t)pid) < 0;
}

/* The pipe of an owner ends a moment before its process has: so it is not asked whether it lives.
 */
bool presence_is_used(const struct presence *self)
{
    return attend_others(self->broker->attend, self->owner_pid, is_dead);
}

/* Who was silent for so long has stopped. A broker that stops now waits for no dead ones. */
static void forget_attendants(struct broker *broker, struct queue_now now, int64_t silent_ms)
{
    int64_t pid = 0;
    enum attend_role role = ATTEND_FARM;
    while (attend_expire(broker->attend, now.ms, silent_ms, &pid, &role) ||
           (broker->stop == DRAIN_NOW && attend_drop(broker->attend, is_dead, &pid, &role))) {
        if (role == ATTEND_FARM) {
            CLEANUP(cleanup_free) char *text = alloc_format("process %" PRId64, pid);
            queue_event(broker->queue, now, EVENT_FARM_STOPPED, text);
        }
    }
}

void presence_end(struct presence *self, struct queue_now now)
{
    forget_attendants(self->broker, now, 0);
}

/* ---- workers that do not come back ---- */

static bool still_runs(const struct broker *broker, const struct queue_process *process)
{
    return process->boot == broker->boot && process_start((pid_t)process->pid) == process->start;
}

static void look_at_absent(struct presence *self, struct queue_now now)
{
    struct broker *broker = self->broker;
    const char *id = NULL;
    struct queue_process process;
    if (now.ms < self->absent_ms) {
        return;
    }
    self->absent_ms = INT64_MAX;
    while (queue_absent_next(broker->queue, &id, &process) == QUEUE_OK) {
        if (still_runs(broker, &process)) {
            self->absent_ms = now.ms + ABSENT_LOOK_MS;
        } else {
            log_info("a worker is gone since the last broker: process %" PRId64, process.pid);
            queue_absent_gone(broker->queue, now, id);
            id = NULL; /* the list is another one now */
        }
    }
}

/* ---- leaving ---- */

/* When a broker that nobody owns leaves; INT64_MAX: not. */
static int64_t idle_deadline(struct presence *self, int64_t now_ms, int64_t asked_ms)
{
    if (self->idle_exit_ms == 0 || self->broker->stop != DRAIN_NONE) {
        return INT64_MAX;
    }
    struct queue_stats stats;
    queue_live(self->broker->queue, &stats);
    if (stats.workers > 0 || stats.claims > 0 || attend_count(self->broker->attend) > 0) {
        self->busy_ms = now_ms;
    }
    int64_t since = asked_ms > self->busy_ms ? asked_ms : self->busy_ms;
    return since + self->idle_exit_ms;
}

void presence_look(struct presence *self, struct queue_now now, int64_t asked_ms)
{
    forget_attendants(self->broker, now, silence_ms(self->broker));
    look_at_absent(self, now);
    if (idle_deadline(self, now.ms, asked_ms) <= now.ms) {
        log_info("leave: nothing happened and nobody asked");
        presence_stop(self->broker, now, DRAIN_NOW);
    }
}

/* When a broker that stops now has waited long enough for workers; INT64_MAX: it waits. */
static int64_t patience_deadline(const struct broker *broker, const struct queue_stats *stats)
{
    if (broker->stop != DRAIN_NOW) {
        return INT64_MAX;
    }
    return broker->stop_at + (stats->claims > 0 ? STOP_NOW_MS : STOP_IDLE_MS);
}

bool presence_is_over(const struct presence *self, int64_t now_ms)
{
    const struct broker *broker = self->broker;
    struct queue_stats stats;
    queue_live(broker->queue, &stats);
    if (broker->stop == DRAIN_NONE) {
        return false;
    }
    return (stats.workers + stats.inspectors == 0 && attend_count(broker->attend) == 0) ||
           patience_deadline(broker, &stats) <= now_ms;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t presence_deadline(struct presence *self, int64_t now_ms, int64_t asked_ms)
{
    const struct broker *broker = self->broker;
    struct queue_stats stats;
    queue_live(broker->queue, &stats);
    int64_t due = attend_deadline(broker->attend, silence_ms(broker));
    due = earlier(due, idle_deadline(self, now_ms, asked_ms));
    due = earlier(due, self->absent_ms);
    due = earlier(due, patience_deadline(broker, &stats));
    if (broker->stop == DRAIN_NOW && attend_count(broker->attend) > 0) {
        due = earlier(due, now_ms + STOPPING_LOOK_MS);
    }
    return due;
}
