/* Waits that grow: lists instead of a heap, for there are few lengths and time only goes on. */

#include "broker/queue/state.h"

void pauses_init(struct pauses *self, int64_t first_ms, int64_t max_ms)
{
    for (size_t i = 0; i < PAUSE_LEVELS; i++) {
        int64_t length_ms = first_ms << i;
        self->length_ms[i] = length_ms < max_ms ? length_ms : max_ms;
        link_init(&self->lists[i]);
    }
}

void pause_begin(struct pauses *self, struct pause *pause, int64_t now_ms)
{
    pause->until_ms = now_ms + self->length_ms[pause->level];
    link_append(&self->lists[pause->level], &pause->link);
}

void pause_grow(struct pause *pause)
{
    if (pause->level + 1 < PAUSE_LEVELS) {
        pause->level++;
    }
}

static struct pause *first_of(const struct link *list)
{
    return link_empty(list) ? NULL : LINK_ITEM(list->next, struct pause, link);
}

struct pause *pauses_due(const struct pauses *self, int64_t now_ms)
{
    for (size_t i = 0; i < PAUSE_LEVELS; i++) {
        struct pause *pause = first_of(&self->lists[i]);
        if (pause && pause->until_ms <= now_ms) {
            return pause;
        }
    }
    return NULL;
}

int64_t pauses_deadline(const struct pauses *self)
{
    int64_t deadline = INT64_MAX;
    for (size_t i = 0; i < PAUSE_LEVELS; i++) {
        const struct pause *pause = first_of(&self->lists[i]);
        if (pause && pause->until_ms < deadline) {
            deadline = pause->until_ms;
        }
    }
    return deadline;
}

int64_t pause_wall_ms(const struct pause *pause, struct queue_now now)
{
    return now.wall_ms + (pause->until_ms - now.ms);
}

int64_t pause_left_s(const struct pause *pause, struct queue_now now)
{
    return pause->until_ms > now.ms ? (pause->until_ms - now.ms + 999) / 1000 : 0;
}
