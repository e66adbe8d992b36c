#ifndef BROKER_QUEUE_GROUPS_H
#define BROKER_QUEUE_GROUPS_H

/*
 * groups - cards of one machine that work together while there are fewer frames than cards
 *
 * Who started the workers of a machine's cards (`farm`, `render`) can end idle ones and start
 * others that have their cards in groups, or one card each again: READY says so. Only the broker
 * knows how many frames wait, and it must not give a still to the first single card that asks
 * while all four could render it together. So when the idle cards would better be grouped
 * otherwise, it wishes for a size: those who attend are told it, and until the workers are there,
 * or GROUPS_PATIENCE_MS are over, those of another size get no such frames. A worker that has a
 * job keeps it, and groups are made larger only when that halves the time of a frame: so nothing
 * is ended that renders, and nothing goes to and fro.
 */

#include <stdbool.h>
#include <stdint.h>

#include "broker/queue/link.h"
#include "broker/queue/queue.h"

struct job;
struct worker;

#define GROUPS_PATIENCE_MS 30000 /* a driver may need some of it for eight cards */
#define GROUPS_QUIET_MS 120000   /* before a wish that was not granted is told again */
#define GROUPS_COMING_MS 10000   /* the other workers of an owner that has just begun */

/* Of the queue; all zero: no wish. */
struct groups {
    struct link workers; /* of worker.grouping.link: live ones whose cards can be regrouped */
    int64_t first_ms;    /* when the first of them came */
    int64_t until_ms;    /* end of the wish; 0 = there is none */
    int64_t quiet_ms;    /* no wish before this */
    int64_t size;        /* so many cards a group; 1: each alone */
    int64_t frames;      /* which the wish is for */
    int64_t cards;       /* that were idle, or still to come, */
    int64_t there;       /* and idle or not, when it began */
};

/* Of a worker. */
struct grouping {
    struct link link;
    int64_t cards;         /* of its device */
    int64_t of;            /* so many its owner shares out; 0: nobody regroups them */
    int64_t largest_bytes; /* of a group: what one of its cards would have alone; 0 = not known */
};

void groups_join(queue_t *self, struct queue_now now, struct worker *worker,
                 const struct queue_ready *ready);
void groups_leave(struct worker *worker);

/* Begin or end a wish: before anything is given to such workers. */
void groups_review(queue_t *self, struct queue_now now);
void groups_turn(queue_t *self, struct queue_now now);
int64_t groups_deadline(const queue_t *self); /* INT64_MAX = never */

/* May it begin the job with the cards that it has? */
bool groups_allow(const queue_t *self, const struct job *job, const struct worker *worker);

/* Is there a group with a card that has more than this, alone? */
bool groups_have(queue_t *self, int64_t bytes);

/* Are other groups on their way, so that it is to leave what it need not take? */
bool groups_coming(const queue_t *self, const struct worker *worker);

#endif
