#ifndef TESTS_BROKER_QUEUE_TROUBLE_H
#define TESTS_BROKER_QUEUE_TROUBLE_H

/*
 * trouble - workers of the sim whose attempts end badly, and what is shown of it
 */

#include "sim.h"

struct trouble_list {
    size_t count;
    struct blocked_view views[8];
};

/* A worker that is there and has asked for a frame. */
struct sim_worker *trouble_ready(struct sim *sim, const char *name);

/* The first frame it holds (it gets one if it has none) ends with that error, or well. */
void trouble_fail(struct sim *sim, struct sim_worker *worker, const char *code);
void trouble_finish(struct sim *sim, struct sim_worker *worker);

/* It renders, and is lost. */
void trouble_lose(struct sim *sim, struct sim_worker *worker);

/* It gives back what it has, and its job. */
void trouble_give_back(struct sim *sim, struct sim_worker *worker);

/* Time passes while they (NULL-terminated) keep in touch. */
void trouble_wait_all(struct sim *sim, struct sim_worker **workers, int64_t ms);
void trouble_wait(struct sim *sim, struct sim_worker *worker, int64_t ms);

/* Of an error; "" of none. */
const char *trouble_code(const json_t *error);
const char *trouble_text(const json_t *error);

struct worker_view trouble_worker(struct sim *sim, const char *name);
struct trouble_list trouble_blocked(struct sim *sim, int64_t job);

#endif
