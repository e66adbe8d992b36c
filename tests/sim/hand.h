#ifndef TESTS_SIM_HAND_H
#define TESTS_SIM_HAND_H

/*
 * hand - the workers, by the rules of PROTOCOL.md and not by the code of the C worker
 *
 * Each keeps its claims and its reports until they are settled, has one request outstanding, and
 * renders into the pictures of the simulation (picture.h). It can be killed, stopped, cut off,
 * and some of them lie. (The word worker is the broker's struct.)
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HANDS_MOST = 8 };

/* The workers of a history; the last is an inspector, if there is one. */
void hand_open(size_t wanted, bool inspector);
void hand_close(void);
size_t hand_count(void);

/* Handlers of events. life: a timer of an earlier one means nothing. */
void hand_wake(size_t index, int64_t life);
void hand_hear(size_t index, int64_t connection, uint32_t request, const json_t *body);

/* Faults. A killed one is started again, as another process of the same name. */
void hand_kill(size_t index);
void hand_stop_until(size_t index, int64_t ms);
void hand_cut_until_set(size_t index, int64_t ms);
int64_t hand_stopped_until(size_t index);
int64_t hand_cut_until(size_t index);
/* Does a process of this number run? */
bool hand_process_runs(int64_t pid);

void hand_disconnect(size_t index); /* its connection breaks; it does not know */

/* From now on nobody is stopped, cut off or lies. */
void hand_behave(void);

const char *hand_name(size_t index);

/* Nobody holds anything and all reports are settled. */
bool hand_all_idle(void);

#endif
