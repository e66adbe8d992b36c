#ifndef TESTS_FUZZ_FARM_H
#define TESTS_FUZZ_FARM_H

/*
 * farm - the broker behind its sockets, on a ledger in memory, and what must always hold of it
 *
 * Turns are those of broker/loop.c: apply, commit, answer, expire. Time is the target's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "broker/broker.h"
#include "broker/submitters.h"
#include "broker/workers.h"

struct farm {
    struct broker broker;
    workers_t *workers;
    submitters_t *submitters;
    struct queue_now now;
    int64_t first_session;
    bool full;  /* the disk: nothing can be written */
    bool stuck; /* a transaction waits for room: nothing is read until then */
};

/* An empty ledger and a broker on it. The ledger is made once. */
void farm_open(struct farm *self);
void farm_close(struct farm *self);

/* Kill the broker: what was not committed is gone. Then start one on the same ledger. */
void farm_restart(struct farm *self);

/* Read what lies on both sockets. */
void farm_read(struct farm *self);

/* Commit, answer, expire, until nothing is left to do. Checks what must hold afterwards. */
void farm_turn(struct farm *self);

/* A queue that is loaded from the ledger says of every job and frame what the live one says. */
void farm_check_ledger(struct farm *self);

/* The frame of a live claim, so that nobody else has it. false: not live. */
bool farm_claim(const struct farm *self, int64_t claim, int64_t *job, int32_t *frame);

#endif
