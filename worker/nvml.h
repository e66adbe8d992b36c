#ifndef WORKER_NVML_H
#define WORKER_NVML_H

/*
 * nvml - NVIDIA's management library, taken from the driver while we run
 *
 * libnvidia-ml.so.1 is opened with dlopen; the few functions we call are declared here by
 * ourselves, so that nothing of NVIDIA's is needed to build. What it returns is checked: numbers
 * against limits, texts for their end and their characters. Calls block as long as the driver
 * does: worker/card makes them on a thread of their own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/card.h"

typedef struct nvml nvml_t;

enum nvml_outcome {
    NVML_OK,
    NVML_ABSENT,  /* there is no such library */
    NVML_BROKEN,  /* it is there and of no use: *why says it */
    NVML_GONE,    /* the card has been lost */
    NVML_HIDDEN,  /* this process may not use it */
    NVML_UNKNOWN, /* the card or the driver cannot tell */
    NVML_FAILED,  /* any other error of the driver */
};

enum { NVML_TEXT = 96, NVML_MIG_MAX = 16 };

/* A card or a MIG instance. Texts are "" where they are not known. */
struct nvml_device {
    void *handle;
    unsigned domain, bus, device; /* PCI; of an instance: its card's */
    char uuid[NVML_TEXT], name[NVML_TEXT];
    int64_t memory_bytes; /* 0: not known */
    int capability;       /* compute capability, 86 for 8.6; 0: not known */
    bool display;
    bool mig_mode; /* a card that is cut into instances */
    bool is_mig;   /* an instance */
};

/* Load and initialise it; *why (on NVML_BROKEN) is the caller's. */
int nvml_open(nvml_t **out, char **why);

/* How many cards the driver has, hidden ones included. */
int nvml_count(nvml_t *self, unsigned *out);

/* The card at an index of the driver's. NVML_GONE, NVML_FAILED: it cannot be used. */
int nvml_card(nvml_t *self, unsigned index, struct nvml_device *out);

/* The instances of a card in MIG mode, at most NVML_MIG_MAX. */
int nvml_instances(nvml_t *self, const struct nvml_device *card, struct nvml_device *out,
                   size_t *count);

/* parent is the handle of the card: what an instance cannot tell is asked there. */
int nvml_sample(nvml_t *self, void *handle, void *parent, struct card_sample *out);

int nvml_processes(nvml_t *self, void *handle, struct card_process *out, size_t max, size_t *count);

/* What the driver called the last error that was not NVML_OK; never NULL. */
const char *nvml_error(const nvml_t *self);

/* Safe on NULL. */
void nvml_close(nvml_t **self_p);

#endif
