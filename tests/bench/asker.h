#ifndef BENCH_ASKER_H
#define BENCH_ASKER_H

/*
 * asker - a submitter: jobs by the batch, or HELLO again and again
 */

#include <stdint.h>

#include "tests/bench/talk.h"

/* Shared by all askers of a run. */
struct asker_run {
    int64_t left;    /* jobs still to be submitted; ignored for HELLO */
    int64_t batch;   /* jobs a request; 0: HELLO */
    int32_t frames;  /* each of them */
    uint64_t jobs;   /* taken by the broker */
    uint64_t number; /* of the next job, for its file name */
};

struct asker {
    struct asker_run *run;
    int64_t asked; /* jobs in the request that waits */
};

extern const struct talk asker_talk;

#endif
