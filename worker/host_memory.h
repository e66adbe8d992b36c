#ifndef WORKER_HOST_MEMORY_H
#define WORKER_HOST_MEMORY_H

/*
 * host_memory - how much memory this machine, or our control group, has left
 */

#include <stdint.h>

/* The least of MemAvailable and of what each control group above us may still take; what it only
 * keeps for files counts as free. 0: not known. */
int64_t host_memory_available(void);

/* The same with other folders for /proc and /sys/fs/cgroup. */
int64_t host_memory_available_in(const char *proc, const char *cgroups);

#endif
