#ifndef WORKER_OOM_H
#define WORKER_OOM_H

/*
 * oom - how often the kernel has killed one of us because memory ran out
 *
 * A Blender that was ended by KILL, and not by us, is out of memory if this number has risen
 * meanwhile: nothing else tells it from a person's kill -9.
 */

#include <stdint.h>

/* Of our control group, where the kernel counts that, else of the whole machine; 0: not known. */
int64_t oom_kills(void);

/* The same with other folders for /proc and /sys/fs/cgroup. */
int64_t oom_kills_in(const char *proc, const char *cgroups);

#endif
