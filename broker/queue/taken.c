/* Frames whose files are in somebody else's hands: a heap by when to look again. */

#include "broker/queue/state.h"
#include "proto/alloc.h"

static void put(queue_t *self, size_t at, struct frame *frame)
{
    self->taken[at] = frame;
    frame->more->heap_at = at + 1;
}

static void sift(queue_t *self, size_t at)
{
    struct frame *frame = self->taken[at];
    while (at > 0 && self->taken[(at - 1) / 2]->more->look_ms > frame->more->look_ms) {
        put(self, at, self->taken[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= self->taken_count) {
            break;
        }
        if (child + 1 < self->taken_count &&
            self->taken[child + 1]->more->look_ms < self->taken[child]->more->look_ms) {
            child++;
        }
        if (self->taken[child]->more->look_ms >= frame->more->look_ms) {
            break;
        }
        put(self, at, self->taken[child]);
        at = child;
    }
    put(self, at, frame);
}

void taken_add(queue_t *self, struct frame *frame)
{
    if (self->taken_count == self->taken_room) {
        self->taken_room = self->taken_room ? self->taken_room * 2 : 16;
        self->taken = alloc_resize(self->taken, self->taken_room, sizeof(struct frame *));
    }
    put(self, self->taken_count++, frame);
    sift(self, self->taken_count - 1);
}

void taken_remove(queue_t *self, struct frame *frame)
{
    if (!frame->more || frame->more->heap_at == 0) {
        return;
    }
    size_t at = frame->more->heap_at - 1;
    frame->more->heap_at = 0;
    self->taken_count--;
    if (at < self->taken_count) {
        put(self, at, self->taken[self->taken_count]);
        sift(self, at);
    }
}

void taken_sight(queue_t *self, struct queue_now now, struct job *job, struct frame *frame,
                 const struct frame_sighting *sighting)
{
    (void)self;
    struct frame_more *more = rows_more(job, frame);
    bool same = more->sighted && more->sighting.size_bytes == sighting->size_bytes &&
                more->sighting.mtime_ns == sighting->mtime_ns &&
                more->sighting.inode == sighting->inode;
    if (!same) {
        more->first_seen_ms = now.ms;
    }
    more->sighted = true;
    more->sighting = *sighting;
    int64_t pause = LOOK_FIRST_MS;
    for (int32_t i = 0; i < more->looks && pause < LOOK_MAX_MS; i++) {
        pause *= 2;
    }
    more->looks++;
    more->look_ms = now.ms + (pause < LOOK_MAX_MS ? pause : LOOK_MAX_MS);
}

bool taken_abandoned(struct job *job, const struct frame *frame, struct queue_now now)
{
    if (!frame->more || !frame->more->sighted) {
        return false;
    }
    int64_t timeout = job->taken_timeout_ms;
    if (timeout == 0) {
        int64_t median = rows_median(job);
        timeout = median * 4 > TAKEN_MIN_MS ? median * 4 : TAKEN_MIN_MS;
    }
    return now.ms - frame->more->first_seen_ms >= timeout;
}

void taken_turn(queue_t *self, struct queue_now now)
{
    while (self->taken_count > 0 && self->taken[0]->more->look_ms <= now.ms) {
        struct frame *frame = self->taken[0];
        struct job *job = frame->more->job;
        frame_move(self, job, frame, FRAME_WAITING, NULL);
        job_review(self, now, job);
    }
}
