#ifndef BROKER_ANSWER_FORM_H
#define BROKER_ANSWER_FORM_H

/*
 * answer_form - what nearly every ANSWER has, filled in instead of made
 *
 * An answer lives until it is sent, a microsecond later; to make and release its maps was most of
 * what it cost. So those of the last answer are kept and written over, as far as nobody holds them
 * any more: whoever keeps an answer has one that does not change.
 */

#include <jansson.h>

#include "broker/queue/queue.h"

/*
 * An ANSWER with all but the grants and the description of a job, to which the caller adds. Takes
 * orders. A new reference; farm is copied.
 */
json_t *answer_form_body(const struct queue_answer *answer, const char *farm, json_t *orders);

/* A grant of a frame of which there is nothing special to say. A new reference. */
json_t *answer_form_grant(const struct queue_grant *grant);

#endif
