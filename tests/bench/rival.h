#ifndef BENCH_RIVAL_H
#define BENCH_RIVAL_H

/*
 * rival - the cycle of a job in the queues that a user would take instead
 *
 * Each peer puts a job of 100 bytes, reserves one and finishes it, and waits for each answer;
 * beanstalkd, redis (LPUSH, RPOPLPUSH, LREM) and gearmand (a background job with a unique key).
 * gearmand has no answer to a job that is done.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/engine.h"

enum { RIVAL_JOB_BYTES = 100 };

struct rival_run {
    bool working;
    uint64_t cycles; /* jobs that went all the way */
};

struct rival {
    struct rival_run *run;
    unsigned number;
    unsigned step;
    uint64_t count;                /* of its jobs */
    char job[RIVAL_JOB_BYTES + 1]; /* what it last reserved (redis) */
    char id[64];                   /* its name there (beanstalkd, gearmand) */
    bool known;                    /* gearmand was told what it can do */
};

/* By name: "beanstalkd", "redis", "gearmand"; NULL: none of them. */
const struct engine_talk *rival_talk(const char *name);

#endif
