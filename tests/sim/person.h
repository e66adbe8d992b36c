#ifndef TESTS_SIM_PERSON_H
#define TESTS_SIM_PERSON_H

/*
 * person - those who submit jobs and do things to them
 *
 * Each has one request outstanding and sends it again, with the same key, until it is answered.
 * When the faults are over they put right what is in the way of an end: a paused farm, paused and
 * held jobs.
 */

#include <jansson.h>
#include <stdint.h>

enum { PERSONS = 2 };

void person_open(void);
void person_close(void);

/* Handlers of events. */
void person_wake(int64_t which); /* a peer, and which of its timers */
void person_hear(int64_t peer, uint32_t request, const json_t *body);

#endif
