#include "worker/holders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"

#define MIB ((int64_t)1 << 20)
#define GIB ((int64_t)1 << 30)
#define LITTLE_BYTES (256 * MIB) /* a desktop always has some */

enum { PROCESSES_MAX = 64, NAMED_MAX = 3, NAME_BYTES = 32 };

/* False: there is no such process that we can see. */
static bool name_of(pid_t pid, char name[NAME_BYTES])
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
    if (!file || !fgets(name, NAME_BYTES, file)) {
        return false;
    }
    name[strcspn(name, "\n")] = '\0';
    for (char *at = name; *at; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?'; /* any process may call itself anything */
        }
    }
    return true;
}

/* By the driver's word; where it says nothing of any process, nobody knows. */
static bool is_idle(const struct card_process *list, size_t count, pid_t blender)
{
    char name[NAME_BYTES];
    bool others = false;
    for (size_t i = 0; i < count; i++) {
        if (list[i].pid == blender && list[i].load_percent > 0) {
            return false;
        }
        /* one that we cannot see may be our own, as the driver calls it outside of a container */
        others = others || (list[i].load_percent > 0 && name_of(list[i].pid, name));
    }
    return others;
}

/* One that draws and computes is there twice. */
static size_t merge(struct card_process *list, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < kept && list[at].pid != list[i].pid) {
            at++;
        }
        if (at == kept) {
            list[kept++] = list[i];
        } else if (list[i].bytes > list[at].bytes) {
            list[at].bytes = list[i].bytes;
        }
    }
    return kept;
}

static int largest_first(const void *left, const void *right)
{
    const struct card_process *a = left;
    const struct card_process *b = right;
    return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

static void add_text(struct holders *out, const char *name, const struct card_process *process)
{
    size_t size = strlen(out->text);
    (void)snprintf(out->text + size, sizeof out->text - size, "%s%s (%d) holds %.1f GiB",
                   size > 0 ? ", " : "", name, process->pid, (double)process->bytes / (double)GIB);
}

void holders_find(cards_t *cards, size_t index, pid_t blender, struct holders *out)
{
    struct card_process list[PROCESSES_MAX];
    size_t count = 0;
    *out = (struct holders){ 0 };
    if (cards_processes(cards, index, list, PROCESSES_MAX, &count) != 0) {
        return;
    }
    out->idle = is_idle(list, count, blender);
    count = merge(list, count);
    qsort(list, count, sizeof *list, largest_first);
    int named = 0;
    for (size_t i = 0; i < count && list[i].bytes > 0; i++) {
        char name[NAME_BYTES];
        if (list[i].pid == blender) {
            out->our_bytes = list[i].bytes;
        } else if (name_of(list[i].pid, name)) {
            out->other_bytes += list[i].bytes;
            if (named++ < NAMED_MAX) {
                add_text(out, name, &list[i]);
            }
        }
    }
    if (out->other_bytes < LITTLE_BYTES) {
        out->other_bytes = 0;
        out->text[0] = '\0';
    }
}
