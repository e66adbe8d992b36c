#include "worker/drm.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

enum { CLIENTS_MAX = 64 }; /* of one process: a descriptor that was copied is the same client */

/* What the descriptors of one process add up to. */
struct use {
    const char *pci;
    unsigned long long clients[CLIENTS_MAX];
    size_t count;
    int64_t bytes;
};

/* What one fdinfo says. */
struct info {
    bool here; /* it is of our card */
    bool has_client;
    unsigned long long client;
    int64_t resident, memory; /* bytes of card memory by the newer and the older key; -1 */
};

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* "23992 KiB", "16 MiB", "0" */
static int64_t to_bytes(const char *text)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    int shift = strstr(end, "KiB") ? 10 : strstr(end, "MiB") ? 20 : strstr(end, "GiB") ? 30 : 0;
    return errno == 0 && end != text && value >= 0 && value <= INT64_MAX >> shift ? value << shift
                                                                                  : -1;
}

static void add(int64_t *sum, const char *text)
{
    int64_t bytes = to_bytes(text);
    if (bytes >= 0 && bytes < INT64_MAX / CLIENTS_MAX) {
        *sum = (*sum > 0 ? *sum : 0) + bytes;
    }
}

static void take_line(struct info *self, const char *pci, char *line)
{
    char *value = strchr(line, ':');
    if (!value) {
        return;
    }
    *value++ = '\0';
    value += strspn(value, " \t");
    value[strcspn(value, "\n")] = '\0';
    if (strcmp(line, "drm-pdev") == 0) {
        self->here = strcmp(value, pci) == 0;
    } else if (strcmp(line, "drm-client-id") == 0 && isdigit((unsigned char)*value)) {
        self->client = strtoull(value, NULL, 10);
        self->has_client = true;
    } else if (begins(line, "drm-resident-vram") || begins(line, "drm-resident-local")) {
        add(&self->resident, value);
    } else if (begins(line, "drm-memory-vram")) {
        add(&self->memory, value);
    }
}

static bool is_known(const struct use *self, const struct info *info)
{
    bool known = false;
    for (size_t i = 0; info->has_client && i < self->count; i++) {
        known = known || self->clients[i] == info->client;
    }
    return known;
}

static void take_descriptor(struct use *self, const char *process, const char *name)
{
    char target[256];
    char line[256];
    CLEANUP(cleanup_free) char *link = alloc_format("%s/fd/%s", process, name);
    CLEANUP(cleanup_free) char *path = alloc_format("%s/fdinfo/%s", process, name);
    ssize_t size = readlink(link, target, sizeof target - 1);
    target[size > 0 ? size : 0] = '\0';
    if (!begins(target, "/dev/dri/")) {
        return; /* a look at the others would cost a call into whatever drives them */
    }
    CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
    struct info info = { .resident = -1, .memory = -1 };
    while (file && fgets(line, sizeof line, file)) {
        take_line(&info, self->pci, line);
    }
    if (info.here && self->count < CLIENTS_MAX && !is_known(self, &info)) {
        self->clients[self->count++] = info.client;
        self->bytes += info.resident >= 0 ? info.resident : info.memory >= 0 ? info.memory : 0;
    }
}

static void look_at(struct use *self, const char *process)
{
    CLEANUP(cleanup_free) char *path = alloc_format("%s/fd", process);
    CLEANUP(cleanup_folder) DIR *listing = opendir(path);
    struct dirent *entry = NULL;
    while (listing && (entry = readdir(listing))) {
        if (isdigit((unsigned char)*entry->d_name)) {
            take_descriptor(self, process, entry->d_name);
        }
    }
}

void drm_processes(const char *pci, struct card_process *out, size_t max, size_t *count)
{
    const char *root = getenv("HWLOC_FSROOT");
    CLEANUP(cleanup_free) char *folder = alloc_format("%s/proc", root ? root : "");
    CLEANUP(cleanup_folder) DIR *listing = opendir(folder);
    struct dirent *entry = NULL;
    *count = 0;
    while (listing && *count < max && (entry = readdir(listing))) {
        long pid = strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || pid > INT32_MAX) {
            continue;
        }
        CLEANUP(cleanup_free) char *process = alloc_format("%s/%ld", folder, pid);
        struct use use = { .pci = pci };
        look_at(&use, process);
        if (use.bytes > 0) {
            out[(*count)++] = (struct card_process){ .pid = (int)pid, .bytes = use.bytes };
        }
    }
}
