#ifndef BENCH_HAND_H
#define BENCH_HAND_H

/*
 * hand - a simulated worker that renders nothing: claims, reports, claims again
 *
 * It says what a real one says (PROTOCOL.md 2): READY, then SYNC with what it holds and what
 * happened. Inspections find `frames` frames in a folder of each job's own, sweeps find nothing
 * wrong. Its last word is `leave`: a worker that is only gone keeps what it holds for a lease.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/talk.h"

enum { HAND_CLAIMS = 4, HAND_REPORTS = 8 };

enum hand_kind { HAND_RENDER, HAND_INSPECT, HAND_SWEEP };

struct hand_claim {
    int64_t number, job;
    enum hand_kind kind;
    int32_t frame;
    bool started; /* and told so */
};

struct hand_report {
    int64_t claim, job;
    const char *what;
    int32_t frame;
};

/* Shared by all hands of a run. */
struct hand_run {
    int depth;      /* claims wanted at a time: 1, or 2 as a real worker */
    int32_t frames; /* that an inspection finds */
    bool working;   /* false: say READY and wait */
    bool inspect;   /* take nothing but inspections */
    bool leaving;   /* say so, and nothing more */
    uint64_t ready; /* how many have a session */
    uint64_t left;  /* how many have ended theirs */
    uint64_t reports, frames_done, inspected, grants;
    uint64_t syncs, said_bytes, heard_bytes; /* bodies of SYNC, and of what came back */
};

struct hand {
    struct hand_run *run;
    char id[33];
    char name[48];
    int64_t seq, session, seen, job;
    bool left;
    struct hand_claim held[HAND_CLAIMS];
    size_t held_count;
    struct hand_report reports[HAND_REPORTS];
    size_t report_count;
};

extern const struct talk hand_talk;

/* number makes its name and its id. */
void hand_init(struct hand *self, struct hand_run *run, unsigned number);

#endif
