#ifndef WORKER_DEVICE_H
#define WORKER_DEVICE_H

/*
 * device - what a worker is pinned to
 *
 * proto/device_name knows the grammar; here the text meets the machine: hwloc says which cores
 * there are, within the affinity that this process was started with, worker/card which GPUs. CPU
 * numbers are the kernel's, GPU numbers the places in worker/card's list. A device's id is stable:
 * the same cores or cards give the same text, whatever words named them.
 *
 * The worker of a GPU runs on its share of the cores near it: the k-th of n cards there has the
 * k-th part, so that workers which know nothing of each other do not meet. Where there are fewer
 * cores than cards, each has them all.
 */

#include <hwloc.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/device_name.h"
#include "worker/card.h"

struct device {
    char *id; /* "cpu:0-1", "pci:0000:17:00.0+pci:0000:31:00.0", "none" */
    enum device_kind kind;
    hwloc_bitmap_t cpus; /* logical CPUs; every allowed one for `none` */
    int threads;         /* how many Blender shall run: one a logical CPU */
    /* DEVICE_GPU: its cards in the order of the list they come from, which they point into */
    const struct card *cards[DEVICE_NAME_GROUP_MAX];
    size_t card_count;
    bool with_cpu; /* Cycles shall render on the CPU, too */
};

enum device_outcome {
    DEVICE_OK,
    /* *error_text says why; the caller frees it */
    DEVICE_REFUSED, /* it can never be */
    DEVICE_ABSENT,  /* a card that is not there or cannot be used now: later it may be */
};

/* The machine as this process may use it. Owned by the caller: hwloc_topology_destroy. */
int device_topology(hwloc_topology_t *out);

/* Is worker/card to be asked for this text of --device or --devices? */
bool device_wants_cards(const char *text);

/* One device, as --device names it. NULL stands for the first GPU that works, or the CPU where
 * there is none. cards may be NULL: there are none. */
int device_find(hwloc_topology_t topology, const cards_t *cards, const char *text,
                struct device *out, char **error_text);

/* Every single device of a list, as --devices names them; an array of *count, released by
 * device_list_free. NULL stands for each GPU that works, or the CPU where there is none. */
int device_expand(hwloc_topology_t topology, const cards_t *cards, const char *text,
                  struct device **out, size_t *count, char **error_text);

void device_clear(struct device *self);
void device_list_free(struct device **list_p, size_t count);

/* "cpu", "gpu", "none": the word of the wire. */
const char *device_kind_word(enum device_kind kind);

/* {"device", "id" (the same), "kind", "cpus" array of int, "threads"}, of a GPU also "cards" array
 * of ids, "name", "memory_bytes" (of all of them), "with_cpu"; the caller's. */
json_t *device_json(const struct device *self);

#endif
