#ifndef BROKER_QUEUE_PAUSE_H
#define BROKER_QUEUE_PAUSE_H

/*
 * pause - waits that grow, each twice the one before
 */

#include <stdint.h>

#include "broker/queue/link.h"
#include "broker/queue/queue.h"

enum { PAUSE_LEVELS = 6 };

/* A wait of one of a few lengths, each twice the one before. */
struct pause {
    struct link link; /* in a list of pauses while it lasts */
    int64_t until_ms;
    int level;
};

/* All waits of one kind: a list a length, each in the order in which they end. */
struct pauses {
    int64_t length_ms[PAUSE_LEVELS];
    struct link lists[PAUSE_LEVELS];
};

void pauses_init(struct pauses *self, int64_t first_ms, int64_t max_ms);
/* Begin, or begin anew, the wait of its level. */
void pause_begin(struct pauses *self, struct pause *pause, int64_t now_ms);
void pause_grow(struct pause *pause);
/* One whose time has come, or NULL. */
struct pause *pauses_due(const struct pauses *self, int64_t now_ms);
int64_t pauses_deadline(const struct pauses *self);                     /* INT64_MAX = never */
int64_t pause_wall_ms(const struct pause *pause, struct queue_now now); /* when it ends */
int64_t pause_left_s(const struct pause *pause, struct queue_now now);

#endif
