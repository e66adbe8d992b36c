#ifndef TESTS_BROKER_QUEUE_LOOKS_H
#define TESTS_BROKER_QUEUE_LOOKS_H

/*
 * looks - workers of the simulation that render jobs and look at their pictures
 */

#include "sim.h"

struct sim_worker *looks_ready(struct sim *sim, const char *name);

/* Gets and finishes this many frames, so that a look may follow; the next claim is not reported. */
void looks_render(struct sim *sim, struct sim_worker *worker, int frames);

/* A job whose frames 1 to count are done, its first look in the worker's hands. */
int64_t looks_begun(struct sim *sim, struct sim_worker *worker, int count);

struct queue_sweep looks_piece(struct sim *sim, const struct sim_worker *worker);

/* The worker looks, and finds one frame wrong (0: none); then it asks for more. */
void looks_look(struct sim *sim, struct sim_worker *worker, int frame, const char *code);

/* Time goes by, and the worker asks again. */
void looks_later(struct sim *sim, struct sim_worker *worker, int64_t ms);

void looks_expect_done(struct sim *sim, struct sim_worker *worker, int64_t job);

/* A job of this many done frames that has ended. */
int64_t looks_done_job(struct sim *sim, struct sim_worker *worker, int count);

#endif
