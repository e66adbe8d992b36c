#ifndef PROTO_CHILD_KEEPER_H
#define PROTO_CHILD_KEEPER_H

/*
 * child_keeper - the small process between us and a program
 *
 * Runs after fork in a process that has threads, so it calls what is async-signal-safe only: no
 * allocation, no stdio, no locks. Used by child.c alone.
 */

#include <sys/types.h>

/*
 * Watch program, our child and the leader of its own process group, until it has ended; never
 * returns. Bytes on lifeline are signals for the group; its end means that whoever started us is
 * gone. Nothing that descends from the program outlives us, and we end as it did.
 */
void child_keep(pid_t program, int lifeline) __attribute__((noreturn));

#endif
