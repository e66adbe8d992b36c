#ifndef WORKER_PROC_H
#define WORKER_PROC_H

/*
 * proc - what /proc says of a process and of those that it started
 *
 * Reads only what the kernel answers from its own memory (stat, statm, io, the list of children):
 * nothing here waits for the process, or for a disk that hangs.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a process and all below it have used, those included that it has waited for. */
struct proc_use {
    int64_t cpu_ms;   /* user and system */
    int64_t io_bytes; /* read or written, of whatever kind */
};

/* Zeros when it is gone. */
struct proc_use proc_tree_use(pid_t pid);

/* Resident memory of a process, 0 when it is gone. */
int64_t proc_rss_bytes(pid_t pid);

#endif
