/* The cards that NVML knows, asked for on the errand's thread */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/device_name.h"
#include "worker/card_parts.h"

enum {
    OPEN_MAX_MS = 600000,
    ASK_MAX_MS = 5000,
    PROCESSES_ROOM = 256, /* of one answer */
    /* compute capabilities, times ten */
    CUDA_FROM = 30,
    OPTIX_FROM = 50,
};

/* All that NVML says at the start. It belongs to whoever gets it in time. */
struct inventory {
    nvml_t *nvml;
    int outcome;
    char *why; /* NVML_BROKEN: what is wrong with the driver as a whole */
    struct nvml_device *devices;
    int *states; /* NVML_OK, or why a device cannot be used */
    char (*errors)[NVML_TEXT];
    size_t count;
    size_t hidden; /* cards that were not given to this process */
    size_t lost;   /* cards of which not even the address is known */
    char lost_error[NVML_TEXT];
};

static void add_device(struct inventory *self, const struct nvml_device *device, int state)
{
    size_t i = self->count++;
    self->devices = alloc_resize(self->devices, self->count, sizeof *self->devices);
    self->states = alloc_resize(self->states, self->count, sizeof *self->states);
    self->errors = alloc_resize(self->errors, self->count, sizeof *self->errors);
    self->devices[i] = *device;
    self->states[i] = state;
    (void)snprintf(self->errors[i], NVML_TEXT, "%s", nvml_error(self->nvml));
}

static void take_card(struct inventory *self, unsigned index)
{
    struct nvml_device card = { .handle = NULL };
    struct nvml_device instances[NVML_MIG_MAX];
    size_t count = 0;
    int rc = nvml_card(self->nvml, index, &card);
    if (rc == NVML_HIDDEN) {
        self->hidden++;
        return;
    }
    if (rc != NVML_OK && !card.handle) {
        self->lost++;
        (void)snprintf(self->lost_error, sizeof self->lost_error, "%s", nvml_error(self->nvml));
        return;
    }
    add_device(self, &card, rc);
    if (rc != NVML_OK || !card.mig_mode) {
        return;
    }
    if (nvml_instances(self->nvml, &card, instances, &count) == NVML_OK) {
        for (size_t i = 0; i < count && self->count < CARDS_MAX; i++) {
            add_device(self, &instances[i], NVML_OK);
        }
    }
}

static void take_inventory(void *data)
{
    struct inventory *self = data;
    unsigned count = 0;
    self->outcome = nvml_open(&self->nvml, &self->why);
    if (self->outcome != NVML_OK) {
        return;
    }
    self->outcome = nvml_count(self->nvml, &count);
    if (self->outcome != NVML_OK) {
        self->outcome = NVML_BROKEN;
        self->why = alloc_text(nvml_error(self->nvml));
        return;
    }
    for (unsigned i = 0; i < count && self->count < CARDS_MAX; i++) {
        take_card(self, i);
    }
}

static void inventory_clear(struct inventory *self)
{
    free(self->why);
    free(self->devices);
    free(self->states);
    free(self->errors);
}

static struct card_entry *find_entry(cards_t *self, const struct sysfs_pci *pci)
{
    for (size_t i = 0; i < self->count; i++) {
        struct card_entry *entry = &self->entries[i];
        if (entry->card.vendor == CARD_NVIDIA && !entry->card.mig &&
            sysfs_pci_compare(&entry->pci, pci) == 0) {
            return entry;
        }
    }
    return NULL;
}

/* A UUID that --device takes and that CUDA_VISIBLE_DEVICES can hold. */
static bool is_uuid(const char *text)
{
    struct device_spec spec = { 0 };
    char *why = NULL;
    bool fits = (strncmp(text, "GPU-", 4) == 0 || strncmp(text, "MIG-", 4) == 0) &&
                !strchr(text, '+') && device_name_parse(text, &spec, &why) == DEVICE_NAME_OK;
    device_name_clear(&spec);
    free(why);
    return fits;
}

static void set_text(char **target, char *text)
{
    free(*target);
    *target = text;
}

static void set_types(struct card *card, int capability)
{
    size_t count = 0;
    if (capability >= OPTIX_FROM) {
        card->types[count++] = "OPTIX";
    }
    if (capability >= CUDA_FROM) {
        card->types[count++] = "CUDA";
    }
    if (capability > 0 && count == 0) {
        set_text(&card->fault, alloc_format("too old for Cycles: compute capability %d.%d",
                                            capability / 10, capability % 10));
    }
}

static void fill(struct card_entry *entry, const struct nvml_device *device)
{
    struct card *card = &entry->card;
    if (device->name[0]) {
        set_text(&card->name, alloc_text(device->name));
    }
    if (is_uuid(device->uuid)) {
        set_text(&card->uuid, alloc_text(device->uuid));
    } else {
        set_text(&card->fault, alloc_text("the driver tells no UUID for it"));
    }
    card->memory_bytes = device->memory_bytes;
    card->display = device->display;
    entry->handle = device->handle;
    entry->parent = device->handle;
    set_types(card, device->capability);
    if (device->mig_mode) {
        set_text(&card->fault, alloc_text("it is in MIG mode and has no instance"));
    }
}

static struct card_entry *entry_of(cards_t *self, const struct nvml_device *device)
{
    const struct sysfs_pci pci = { device->domain, device->bus, device->device, 0 };
    struct card_entry *entry = find_entry(self, &pci);
    if (!entry) { /* a container may hide /sys, and hwloc has no room for long domains */
        entry = cards_append(self, CARD_NVIDIA, &pci);
        entry->card.name = alloc_text("NVIDIA GPU");
    }
    return entry;
}

/* An instance is a device of its own, where its card is; the card itself is none any more. */
static void add_instance(cards_t *self, const struct nvml_device *device)
{
    if (!is_uuid(device->uuid) || self->count >= CARDS_MAX) {
        return;
    }
    entry_of(self, device)->hidden = true;
    const struct sysfs_pci pci = { device->domain, device->bus, device->device, 0 };
    struct card_entry *entry = cards_append(self, CARD_NVIDIA, &pci);
    const struct card_entry *card = find_entry(self, &pci);
    fill(entry, device);
    entry->card.mig = true;
    set_text(&entry->card.id, alloc_text(device->uuid));
    if (!entry->card.name) {
        entry->card.name = alloc_format("%s MIG", card->card.name);
    }
    entry->parent = card->handle;
    entry->card_uuid = alloc_text(card->card.uuid);
    entry->card.numa = card->card.numa;
    entry->card.cpus = card->card.cpus ? hwloc_bitmap_dup(card->card.cpus) : NULL;
}

/* Why the driver does not show a card that is there; NULL: because it was not given to us. */
static char *absence(const struct inventory *inventory, const struct card_entry *entry)
{
    char *driver = sysfs_driver(&entry->pci);
    char *why = NULL;
    if (driver && strcmp(driver, "nvidia") != 0) {
        why = alloc_format("the driver %s has it, not nvidia", driver);
    } else if (inventory->outcome == NVML_ABSENT) {
        why = alloc_text("NVIDIA's driver is not installed: there is no libnvidia-ml.so.1");
    } else if (!driver && sysfs_is_there(&entry->pci)) {
        why = alloc_text("it is disabled: no driver has it");
    } else if (inventory->outcome == NVML_BROKEN) {
        why = alloc_format("the driver does not work: %s", inventory->why);
    } else if (inventory->lost > 0) {
        why = alloc_format("the driver does not answer for it: %s", inventory->lost_error);
    } else if (inventory->count == 0 && inventory->hidden == 0) {
        /* it may have failed to start it; where others are shown it was not given to us */
        why = alloc_text("the driver shows no card; the kernel's log may say why");
    }
    free(driver);
    return why;
}

static void merge(cards_t *self, const struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->count; i++) {
        const struct nvml_device *device = &inventory->devices[i];
        if (device->is_mig) {
            add_instance(self, device);
            continue;
        }
        struct card_entry *entry = entry_of(self, device);
        if (inventory->states[i] == NVML_OK) {
            fill(entry, device);
        } else {
            entry->handle = device->handle;
            set_text(&entry->card.fault,
                     alloc_format("the driver cannot use it: %s", inventory->errors[i]));
        }
    }
    for (size_t i = 0; i < self->count; i++) {
        struct card_entry *entry = &self->entries[i];
        if (entry->card.vendor == CARD_NVIDIA && !entry->handle && !entry->card.fault) {
            entry->card.fault = absence(inventory, entry);
            entry->hidden = entry->hidden || !entry->card.fault;
        }
    }
}

static void tell_hang(cards_t *self, int seconds)
{
    self->trouble = alloc_format("NVIDIA's driver has not answered for %d s", seconds);
    for (size_t i = 0; i < self->count; i++) {
        if (self->entries[i].card.vendor == CARD_NVIDIA) {
            set_text(&self->entries[i].card.fault, alloc_text(self->trouble));
        }
    }
}

void cards_ask_nvml(cards_t *self)
{
    struct inventory inventory = { .outcome = NVML_BROKEN };
    int patience_ms = cards_patience_ms(OPEN_MAX_MS);
    self->errand = errand_new();
    if (!self->errand) {
        self->trouble = alloc_text("no thread can be started to ask NVIDIA's driver");
        return;
    }
    if (errand_run(self->errand, take_inventory, &inventory, sizeof inventory, patience_ms) != 0) {
        tell_hang(self, patience_ms / 1000);
        return;
    }
    self->nvml = inventory.nvml;
    if (inventory.outcome == NVML_BROKEN) {
        self->trouble = alloc_format("NVIDIA's driver does not work: %s", inventory.why);
    }
    merge(self, &inventory);
    inventory_clear(&inventory);
}

void cards_end_nvml(cards_t *self)
{
    bool stuck = self->errand && errand_is_stuck(self->errand);
    errand_destroy(&self->errand);
    if (!stuck) {
        nvml_close(&self->nvml); /* else the lost call goes on in it */
    }
}

static int to_errno(int outcome)
{
    switch (outcome) {
    case NVML_OK:
        return 0;
    case NVML_GONE:
        return -ENODEV;
    case NVML_HIDDEN:
    case NVML_UNKNOWN:
        return -ENOTSUP;
    default:
        return -EIO;
    }
}

struct sample_question {
    nvml_t *nvml;
    void *handle, *parent;
    struct card_sample sample;
    int outcome;
};

static void ask_sample(void *data)
{
    struct sample_question *self = data;
    self->outcome = nvml_sample(self->nvml, self->handle, self->parent, &self->sample);
}

int cards_sample_nvml(cards_t *self, const struct card_entry *entry, struct card_sample *out)
{
    struct sample_question question = {
        self->nvml, entry->handle, entry->parent, { -1, -1, -1, -1, -1 }, NVML_FAILED
    };
    if (!self->nvml || !entry->handle) {
        return self->errand && errand_is_stuck(self->errand) ? -ETIMEDOUT : -ENOTSUP;
    }
    int rc = errand_run(self->errand, ask_sample, &question, sizeof question,
                        cards_patience_ms(ASK_MAX_MS));
    rc = rc ? rc : to_errno(question.outcome);
    if (rc == 0) {
        *out = question.sample;
    }
    return rc;
}

struct process_question {
    nvml_t *nvml;
    void *handle;
    struct card_process *found; /* its own: a late answer has no reader */
    size_t count;
    int outcome;
};

static void ask_processes(void *data)
{
    struct process_question *self = data;
    self->found = alloc_zero(PROCESSES_ROOM, sizeof *self->found);
    self->outcome =
        nvml_processes(self->nvml, self->handle, self->found, PROCESSES_ROOM, &self->count);
}

int cards_processes_nvml(cards_t *self, const struct card_entry *entry, struct card_process *out,
                         size_t max, size_t *count)
{
    struct process_question question = { self->nvml, entry->handle, NULL, 0, NVML_FAILED };
    if (!self->nvml || !entry->handle) {
        return self->errand && errand_is_stuck(self->errand) ? -ETIMEDOUT : -ENOTSUP;
    }
    int rc = errand_run(self->errand, ask_processes, &question, sizeof question,
                        cards_patience_ms(ASK_MAX_MS));
    rc = rc ? rc : to_errno(question.outcome);
    if (rc == 0) {
        *count = question.count < max ? question.count : max;
        memcpy(out, question.found, *count * sizeof *out);
    }
    free(question.found);
    return rc;
}
