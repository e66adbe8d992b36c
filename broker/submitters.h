#ifndef BROKER_SUBMITTERS_H
#define BROKER_SUBMITTERS_H

/*
 * submitters - the submitters' end of the broker: requests in, answers out
 *
 * Requests that change something are applied as they come; their answers, all reads and what is
 * parked wait for submitters_answer, which the loop calls only when the changes are on disk.
 */

#include <stddef.h>
#include <stdint.h>

#include "broker/broker.h"
#include "proto/envelope.h"

typedef struct submitters submitters_t;

/* broker and socket are borrowed for the life of *self. */
submitters_t *submitters_new(struct broker *broker, zsock_t *socket);
void submitters_destroy(submitters_t **self_p);

/* Read one message and apply it, or note it down. ENVELOPE_EMPTY: none there, or enough for now. */
int submitters_receive(submitters_t *self, struct queue_now now);

/*
 * Readable when a request whose files had to be looked at may go on: then call
 * submitters_collect, which applies it.
 */
int submitters_fd(const submitters_t *self);
void submitters_collect(submitters_t *self, struct queue_now now);

/* Answers to be written with the turn's changes. Borrowed until submitters_answer. */
const struct store_request *submitters_requests(const submitters_t *self, size_t *count);

/*
 * The changes are on disk: send what waits for that, read what was asked, look at the parked. The
 * first call, which may be left out, does only what cannot change anything: people do not wait
 * until thousands of workers have their answers.
 */
void submitters_answer_first(submitters_t *self, struct queue_now now);
void submitters_answer(submitters_t *self, struct queue_now now);

/* When a parked request must be answered, or a file that does not answer be given up; INT64_MAX =
 * never. */
int64_t submitters_deadline(const submitters_t *self);

/* When somebody asked last (monotonic ms), 0 = never. */
int64_t submitters_asked_at(const submitters_t *self);

#endif
