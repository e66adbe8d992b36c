#ifndef WORKER_VISIBLE_H
#define WORKER_VISIBLE_H

/*
 * visible - which cards our own environment leaves us
 *
 * Slurm, a container's runtime or the user say it with CUDA_VISIBLE_DEVICES,
 * ROCR_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES, ZE_AFFINITY_MASK and ONEAPI_DEVICE_SELECTOR. They are
 * read here as the runtimes read them: as numbers, UUIDs, unique beginnings of UUIDs or MIG names;
 * a list ends at its first entry that names nothing. Numbers count the cards in the order of their
 * PCI addresses (CUDA_DEVICE_ORDER=PCI_BUS_ID, which is what Slurm and nvidia-smi count by), for
 * Intel those on boards of their own first, as Level Zero does.
 */

#include <stddef.h>

#include "worker/card.h"

struct visible_card {
    enum card_vendor vendor;
    const char *pci;       /* instances of one card have the same */
    const char *uuid;      /* NULL: not known */
    const char *card_uuid; /* of an instance: its card's */
    bool mig;
    bool integrated; /* part of the processor */
    bool served;     /* its driver has it: numbers count only those */
    bool hidden;     /* the answer */
};

/* list is in the order of PCI addresses. */
void visible_apply(struct visible_card *list, size_t count);

#endif
