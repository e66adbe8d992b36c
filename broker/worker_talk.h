#ifndef BROKER_WORKER_TALK_H
#define BROKER_WORKER_TALK_H

/*
 * worker_talk - READY, SYNC and ANSWER between the wire and the queue's plain structs
 *
 * Bodies come decoded and checked against the message table (message_check); what the queue
 * cannot take as it is (words of a later version, two reports of a kind it does not know) makes
 * the message malformed here. Pointers in the results are borrowed from the body.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/queue/queue.h"
#include "broker/store.h"

enum worker_talk_outcome {
    WORKER_TALK_OK,
    WORKER_TALK_MALFORMED,
};

/* Which report owns which blob of a SYNC. */
struct worker_talk_log {
    int64_t claim;
    size_t blob; /* index among the message's blobs */
};

struct worker_talk_logs {
    struct worker_talk_log log[QUEUE_REPORTS];
    size_t count;
};

int worker_talk_ready(const json_t *body, struct queue_ready *out);
int worker_talk_sync(const json_t *body, struct queue_sync *out, struct worker_talk_logs *logs);

/* The ANSWER body; descriptions come from queue, known pictures from store. The caller's. */
json_t *worker_talk_answer(const struct queue_answer *answer, const char *farm, queue_t *queue,
                           store_t *store);

/* READY-AGAIN and REFUSED. The caller's. */
json_t *worker_talk_ready_again(int64_t seq);
json_t *worker_talk_refused(int64_t seq, const char *code, const char *text, const char *hint);

#endif
