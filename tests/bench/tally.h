#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

/*
 * tally - how many requests were answered, and how long each took
 */

#include <stdint.h>

enum {
    TALLY_STEPS = 32, /* buckets for each doubling: an error of 3 % at most */
    TALLY_BUCKETS = 48 * TALLY_STEPS,
};

struct tally {
    uint64_t buckets[TALLY_BUCKETS];
    uint64_t trips;
    int64_t most_ns;
    int64_t began_ns;
    double began_cpu;
};

/* What was seen since tally_begin. */
struct tally_seen {
    uint64_t trips; /* requests that were answered */
    double seconds;
    double cpu_seconds; /* our own */
    double p50_us, p99_us, most_us;
};

int64_t tally_now_ns(void);
void tally_begin(struct tally *self);
void tally_note(struct tally *self, int64_t took_ns);
struct tally_seen tally_seen(const struct tally *self);

#endif
