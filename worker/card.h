#ifndef WORKER_CARD_H
#define WORKER_CARD_H

/*
 * card - the GPUs of this machine that this process was given
 *
 * NVML says what NVIDIA's cards are; sysfs and hwloc say it for AMD and Intel. A card is known by
 * its PCI address (a MIG instance by its UUID), never by a driver's index: those change with the
 * library and the boot. What CUDA_VISIBLE_DEVICES and the like of our own environment leave out is
 * not listed. A card that cannot be used is listed with its fault and hurts no other.
 *
 * Everything a driver says is outside data: texts are cut and cleaned, numbers are checked.
 *
 * NVML calls may block in a driver that hangs, and no call can be taken back. They are made on a
 * thread of the list's own and waited for: cards_open for DBLEND_DRIVER_PATIENCE seconds (20), the
 * others for 5 at most, and after that for nothing until the lost call has come back. A loop that
 * must not lose those seconds asks from a thread of its own; one thread at a time for a cards_t.
 */

#include <hwloc.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CARDS_MAX = 256,    /* cards and MIG instances of one machine */
    CARD_TYPES_MAX = 3, /* Cycles types of a card, and a NULL */
};

enum card_vendor {
    CARD_NVIDIA,
    CARD_AMD,
    CARD_INTEL,
};

struct card {
    char *id;   /* stable: "pci:0000:65:00.0", of a MIG instance "MIG-<uuid>" */
    char *uuid; /* "GPU-..." or "MIG-..."; NULL where no driver tells it */
    char *pci;  /* "0000:65:00.0"; of a MIG instance its card's */
    char *name; /* "NVIDIA RTX A6000" */
    enum card_vendor vendor;
    bool mig;             /* an instance, not a whole card */
    int64_t memory_bytes; /* 0: not known */
    int numa;             /* -1: not known */
    bool display;         /* a screen of somebody is on it */
    bool integrated;      /* part of the processor: its memory is the machine's */
    char *fault;          /* NULL: usable; else why not, in words */
    hwloc_bitmap_t cpus;  /* the cores near it, within what this process may use */
    /* "OPTIX", "CUDA", "HIP", "ONEAPI", NULL-terminated: what Cycles may do with it at best. What
     * it does is known to Blender only. None with a fault. */
    const char *types[CARD_TYPES_MAX];
};

typedef struct cards cards_t;

/* What a card does right now; -1 where it is not known. */
struct card_sample {
    int64_t memory_used_bytes, memory_total_bytes;
    int load_percent, temperature_c, power_mw;
};

struct card_process {
    int pid;
    int64_t bytes;    /* -1: not known */
    bool graphics;    /* NVIDIA: draws; else it computes. One that does both is there twice. */
    int load_percent; /* what it made the card do in the last seconds; 0: nothing, or not known */
};

/* All of them, in the order of their PCI addresses, then of their UUIDs: `gpu:0` is the first. A
 * machine without any is a list of none; a driver that fails is in cards_trouble. */
int cards_open(hwloc_topology_t topology, cards_t **out);

size_t cards_count(const cards_t *self);

/* Lives as long as self. */
const struct card *cards_at(const cards_t *self, size_t index);

/* The position of a card of this list. */
size_t cards_index(const cards_t *self, const struct card *card);

/* What went wrong with a driver as a whole ("libnvidia-ml.so.1: ..."); NULL: nothing. */
const char *cards_trouble(const cards_t *self);

/* -ENODEV: the card is gone. -ENOTSUP: nothing can be known of it. -ETIMEDOUT: its driver hangs.
 * -EIO: any other error of the driver. */
int cards_sample(cards_t *self, size_t index, struct card_sample *out);

/* Who uses it, at most max of them; *count is how many were written. A process that cannot be told
 * is not there; of AMD's and Intel's cards it is a hint only (worker/drm). Errors as above. */
int cards_processes(cards_t *self, size_t index, struct card_process *out, size_t max,
                    size_t *count);

/* Safe on NULL. */
void cards_destroy(cards_t **self_p);

/*
 * {"device": id, "index", "pci", "uuid", "name", "vendor", "memory_bytes", "numa", "display",
 * "mig", "integrated", "types", "fault", "cpus"}; null where nothing is known. The caller's.
 */
json_t *card_json(const struct card *self, size_t index);

/* "nvidia", "amd", "intel" */
const char *card_vendor_word(enum card_vendor vendor);

#endif
