#ifndef PROTO_PROCESS_H
#define PROTO_PROCESS_H

/*
 * process - what tells one process of this machine from another that has its number later
 */

#include <stdint.h>
#include <sys/types.h>

/* A field of /proc/PID/stat that is a number, counted as proc(5) does; -1 when it is not there. */
int64_t process_field(pid_t pid, int field);

/* When it started, in clock ticks since boot; -1 when it is gone. One that is dead but not yet
 * waited for is gone. */
int64_t process_start(pid_t pid);

/* This boot of the machine, a positive number; 0 when it cannot be told. */
int64_t process_boot(void);

#endif
