#include "worker/card.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "worker/card_parts.h"
#include "worker/visible.h"

enum {
    VENDOR_NVIDIA = 0x10de,
    VENDOR_AMD = 0x1002,
    VENDOR_INTEL = 0x8086,
    CLASS_DISPLAY = 0x03,
    CLASS_ACCELERATOR = 0x12, /* AMD's Instinct; of others it is no GPU */
    PATIENCE_S = 20,
    PATIENCE_MAX_S = 600,
};

const char *card_vendor_word(enum card_vendor vendor)
{
    static const char *const words[] = { "nvidia", "amd", "intel" };
    return words[vendor];
}

int cards_patience_ms(int max)
{
    const char *text = getenv("DBLEND_DRIVER_PATIENCE");
    char *end = NULL;
    long seconds = text ? strtol(text, &end, 10) : 0;
    if (!text || end == text || *end || seconds < 1 || seconds > PATIENCE_MAX_S) {
        seconds = PATIENCE_S;
    }
    int patience = (int)seconds * 1000;
    return patience < max ? patience : max;
}

void card_entry_clear(struct card_entry *self)
{
    free(self->card.id);
    free(self->card.uuid);
    free(self->card.pci);
    free(self->card.name);
    free(self->card.fault);
    hwloc_bitmap_free(self->card.cpus);
    free(self->card_uuid);
    *self = (struct card_entry){ .handle = NULL };
}

struct card_entry *cards_append(cards_t *self, enum card_vendor vendor, const struct sysfs_pci *pci)
{
    char text[SYSFS_PCI_TEXT];
    sysfs_pci_format(pci, text);
    self->entries = alloc_resize(self->entries, self->count + 1, sizeof *self->entries);
    struct card_entry *entry = &self->entries[self->count++];
    *entry = (struct card_entry){
        .card = { .id = alloc_format("pci:%s", text),
                  .pci = alloc_text(text),
                  .vendor = vendor,
                  .numa = -1 },
        .pci = *pci,
    };
    return entry;
}

static bool is_gpu(const struct hwloc_pcidev_attr_s *pci, enum card_vendor *out)
{
    unsigned class = pci->class_id >> 8;
    switch (pci->vendor_id) {
    case VENDOR_NVIDIA:
        *out = CARD_NVIDIA;
        return class == CLASS_DISPLAY;
    case VENDOR_AMD:
        *out = CARD_AMD;
        return class == CLASS_DISPLAY || class == CLASS_ACCELERATOR;
    case VENDOR_INTEL:
        *out = CARD_INTEL;
        return class == CLASS_DISPLAY;
    default:
        return false;
    }
}

/* Where a PCI device hangs: its cores and its memory node. */
static void place(hwloc_topology_t topology, hwloc_obj_t object, struct card *out)
{
    hwloc_obj_t near = object ? hwloc_get_non_io_ancestor_obj(topology, object) : NULL;
    hwloc_const_bitmap_t all = hwloc_topology_get_topology_cpuset(topology);
    hwloc_bitmap_free(out->cpus);
    out->cpus = hwloc_bitmap_dup(near && near->cpuset ? near->cpuset : all);
    hwloc_bitmap_and(out->cpus, out->cpus, all);
    if (hwloc_bitmap_iszero(out->cpus)) {
        hwloc_bitmap_copy(out->cpus, all); /* its own cores are not ours: any is as good */
    }
    if (near && near->nodeset && hwloc_bitmap_weight(near->nodeset) == 1) {
        out->numa = hwloc_bitmap_first(near->nodeset);
    }
}

static void add_pci_devices(cards_t *self, hwloc_topology_t topology)
{
    static const char *const makers[] = { "NVIDIA", "AMD", "Intel" };
    hwloc_obj_t object = NULL;
    enum card_vendor vendor = CARD_NVIDIA;
    while (self->count < CARDS_MAX && (object = hwloc_get_next_pcidev(topology, object))) {
        const struct hwloc_pcidev_attr_s *attr = &object->attr->pcidev;
        if (!is_gpu(attr, &vendor)) {
            continue;
        }
        struct sysfs_pci pci = { attr->domain, attr->bus, attr->dev, attr->func };
        struct card_entry *entry = cards_append(self, vendor, &pci);
        const char *name = hwloc_obj_get_info_by_name(object, "PCIDevice");
        entry->card.name = alloc_text(name && *name ? name : NULL);
        entry->card.integrated = vendor == CARD_INTEL && attr->domain == 0 && attr->bus == 0;
        if (!entry->card.name) {
            entry->card.name =
                alloc_format("%s GPU %04x:%04x", makers[vendor], attr->vendor_id, attr->device_id);
        }
        sysfs_clean(entry->card.name);
        place(topology, object, &entry->card);
    }
}

static int compare(const void *left, const void *right)
{
    const struct card_entry *a = left;
    const struct card_entry *b = right;
    int order = sysfs_pci_compare(&a->pci, &b->pci);
    return order ? order : strcmp(a->card.id, b->card.id);
}

static void drop_hidden(cards_t *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (self->entries[i].hidden) {
            card_entry_clear(&self->entries[i]);
        } else {
            self->entries[kept++] = self->entries[i];
        }
    }
    self->count = kept;
}

static void apply_environment(cards_t *self)
{
    struct visible_card *list = alloc_zero(self->count + 1, sizeof *list);
    for (size_t i = 0; i < self->count; i++) {
        const struct card_entry *entry = &self->entries[i];
        list[i] = (struct visible_card){
            .vendor = entry->card.vendor,
            .pci = entry->card.pci,
            .uuid = entry->card.uuid,
            .card_uuid = entry->card_uuid,
            .mig = entry->card.mig,
            .integrated = entry->card.integrated,
            .served = entry->handle || !entry->card.fault,
        };
    }
    visible_apply(list, self->count);
    for (size_t i = 0; i < self->count; i++) {
        self->entries[i].hidden = list[i].hidden;
    }
    free(list);
    drop_hidden(self);
}

static void set_types(struct card *card)
{
    static const char *const types[][CARD_TYPES_MAX] = {
        [CARD_NVIDIA] = { "OPTIX", "CUDA", NULL },
        [CARD_AMD] = { "HIP", NULL },
        [CARD_INTEL] = { "ONEAPI", NULL },
    };
    if (card->fault) {
        memset(card->types, 0, sizeof card->types);
    } else if (!card->types[0]) {
        memcpy(card->types, types[card->vendor], sizeof card->types);
    }
}

int cards_open(hwloc_topology_t topology, cards_t **out)
{
    cards_t *self = alloc_zero(1, sizeof *self);
    add_pci_devices(self, topology);
    cards_ask_nvml(self);
    for (size_t i = 0; i < self->count; i++) {
        struct card_entry *entry = &self->entries[i];
        if (entry->card.vendor != CARD_NVIDIA) {
            card_ask_kernel(entry);
        }
        if (!entry->card.cpus) {
            place(topology, NULL, &entry->card);
        }
    }
    drop_hidden(self);
    if (self->count > 0) {
        qsort(self->entries, self->count, sizeof *self->entries, compare);
    }
    apply_environment(self);
    for (size_t i = 0; i < self->count; i++) {
        set_types(&self->entries[i].card);
    }
    *out = self;
    return 0;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

json_t *card_json(const struct card *self, size_t index)
{
    json_t *types = json_array();
    json_t *cpus = json_array();
    for (size_t i = 0; i < CARD_TYPES_MAX && self->types[i]; i++) {
        json_array_append_new(types, json_string(self->types[i]));
    }
    for (int cpu = hwloc_bitmap_first(self->cpus); cpu >= 0;
         cpu = hwloc_bitmap_next(self->cpus, cpu)) {
        json_array_append_new(cpus, json_integer(cpu));
    }
    json_t *out = json_pack("{s:s, s:I, s:s, s:o, s:s, s:s}", "device", self->id, "index",
                            (json_int_t)index, "pci", self->pci, "uuid", text_or_null(self->uuid),
                            "name", self->name, "vendor", card_vendor_word(self->vendor));
    json_object_set_new(out, "memory_bytes",
                        self->memory_bytes > 0 ? json_integer(self->memory_bytes) : json_null());
    json_object_set_new(out, "numa", self->numa >= 0 ? json_integer(self->numa) : json_null());
    json_object_set_new(out, "display", json_boolean(self->display));
    json_object_set_new(out, "mig", json_boolean(self->mig));
    json_object_set_new(out, "integrated", json_boolean(self->integrated));
    json_object_set_new(out, "types", types);
    json_object_set_new(out, "fault", text_or_null(self->fault));
    json_object_set_new(out, "cpus", cpus);
    return out;
}

size_t cards_count(const cards_t *self)
{
    return self->count;
}

const struct card *cards_at(const cards_t *self, size_t index)
{
    return index < self->count ? &self->entries[index].card : NULL;
}

size_t cards_index(const cards_t *self, const struct card *card)
{
    size_t i = 0;
    while (i < self->count && &self->entries[i].card != card) {
        i++;
    }
    return i;
}

const char *cards_trouble(const cards_t *self)
{
    return self->trouble;
}

int cards_sample(cards_t *self, size_t index, struct card_sample *out)
{
    if (index >= self->count) {
        return -EINVAL;
    }
    const struct card_entry *entry = &self->entries[index];
    return entry->card.vendor == CARD_NVIDIA ? cards_sample_nvml(self, entry, out)
                                             : card_sample_kernel(entry, out);
}

int cards_processes(cards_t *self, size_t index, struct card_process *out, size_t max,
                    size_t *count)
{
    if (index >= self->count) {
        return -EINVAL;
    }
    const struct card_entry *entry = &self->entries[index];
    *count = 0;
    return entry->card.vendor == CARD_NVIDIA ? cards_processes_nvml(self, entry, out, max, count)
                                             : card_processes_kernel(entry, out, max, count);
}

void cards_destroy(cards_t **self_p)
{
    cards_t *self = *self_p;
    *self_p = NULL;
    if (!self) {
        return;
    }
    cards_end_nvml(self);
    for (size_t i = 0; i < self->count; i++) {
        card_entry_clear(&self->entries[i]);
    }
    free(self->entries);
    free(self->trouble);
    free(self);
}
