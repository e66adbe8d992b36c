#include "worker/host_memory.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

enum { KIB = 1024 };

/* One version of the kernel's control groups: what their files are called. */
struct kind {
    const char *folder, *limit, *used, *cache;
};

static const struct kind kinds[] = {
    { "", "memory.max", "memory.current", "inactive_file " },
    { "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file " },
};

/* The number after key at the begin of a line ("": of the first line); -1: none. */
static int64_t read_number(const char *path, const char *key)
{
    char line[256];
    size_t size = strlen(key);
    CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *at = line + size;
        if (strncmp(line, key, size) == 0) {
            while (*at == ' ') {
                at++;
            }
            errno = 0;
            int64_t value = isdigit((unsigned char)*at) ? strtoll(at, NULL, 10) : -1;
            return errno == 0 ? value : -1; /* "max" is no number */
        }
    }
    return -1;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* What one group may still take; -1: as much as it likes. */
static int64_t left_in(const char *folder, const struct kind *kind)
{
    CLEANUP(cleanup_free) char *limit = alloc_format("%s/%s", folder, kind->limit);
    CLEANUP(cleanup_free) char *used = alloc_format("%s/%s", folder, kind->used);
    CLEANUP(cleanup_free) char *stat = alloc_format("%s/memory.stat", folder);
    int64_t most = read_number(limit, "");
    int64_t has = read_number(used, "");
    int64_t cache = read_number(stat, kind->cache);
    if (most < 0 || has < 0) {
        return -1;
    }
    int64_t left = most - has + (cache > 0 ? cache : 0);
    return left > 0 ? left : 0;
}

/* Of the group at path and all above it. */
static int64_t left_up(const char *cgroups, const struct kind *kind, char *path)
{
    int64_t left = -1;
    for (;;) {
        CLEANUP(cleanup_free) char *folder = alloc_format("%s%s%s", cgroups, kind->folder, path);
        left = least(left, left_in(folder, kind));
        char *slash = strrchr(path, '/');
        if (!slash || !*path) {
            return left;
        }
        *slash = '\0';
    }
}

static int64_t group_left(const char *proc, const char *cgroups)
{
    char line[4096];
    int64_t left = -1;
    CLEANUP(cleanup_free) char *groups = alloc_format("%s/self/cgroup", proc);
    CLEANUP(cleanup_file) FILE *file = fopen(groups, "re");
    while (file && fgets(line, sizeof line, file)) { /* "4:memory:/path" or "0::/path" */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        bool unified = strncmp(line, "0::", 3) == 0;
        if (path && (unified || strncmp(controllers, ":memory:", 8) == 0)) {
            left = least(left, left_up(cgroups, &kinds[!unified], path + 1));
        }
    }
    return left;
}

int64_t host_memory_available_in(const char *proc, const char *cgroups)
{
    CLEANUP(cleanup_free) char *path = alloc_format("%s/meminfo", proc);
    int64_t available = read_number(path, "MemAvailable:");
    int64_t bytes =
        available >= 0 && available < INT64_MAX / KIB ? available * KIB : -1; /* "kB" are KiB */
    bytes = least(bytes, group_left(proc, cgroups));
    return bytes < 0 ? 0 : bytes > 0 ? bytes : 1; /* nothing left is not "not known" */
}

int64_t host_memory_available(void)
{
    return host_memory_available_in("/proc", "/sys/fs/cgroup");
}
