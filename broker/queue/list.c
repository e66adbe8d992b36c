/* Sorted lists of jobs. */

#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

static bool before(const struct job_list *self, const struct job *a, const struct job *b)
{
    if (!self->by_age && a->priority != b->priority) {
        return a->priority > b->priority;
    }
    return a->row.job < b->row.job;
}

/* The first place whose job does not come before this one. */
static size_t place(const struct job_list *self, const struct job *job)
{
    size_t low = 0;
    size_t high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (before(self, self->items[middle], job)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void list_add(struct job_list *self, struct job *job)
{
    size_t at = place(self, job);
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->items = alloc_resize(self->items, self->room, sizeof(struct job *));
    }
    memmove(self->items + at + 1, self->items + at, (self->count - at) * sizeof(struct job *));
    self->items[at] = job;
    self->count++;
}

void list_remove(struct job_list *self, struct job *job)
{
    size_t at = place(self, job);
    if (at < self->count && self->items[at] == job) {
        self->count--;
        memmove(self->items + at, self->items + at + 1, (self->count - at) * sizeof(struct job *));
    }
}

size_t list_after(const struct job_list *self, const struct job *job)
{
    size_t at = place(self, job);
    return at < self->count && self->items[at] == job ? at + 1 : at;
}
