#include "worker/device_gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "worker/sysfs.h"

static size_t count_of(const cards_t *cards)
{
    return cards ? cards_count(cards) : 0;
}

static size_t pick(const cards_t *cards, bool integrated, const struct card **out)
{
    size_t count = 0;
    for (size_t i = 0; i < count_of(cards); i++) {
        const struct card *card = cards_at(cards, i);
        if (!card->fault && card->integrated == integrated) {
            out[count++] = card;
        }
    }
    return count;
}

const struct card **device_gpu_all(const cards_t *cards, size_t *count)
{
    const struct card **list = alloc_zero(count_of(cards) + 1, sizeof(void *));
    *count = pick(cards, false, list);
    if (*count == 0) {
        *count = pick(cards, true, list);
    }
    return list;
}

char *device_gpu_none(const cards_t *cards)
{
    size_t count = count_of(cards);
    if (count == 0) {
        const char *trouble = cards ? cards_trouble(cards) : NULL;
        return alloc_format("there is no GPU here%s%s", trouble ? ": " : "",
                            trouble ? trouble : "");
    }
    const struct card *card = cards_at(cards, 0);
    return alloc_format("no GPU can be used: %s (%s): %s%s", card->id, card->name, card->fault,
                        count > 1 ? "; `dblend devices' tells of the others" : "");
}

static int by_number(const cards_t *cards, int number, const struct card **out, char **error_text)
{
    size_t count = count_of(cards);
    if (count == 0) {
        CLEANUP(cleanup_free) char *none = device_gpu_none(cards);
        *error_text = alloc_format("gpu:%d: %s", number, none);
        return DEVICE_ABSENT;
    }
    if ((size_t)number >= count) {
        *error_text =
            alloc_format("gpu:%d: the last is gpu:%zu; see `dblend devices'", number, count - 1);
        return DEVICE_ABSENT;
    }
    *out = cards_at(cards, (size_t)number);
    return 0;
}

static bool has_name(const struct card *card, const char *name)
{
    struct sysfs_pci wanted;
    struct sysfs_pci own;
    if (strncmp(name, "pci:", 4) == 0) {
        return sysfs_pci_parse(name + 4, &wanted) && sysfs_pci_parse(card->pci, &own) &&
               sysfs_pci_compare(&wanted, &own) == 0;
    }
    return card->uuid && strncasecmp(card->uuid, name, strlen(name)) == 0;
}

/* By address, UUID or the beginning of a UUID, as CUDA takes it. */
static int by_name(const cards_t *cards, const char *name, const struct card **out,
                   char **error_text)
{
    const struct card *found = NULL;
    for (size_t i = 0; i < count_of(cards); i++) {
        const struct card *card = cards_at(cards, i);
        if (!has_name(card, name)) {
            continue;
        }
        if (found) {
            *error_text = alloc_format("%s: that is %s as well as %s", name, found->id, card->id);
            return DEVICE_REFUSED;
        }
        found = card;
    }
    if (!found) {
        *error_text = alloc_format("%s: there is no such GPU; see `dblend devices'", name);
        return DEVICE_ABSENT;
    }
    if (found->mig && strncmp(name, "pci:", 4) == 0) {
        *error_text = alloc_format("%s is in MIG mode: name its instance, %s", name, found->id);
        return DEVICE_REFUSED;
    }
    *out = found;
    return 0;
}

struct members {
    const struct card *list[DEVICE_NAME_GROUP_MAX];
    size_t count;
};

static int add(struct members *self, const struct card *card, char **error_text)
{
    if (card->fault) {
        *error_text = alloc_format("%s (%s) cannot be used: %s", card->id, card->name, card->fault);
        return DEVICE_ABSENT;
    }
    for (size_t i = 0; i < self->count; i++) {
        if (self->list[i] == card) {
            *error_text = alloc_format("%s is named twice", card->id);
            return DEVICE_REFUSED;
        }
    }
    self->list[self->count++] = card;
    return 0;
}

static int add_all(struct members *self, const cards_t *cards, const struct device_spec *spec,
                   char **error_text)
{
    const struct card *card = NULL;
    int32_t number = 0;
    bool numbers = spec->form == DEVICE_NUMBERS;
    int rc = 0;
    for (int64_t i = 0;
         rc == 0 && (numbers ? ranges_at(&spec->numbers, i, &number) : spec->names[i] != NULL);
         i++) {
        rc = numbers ? by_number(cards, number, &card, error_text)
                     : by_name(cards, spec->names[i], &card, error_text);
        rc = rc ? rc : add(self, card, error_text);
    }
    return rc;
}

/* `gpu` for one worker: only where it can mean but one. */
static int add_only(struct members *self, const cards_t *cards, char **error_text)
{
    size_t count = 0;
    const struct card **all = device_gpu_all(cards, &count);
    int rc = count == 0 ? DEVICE_ABSENT : DEVICE_REFUSED;
    if (count == 1) {
        rc = add(self, all[0], error_text);
    } else if (count == 0) {
        *error_text = device_gpu_none(cards);
    } else {
        *error_text = alloc_format(
            "gpu: that is %zu devices; a worker has one, such as gpu:0, or "
            "a group, such as gpu:0+1",
            count);
    }
    free(all);
    return rc;
}

static int check_group(const struct members *members, char **error_text)
{
    for (size_t i = 1; i < members->count; i++) {
        const struct card *first = members->list[0];
        const struct card *card = members->list[i];
        if (first->vendor != card->vendor) {
            *error_text = alloc_format(
                "%s and %s are of different makers: Cycles does not render "
                "one frame on both",
                first->id, card->id);
            return DEVICE_REFUSED;
        }
        if (first->mig || card->mig) {
            *error_text =
                alloc_format("%s: a program sees one MIG instance at most, so they make no group",
                             card->mig ? card->id : first->id);
            return DEVICE_REFUSED;
        }
    }
    return 0;
}

/* Cards that work and are near the same cores share them; self is one of them. */
static void find_peers(const cards_t *cards, const struct card *self, int *place, int *count)
{
    *place = 0;
    *count = 0;
    for (size_t i = 0; i < count_of(cards); i++) {
        const struct card *card = cards_at(cards, i);
        bool shares = !card->fault && card->integrated == self->integrated &&
                      hwloc_bitmap_isequal(card->cpus, self->cpus);
        *place = card == self ? *count : *place;
        *count += shares || card == self ? 1 : 0;
    }
}

static void add_share(hwloc_topology_t topology, const cards_t *cards, const struct card *card,
                      hwloc_bitmap_t out)
{
    int place = 0;
    int count = 0;
    find_peers(cards, card, &place, &count);
    int cores = hwloc_get_nbobjs_inside_cpuset_by_type(topology, card->cpus, HWLOC_OBJ_CORE);
    if (cores < count) {
        hwloc_bitmap_or(out, out, card->cpus);
        return;
    }
    for (int core = cores * place / count; core < cores * (place + 1) / count; core++) {
        hwloc_obj_t object = hwloc_get_obj_inside_cpuset_by_type(topology, card->cpus,
                                                                 HWLOC_OBJ_CORE, (unsigned)core);
        if (object) {
            hwloc_bitmap_or(out, out, object->cpuset);
        }
    }
}

static int by_place(const void *left, const void *right)
{
    const struct card *const *a = left;
    const struct card *const *b = right;
    return (*a > *b) - (*a < *b); /* they lie in one array, in its order */
}

void device_gpu_make(hwloc_topology_t topology, const cards_t *cards,
                     const struct card *const *members, size_t count, struct device *out)
{
    out->kind = DEVICE_GPU;
    out->card_count = count;
    memcpy(out->cards, members, count * sizeof(void *));
    qsort(out->cards, count, sizeof(void *), by_place);
    out->cpus = hwloc_bitmap_alloc();
    out->id = alloc_text("");
    for (size_t i = 0; i < count; i++) {
        CLEANUP(cleanup_free) char *before = out->id;
        out->id = alloc_format("%s%s%s", before, i > 0 ? "+" : "", out->cards[i]->id);
        add_share(topology, cards, out->cards[i], out->cpus);
    }
    out->threads = hwloc_bitmap_weight(out->cpus);
}

int device_gpu_find(hwloc_topology_t topology, const cards_t *cards, const struct device_spec *spec,
                    struct device *out, char **error_text)
{
    struct members members = { .count = 0 };
    int rc = spec->form == DEVICE_ALL ? add_only(&members, cards, error_text)
                                      : add_all(&members, cards, spec, error_text);
    rc = rc ? rc : check_group(&members, error_text);
    if (rc == 0) {
        device_gpu_make(topology, cards, members.list, members.count, out);
    }
    return rc;
}
