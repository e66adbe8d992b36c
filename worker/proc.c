#include "worker/proc.h"

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/cleanup.h"
#include "proto/process.h"

enum { FIELD_UTIME = 14, FIELD_CSTIME = 17, TREE_MAX = 1024 };

static int64_t cpu_ms_of(pid_t pid)
{
    int64_t ticks = 0;
    for (int field = FIELD_UTIME; field <= FIELD_CSTIME; field++) {
        int64_t more = process_field(pid, field);
        ticks += more > 0 ? more : 0;
    }
    return ticks * 1000 / sysconf(_SC_CLK_TCK);
}

/* Bytes that went through read and write, and those that came from or went to a disk. */
static int64_t io_bytes_of(pid_t pid)
{
    char path[64];
    char line[128];
    int64_t sum = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
    CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        bool bytes = strncmp(line, "rchar", 5) == 0 || strncmp(line, "wchar", 5) == 0 ||
                     strncmp(line, "read_bytes", 10) == 0 || strncmp(line, "write_bytes", 11) == 0;
        if (colon && bytes) {
            sum += strtoll(colon + 1, NULL, 10);
        }
    }
    return sum;
}

struct tree {
    pid_t pids[TREE_MAX];
    size_t count;
};

static void add_children(struct tree *self, pid_t pid, const char *thread)
{
    char path[320];
    CLEANUP(cleanup_free) char *line = NULL;
    size_t room = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)pid, thread);
    CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
    if (!file || getline(&line, &room, file) < 0) {
        return;
    }
    char *end = NULL;
    for (const char *at = line; self->count < TREE_MAX; at = end) {
        long child = strtol(at, &end, 10);
        if (end == at) {
            break;
        }
        self->pids[self->count++] = (pid_t)child;
    }
}

static void add_below(struct tree *self, pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    CLEANUP(cleanup_folder) DIR *threads = opendir(path);
    struct dirent *entry = NULL;
    while (threads && (entry = readdir(threads))) {
        if (entry->d_name[0] != '.') {
            add_children(self, pid, entry->d_name); /* each thread has children of its own */
        }
    }
}

struct proc_use proc_tree_use(pid_t pid)
{
    struct proc_use use = { .cpu_ms = 0 };
    struct tree tree = { .pids = { pid }, .count = 1 };
    for (size_t i = 0; i < tree.count; i++) {
        use.cpu_ms += cpu_ms_of(tree.pids[i]);
        use.io_bytes += io_bytes_of(tree.pids[i]);
        add_below(&tree, tree.pids[i]);
    }
    return use;
}

int64_t proc_rss_bytes(pid_t pid)
{
    char path[64];
    char text[128];
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
    if (!file || !fgets(text, sizeof text, file)) {
        return 0;
    }
    const char *resident = strchr(text, ' '); /* the second field, in pages */
    return resident ? strtoll(resident, NULL, 10) * sysconf(_SC_PAGESIZE) : 0;
}
