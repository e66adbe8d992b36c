#ifndef BROKER_SWEEP_TALK_H
#define BROKER_SWEEP_TALK_H

/*
 * sweep_talk - what a claim of kind sweep is told and tells (PROTOCOL.md 3.3)
 *
 * The queue says which frames a piece is about, the store has their proofs.
 */

#include <jansson.h>
#include <stdint.h>

#include "broker/queue/queue.h"
#include "broker/store.h"

/* Add live, look and ends to the grant of this claim. */
void sweep_talk_grant(json_t *grant, int64_t claim, queue_t *queue, store_t *store);

/* Read what `swept` brings beyond its claim; lent to out, as all of a report. */
void sweep_talk_report(const json_t *item, struct queue_report *out);

#endif
