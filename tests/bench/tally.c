#include "tests/bench/tally.h"

#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

int64_t tally_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static double own_cpu(void)
{
    struct rusage use;
    (void)getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

void tally_begin(struct tally *self)
{
    memset(self, 0, sizeof *self);
    self->began_ns = tally_now_ns();
    self->began_cpu = own_cpu();
}

/* The top bit of the value chooses the doubling, the five bits below it the step in there. */
static size_t bucket_of(int64_t ns)
{
    uint64_t value = ns < TALLY_STEPS ? TALLY_STEPS : (uint64_t)ns;
    unsigned shift = 58u - (unsigned)__builtin_clzll(value);
    size_t at = (size_t)(shift + 1) * TALLY_STEPS + (size_t)((value >> shift) - TALLY_STEPS);
    return at < TALLY_BUCKETS ? at : TALLY_BUCKETS - 1;
}

static double bucket_us(size_t at)
{
    size_t shift = at / TALLY_STEPS - 1;
    return (double)((uint64_t)(TALLY_STEPS + at % TALLY_STEPS) << shift) / 1000;
}

void tally_note(struct tally *self, int64_t took_ns)
{
    self->buckets[bucket_of(took_ns)]++;
    self->trips++;
    self->most_ns = took_ns > self->most_ns ? took_ns : self->most_ns;
}

static double quantile_us(const struct tally *self, double part)
{
    uint64_t wanted = (uint64_t)((double)self->trips * part);
    uint64_t seen = 0;
    for (size_t at = TALLY_STEPS; at < TALLY_BUCKETS; at++) {
        seen += self->buckets[at];
        if (seen > wanted) {
            return bucket_us(at);
        }
    }
    return 0;
}

struct tally_seen tally_seen(const struct tally *self)
{
    return (struct tally_seen){
        .trips = self->trips,
        .seconds = (double)(tally_now_ns() - self->began_ns) / 1e9,
        .cpu_seconds = own_cpu() - self->began_cpu,
        .p50_us = quantile_us(self, 0.50),
        .p99_us = quantile_us(self, 0.99),
        .most_us = (double)self->most_ns / 1000,
    };
}
