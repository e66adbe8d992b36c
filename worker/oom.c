#include "worker/oom.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

/* The number after "oom_kill " at the begin of a line; -1: no such file or line. */
static int64_t read_count(const char *path)
{
    static const char key[] = "oom_kill ";
    char line[256];
    CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, sizeof key - 1) == 0) {
            return strtoll(line + sizeof key - 1, NULL, 10);
        }
    }
    return -1;
}

/* One line of /proc/self/cgroup, "4:memory:/path" or "0::/path": where the group counts its kills.
 */
static char *counter_of(const char *cgroups, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) {
        return NULL;
    }
    *path++ = '\0';
    if (strcmp(line, "0:") == 0) {
        return alloc_format("%s%s/memory.events", cgroups, path);
    }
    return strcmp(controllers, ":memory") == 0
               ? alloc_format("%s/memory%s/memory.oom_control", cgroups, path)
               : NULL;
}

static int64_t group_count(const char *proc, const char *cgroups)
{
    char line[4096];
    int64_t count = -1;
    CLEANUP(cleanup_free) char *groups = alloc_format("%s/self/cgroup", proc);
    CLEANUP(cleanup_file) FILE *file = fopen(groups, "re");
    while (count < 0 && file && fgets(line, sizeof line, file)) {
        CLEANUP(cleanup_free) char *path = counter_of(cgroups, line);
        count = path ? read_count(path) : -1;
    }
    return count;
}

int64_t oom_kills_in(const char *proc, const char *cgroups)
{
    int64_t count = group_count(proc, cgroups);
    if (count < 0) {
        CLEANUP(cleanup_free) char *path = alloc_format("%s/vmstat", proc);
        count = read_count(path);
    }
    return count < 0 ? 0 : count;
}

int64_t oom_kills(void)
{
    return oom_kills_in("/proc", "/sys/fs/cgroup");
}
