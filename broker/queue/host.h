#ifndef BROKER_QUEUE_HOST_H
#define BROKER_QUEUE_HOST_H

/*
 * host - the memory of a machine, which its workers share
 *
 * Each worker tells with its SYNC how much of it is free. A second Blender of a machine opens a job
 * only when what the first one took of the host's memory (the peak of the job) fits into that, less
 * what the others there have been promised and not taken yet. Who has no such room takes the next
 * job, or rests and says so. The first one may always: so somebody works, and what rests is looked
 * at again with each of its SYNCs. It is decided here, not by the workers: they do not know of each
 * other, and two that look at the same free memory at once would both take it.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/queue/queue.h"

struct host;
struct job;
struct worker;

/* Of a worker; all zero as long as nothing is known. */
struct host_share {
    struct host *host;
    int64_t rss_bytes;      /* what its Blender has */
    int64_t promised_bytes; /* what it may still take for its job */
    bool busy;              /* it has a job */
    int64_t lacks_job;      /* which it was not given for want of memory; 0 = none */
    int64_t lacks_bytes;    /* what that needs, */
    int64_t lacks_free;     /* and what there was */
};

void host_join(queue_t *self, struct worker *worker, const char *name);
void host_leave(struct worker *worker);

/* Its job, or what it is known to take, is another one. */
void host_review(struct worker *worker);

/* What its SYNC says: "blender_rss_bytes", "host_available_bytes"; NULL: nothing. */
void host_gauge(struct worker *worker, const json_t *telemetry);

/* May it open the job? If not, that is noted. */
bool host_fits(const struct job *job, struct worker *worker);

/* Why it has no job, new {code, text, hint}; NULL: not for want of memory. */
json_t *host_why(const struct worker *worker);

void host_free(queue_t *self);

#endif
