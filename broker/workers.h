#ifndef BROKER_WORKERS_H
#define BROKER_WORKERS_H

/*
 * workers - the workers' end of the broker: READY and SYNC in, ANSWER out
 *
 * Messages are applied to the queue as they come; the answers that the queue then has are sent
 * by workers_answer, which the loop calls only when their changes are on disk.
 */

#include <stdint.h>

#include "broker/broker.h"
#include "proto/envelope.h"

typedef struct workers workers_t;

/* broker is borrowed for the life of *self. */
workers_t *workers_new(struct broker *broker);
void workers_destroy(workers_t **self_p);

/* Read and apply one message. remote: the socket is TCP. ENVELOPE_EMPTY: none there. */
int workers_receive(workers_t *self, struct queue_now now, zsock_t *socket, bool remote);

/* Send every answer that is there. */
void workers_answer(workers_t *self, struct queue_now now);

/* Readable when the process of a local worker has ended, -1: nobody tells; workers_hear_deaths
 * takes note of it, and workers_lose then does the rest. */
int workers_fd(const workers_t *self);
void workers_hear_deaths(workers_t *self, struct queue_now now);

/* Sessions that could not be reached give back what they hold: this changes the queue. */
void workers_lose(workers_t *self, struct queue_now now);

/* When workers_lose has something to do without a message; INT64_MAX = never. */
int64_t workers_deadline(const workers_t *self);

#endif
