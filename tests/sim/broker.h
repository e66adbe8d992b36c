#ifndef TESTS_SIM_BROKER_H
#define TESTS_SIM_BROKER_H

/*
 * broker - the product's broker from main.c on, in a loop of ours
 *
 * Everything but the outside is the product's own: start, turn, failed transactions, end. Takes
 * the place of czmq's zloop: its handlers are called by the events of the world. A broker that is
 * dead goes on until it has nothing more to do, without effect (disk.h), and is taken down then.
 */

#include <stdbool.h>
#include <stdint.h>

#include "broker/queue/queue.h"

void broker_open(void);

/* Start it, if none has been started since life; comes back when it has ended. */
void broker_boot(int64_t life);

/* Once the world is over: a last one reads what is on disk. */
void broker_check_ledger(void);

/* Start one after so long, unless one is started before. */
void broker_start_in(int64_t ms);

bool broker_up(void);

/* Its queue while it is up, and how often it was started. */
queue_t *broker_queue(void);
int64_t broker_life(void);

/* It is to look at its sockets soon. */
void broker_poke(void);

/* SIGSTOP until then; SIGTERM. */
void broker_stop_until(int64_t ms);
void broker_terminate(void);

/* Handlers of events. */
void broker_wake(void);
void broker_timer(int64_t timer);
void broker_files(void);

#endif
