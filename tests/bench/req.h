#ifndef BENCH_REQ_H
#define BENCH_REQ_H

/*
 * req - a talk over REQ sockets of libzmq, as real workers have them
 *
 * They cost the machine much more than the broker does; what a farm of local workers reaches on
 * few cores is seen with them.
 */

#include "tests/bench/talk.h"
#include "tests/bench/tally.h"

typedef struct req req_t;

req_t *req_new(const struct talk *talk);
void req_destroy(req_t **self_p);

/* One more socket; peer is the talk's. */
void req_add(req_t *self, const char *endpoint, void *peer);

struct tally *req_tally(req_t *self);

/* As engine_supersede; libzmq leaves out older answers by itself. */
void req_supersede(req_t *self);

/* As engine_run. */
void req_run(req_t *self, double seconds, bool (*done)(void *context), void *context);

#endif
