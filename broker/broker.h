#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

/*
 * broker - what the loop and the handlers of requests share: the parts, and how it ends
 *
 * A plain struct; loop.c fills it in, and everything happens in the loop's one thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "broker/attend.h"
#include "broker/eventlog.h"
#include "broker/output.h"
#include "broker/queue/queue.h"
#include "broker/saved.h"
#include "broker/store.h"

/* Messages that were dropped, by socket; what they looked like is in the debug log. */
struct broker_dropped {
    int64_t workers;
    int64_t submitters;
};

struct broker {
    queue_t *queue;
    store_t *store;
    eventlog_t *log;
    output_t *output;
    attend_t *attend;
    saved_t *saved;
    const char *home;   /* folder of the ledger; borrowed */
    int64_t started_at; /* wall ms */
    int64_t boot;       /* of this machine (proto/process.h) */
    int64_t keep_ms;    /* ended jobs and events are forgotten after this */
    bool idle_exit;     /* nobody owns this broker: it leaves when nothing happens */
    enum drain_order stop;
    int64_t stop_at; /* monotonic ms: when `stop` was ordered */
    struct broker_dropped dropped;
};

#endif
