#ifndef BROKER_PRESENCE_H
#define BROKER_PRESENCE_H

/*
 * presence - who is there, and whether the broker may leave
 *
 * Attendants keep it, workers keep it; one that nobody owns leaves when nothing happens. Told to
 * stop softly it waits for everybody, told to stop now for a short while. It also finds workers
 * of this machine that had claims when the last broker ended and did not outlive it.
 */

#include "broker/broker.h"

struct presence {
    struct broker *broker; /* borrowed */
    int64_t owner_pid;     /* who started it */
    int64_t idle_exit_ms;  /* 0: it stays */
    int64_t busy_ms;       /* when something happened last */
    int64_t absent_ms;     /* when to look at absent workers again; INT64_MAX: there are none */
};

void presence_init(struct presence *self, struct broker *broker, int64_t idle_exit_ms);

/* The owner has let go: from now on it leaves soon after everybody else has. */
void presence_disown(struct presence *self);

/* Does anybody but the owner, who is gone, attend it? */
bool presence_is_used(const struct presence *self);

/* Stop, or stop now what has been stopping softly. */
void presence_stop(struct broker *broker, struct queue_now now, enum drain_order order);

/* Forget who is gone; before a commit. asked_ms: when a submitter asked last. */
void presence_look(struct presence *self, struct queue_now now, int64_t asked_ms);

/* The broker ends itself: so do all attendants, as far as the ledger tells. */
void presence_end(struct presence *self, struct queue_now now);

/* Has it stopped, and may leave? */
bool presence_is_over(const struct presence *self, int64_t now_ms);

/* When the two above have something to do; INT64_MAX = never. */
int64_t presence_deadline(struct presence *self, int64_t now_ms, int64_t asked_ms);

#endif
