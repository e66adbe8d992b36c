#ifndef WORKER_CARD_PARTS_H
#define WORKER_CARD_PARTS_H

/*
 * card_parts - what the files of worker/card share, and nobody else uses
 */

#include "worker/card.h"
#include "worker/errand.h"
#include "worker/nvml.h"
#include "worker/sysfs.h"

/* A card of the list, or a PCI device that may become one. */
struct card_entry {
    struct card card;
    struct sysfs_pci pci;
    char *card_uuid;       /* of an instance: its card's */
    void *handle, *parent; /* NVML's; NULL: none */
    bool hidden;           /* not given to us */
};

struct cards {
    struct card_entry *entries;
    size_t count;
    errand_t *errand; /* makes NVML's calls; NULL: none is to be made */
    nvml_t *nvml;
    char *trouble;
};

/* A new entry at the end, with an address. */
struct card_entry *cards_append(cards_t *self, enum card_vendor vendor,
                                const struct sysfs_pci *pci);

void card_entry_clear(struct card_entry *self);

/* How long a driver may take, in ms: DBLEND_DRIVER_PATIENCE, or max if that is less. */
int cards_patience_ms(int max);

/* Complete self's NVIDIA entries by NVML, add what only NVML has, tell of the others why not. */
void cards_ask_nvml(cards_t *self);

int cards_sample_nvml(cards_t *self, const struct card_entry *entry, struct card_sample *out);
int cards_processes_nvml(cards_t *self, const struct card_entry *entry, struct card_process *out,
                         size_t max, size_t *count);
void cards_end_nvml(cards_t *self);

/* Complete an entry of AMD's or Intel's by what the kernel's driver says. */
void card_ask_kernel(struct card_entry *entry);

int card_sample_kernel(const struct card_entry *entry, struct card_sample *out);
int card_processes_kernel(const struct card_entry *entry, struct card_process *out, size_t max,
                          size_t *count);

#endif
