#ifndef BROKER_QUEUE_GAUGES_H
#define BROKER_QUEUE_GAUGES_H

/*
 * gauges - what a worker measured last (PROTOCOL.md, `telemetry`), in little memory
 *
 * Each of ten thousand workers tells some numbers with each SYNC, which are hardly ever asked for:
 * they are kept as numbers, not as the tree that came. Names are kept for good, so there is a most
 * of different ones; what is measured beyond that is not shown.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/queue/queue.h"

struct gauge {
    const char *name; /* a kept word */
    int64_t value;
};

/* Zero it before use. */
struct gauges {
    struct gauge *items;
    size_t count;
};

/* What it says now in place of what it said before; telemetry: map of ints, or NULL. */
void gauges_take(queue_t *self, struct gauges *gauges, const json_t *telemetry);

/* As it came, new; NULL: nothing was measured. */
json_t *gauges_json(const struct gauges *gauges);

void gauges_clear(struct gauges *gauges);

#endif
