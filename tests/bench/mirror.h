#ifndef BENCH_MIRROR_H
#define BENCH_MIRROR_H

/*
 * mirror - workers before a ROUTER that sends everything back: the ceiling of what they can reach
 *
 * They make the SYNCs of workers with one claim at a time. What comes back is left unread; an
 * answer as the broker gives it is taken in its place. So all that differs from workers of a
 * broker is the broker.
 */

#include "tests/bench/hand.h"

struct mirror {
    struct hand hand;
    const struct mirror_answers *answers;
};

/* As the broker answers: to a frame that was begun, and to one that was finished. */
struct mirror_answers {
    msgpack_sbuffer begun, finished;
};

extern const struct talk mirror_talk;

void mirror_answers_init(struct mirror_answers *self);
void mirror_answers_destroy(struct mirror_answers *self);

/* run is as of workers; answers are borrowed. */
void mirror_init(struct mirror *self, struct hand_run *run, const struct mirror_answers *answers,
                 unsigned number);

#endif
