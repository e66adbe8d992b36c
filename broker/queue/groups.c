/* Cards of one machine that work together while there are fewer frames than cards. */

#include "broker/queue/groups.h"

#include "broker/queue/state.h"

enum { JOBS_SCAN = 64 }; /* that nobody here can take, before the rest is left to a later look */

/* What could be grouped now, and for how much. */
struct pool {
    int64_t cards;  /* of idle workers, or still to come */
    int64_t there;  /* of all live ones */
    int64_t coming; /* of those that are still to come */
    int64_t frames; /* that want a worker each */
    bool begun;     /* some of them are of a job that others render already */
};

static struct worker *item(struct link *at)
{
    return LINK_ITEM(at, struct worker, grouping.link);
}

void groups_leave(struct worker *worker)
{
    link_remove(&worker->grouping.link);
    worker->grouping.of = 0;
}

void groups_join(queue_t *self, struct queue_now now, struct worker *worker,
                 const struct queue_ready *ready)
{
    groups_leave(worker);
    worker->grouping.cards = ready->cards > 0 ? ready->cards : 1;
    worker->grouping.of = ready->regroups;
    worker->grouping.largest_bytes = ready->cards > 1 ? ready->largest_bytes : 0;
    if (ready->regroups > 0) {
        self->groups.first_ms = link_empty(&self->groups.workers) ? now.ms : self->groups.first_ms;
        link_append(&self->groups.workers, &worker->grouping.link);
    }
}

static bool is_leaving(const struct worker *worker)
{
    return worker->drain != DRAIN_NONE || worker->state == WORKER_DRAINING;
}

/* What it has in proof does not need its cards any more. */
static bool is_idle(const struct worker *worker)
{
    return worker->class && !worker->job && assign_unproven(worker) == 0 && !rest_on(worker) &&
           !is_leaving(worker);
}

/* Who could begin the job, or NULL. */
static const struct worker *taker(queue_t *self, struct job *job)
{
    for (struct link *at = self->groups.workers.next; at != &self->groups.workers; at = at->next) {
        const struct worker *worker = item(at);
        if (is_idle(worker) && !block_on(job, worker->name) &&
            fit_class_job(self, job, worker->class) && rows_waiting_for(job, worker->class)) {
            return worker;
        }
    }
    return NULL;
}

/* A group has the memory of its smallest card: is the job known to be too large for one here? */
static bool is_large(const queue_t *self, const struct job *job)
{
    const struct link *head = &self->groups.workers;
    bool large = job->row.memory.too_small > 0 || !link_empty(&job->need.large);
    for (struct link *at = head->next; at != head && !large; at = at->next) {
        large = item(at)->class && memory_excludes(job, item(at)->class);
    }
    return large;
}

bool groups_have(queue_t *self, int64_t bytes)
{
    const struct link *head = &self->groups.workers;
    for (struct link *at = head->next; at != head; at = at->next) {
        if (item(at)->grouping.largest_bytes > bytes && !rest_on(item(at))) {
            return true;
        }
    }
    return false;
}

/* How many workers the job has use for. Engines but Cycles render on one card of a group. */
static int64_t wanted(queue_t *self, struct job *job, int64_t cards)
{
    const struct worker *worker = taker(self, job);
    bool large = is_large(self, job);
    if (!worker) {
        return large && groups_have(self, memory_needed(job)) ? cards : 0;
    }
    if (job->draws && worker->draws_shared) {
        return 0; /* one worker of the host takes it, whatever its cards are */
    }
    if (large) {
        return cards;
    }
    if (job->by_cycles && job->ordered) {
        return job->worker_count == 0;
    }
    return job->by_cycles ? job->counts.by_state[FRAME_WAITING] : cards;
}

static void count_cards(const queue_t *self, struct queue_now now, struct pool *out)
{
    const struct link *head = &self->groups.workers;
    int64_t of = 0;
    for (struct link *at = head->next; at != head; at = at->next) {
        const struct worker *worker = item(at);
        int64_t cards = is_leaving(worker) ? 0 : worker->grouping.cards;
        of = worker->grouping.of > of ? worker->grouping.of : of;
        out->there += cards;
        out->cards += is_idle(worker) ? cards : 0;
    }
    if (now.ms < self->groups.first_ms + GROUPS_COMING_MS && of > out->there) {
        out->coming = of - out->there;
        out->cards += out->coming;
    }
}

static void count_frames(queue_t *self, struct pool *out)
{
    size_t count = self->paused ? 0 : self->ready.count;
    for (size_t i = 0; i < count && i < JOBS_SCAN && out->frames < out->cards; i++) {
        struct job *job = self->ready.items[i];
        int64_t more = wanted(self, job, out->cards);
        out->frames += more;
        out->begun = out->begun || (more > 0 && job->worker_count > 0);
    }
}

static int64_t size_for(int64_t cards, int64_t frames)
{
    return frames <= 0 ? 0 : frames >= cards ? 1 : cards / frames;
}

/* Is one of the idle workers of a size that is worth changing? */
static bool is_worth(const queue_t *self, int64_t size)
{
    const struct link *head = &self->groups.workers;
    for (struct link *at = head->next; at != head; at = at->next) {
        const struct worker *worker = item(at);
        int64_t cards = worker->grouping.cards;
        if (is_idle(worker) && (cards > size || size >= 2 * cards)) {
            return true;
        }
    }
    return false;
}

/* All that can be of this size are, and nobody is missing. */
static bool is_granted(const queue_t *self, const struct pool *pool)
{
    const struct groups *groups = &self->groups;
    for (struct link *at = groups->workers.next; at != &groups->workers; at = at->next) {
        const struct worker *worker = item(at);
        if (is_idle(worker) && worker->grouping.cards != groups->size) {
            return false;
        }
    }
    return pool->there > groups->there - groups->size;
}

static void end_wish(queue_t *self)
{
    self->groups.until_ms = 0;
    self->work = true; /* who waited for it need wait no longer */
}

void queue_group_refused(queue_t *self, struct queue_now now)
{
    if (self->groups.until_ms != 0) {
        self->groups.quiet_ms = now.ms + GROUPS_QUIET_MS;
        end_wish(self);
    }
}

/* While a wish lasts the cards come and go: only more frames make it another one. */
static void review_wish(queue_t *self, struct queue_now now, const struct pool *pool)
{
    struct groups *groups = &self->groups;
    if (now.ms >= groups->until_ms) {
        queue_group_refused(self, now);
        return;
    }
    if (self->ready.count == 0) {
        end_wish(self);
        return;
    }
    if (pool->frames > groups->frames) {
        groups->frames = pool->frames;
        groups->size = size_for(groups->cards, pool->frames);
    }
    if (is_granted(self, pool)) {
        end_wish(self);
    }
}

void groups_review(queue_t *self, struct queue_now now)
{
    struct groups *groups = &self->groups;
    struct pool pool = { .frames = 0 };
    if (link_empty(&groups->workers) && groups->until_ms == 0) {
        return;
    }
    count_cards(self, now, &pool);
    count_frames(self, &pool);
    if (groups->until_ms != 0) {
        review_wish(self, now, &pool);
        return;
    }
    int64_t size = size_for(pool.cards, pool.frames);
    if (size == 0 || (size > 1 && pool.begun) || now.ms < groups->quiet_ms ||
        !is_worth(self, size)) {
        return;
    }
    groups->until_ms = now.ms + GROUPS_PATIENCE_MS;
    groups->size = size;
    groups->frames = pool.frames;
    groups->cards = pool.cards;
    groups->there = pool.there + pool.coming;
}

void groups_turn(queue_t *self, struct queue_now now)
{
    if (now.ms >= groups_deadline(self)) {
        groups_review(self, now);
    }
}

int64_t groups_deadline(const queue_t *self)
{
    return self->groups.until_ms ? self->groups.until_ms : INT64_MAX;
}

bool groups_allow(const queue_t *self, const struct job *job, const struct worker *worker)
{
    return worker->grouping.of == 0 || worker->job || self->groups.until_ms == 0 ||
           worker->grouping.cards == self->groups.size || (job->draws && worker->draws_shared);
}

bool groups_coming(const queue_t *self, const struct worker *worker)
{
    return worker->grouping.of > 0 && self->groups.until_ms != 0;
}

int64_t queue_group_size(const queue_t *self)
{
    return self->groups.until_ms ? self->groups.size : 0;
}
