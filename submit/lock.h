#ifndef SUBMIT_LOCK_H
#define SUBMIT_LOCK_H

/*
 * lock - one `dblend farm` in one home
 *
 * A kernel lock on run/farm.lock: kill -9 frees it, a copy of the descriptor in a child holds it
 * too. The pid of the farm is in the file for people and for `dblend stop`.
 */

#include <sys/types.h>

#include "proto/paths.h"

/* Take it: the descriptor that holds it, or -1 after telling who has it or why it cannot be. */
int lock_take(const struct paths *paths);

/* Write our pid into the file. The lock holds also where that fails. */
void lock_sign(int fd);

/* The pid of the farm that runs here, 0: none does, -1: one does, but the file does not say who. */
pid_t lock_holder(const struct paths *paths);

#endif
