#include "worker/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "worker/device_gpu.h"

/* Is it another machine that hwloc shows us, from a file? Then nothing here can be bound to it. */
static bool is_described(void)
{
    return getenv("HWLOC_FSROOT") || getenv("HWLOC_XMLFILE") || getenv("HWLOC_SYNTHETIC");
}

/*
 * Only what the kernel says: hwloc's plugins for NVML, CUDA, OpenCL and the like would load the
 * drivers into this process, where one that hangs would stop us. worker/card asks them with care.
 */
static void leave_out_drivers(hwloc_topology_t topology)
{
    static const char *const plugins[] = { "cuda", "nvml", "rsmi", "levelzero", "opencl", "gl" };
    for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++) {
        /* one that is not installed is an error, and fine */
        (void)hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST,
                                            plugins[i]);
    }
}

int device_topology(hwloc_topology_t *out)
{
    hwloc_topology_t topology = NULL;
    if (hwloc_topology_init(&topology) != 0) {
        return -ENOMEM;
    }
    unsigned long flags = is_described() ? 0
                                         : HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING |
                                               HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM;
    leave_out_drivers(topology);
    if (hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT) != 0 ||
        hwloc_topology_set_flags(topology, flags) != 0 || hwloc_topology_load(topology) != 0) {
        int error = errno ? -errno : -EIO;
        hwloc_topology_destroy(topology);
        return error;
    }
    *out = topology;
    return 0;
}

void device_clear(struct device *self)
{
    free(self->id);
    hwloc_bitmap_free(self->cpus);
    *self = (struct device){ .id = NULL };
}

void device_list_free(struct device **list_p, size_t count)
{
    for (size_t i = 0; *list_p && i < count; i++) {
        device_clear(&(*list_p)[i]);
    }
    free(*list_p);
    *list_p = NULL;
}

const char *device_kind_word(enum device_kind kind)
{
    return kind == DEVICE_NONE ? "none" : kind == DEVICE_CPU ? "cpu" : "gpu";
}

static char *cpu_id(hwloc_const_bitmap_t cpus)
{
    char *list = NULL;
    if (hwloc_bitmap_list_asprintf(&list, cpus) < 0) {
        abort();
    }
    for (char *at = list; *at; at++) {
        if (*at == ',') {
            *at = '+';
        }
    }
    char *id = alloc_format("cpu:%s", list);
    free(list);
    return id;
}

static hwloc_const_bitmap_t allowed(hwloc_topology_t topology)
{
    return hwloc_topology_get_topology_cpuset(topology);
}

/* Fill in a device of CPUs; takes over cpus. */
static void set_cpus(struct device *out, hwloc_bitmap_t cpus)
{
    out->kind = DEVICE_CPU;
    out->cpus = cpus;
    out->threads = hwloc_bitmap_weight(cpus);
    out->id = cpu_id(cpus);
}

static int find_numbers(hwloc_topology_t topology, const struct device_spec *spec,
                        struct device *out, char **error_text)
{
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    for (size_t i = 0; i < spec->numbers.count; i++) {
        const struct ranges_item *item = &spec->numbers.items[i];
        for (int number = item->first; number <= item->last; number += item->step) {
            hwloc_bitmap_set(cpus, (unsigned)number);
        }
    }
    if (!hwloc_bitmap_isincluded(cpus, allowed(topology))) {
        CLEANUP(cleanup_free) char *wanted = cpu_id(cpus);
        CLEANUP(cleanup_free) char *have = cpu_id(allowed(topology));
        *error_text =
            alloc_format("%s: not all of these CPUs are ours to use; there are %s", wanted, have);
        hwloc_bitmap_free(cpus);
        return DEVICE_REFUSED;
    }
    set_cpus(out, cpus);
    return 0;
}

/* A GPU that works with the CPU beside it has a name of its own; the cores are its share. */
static void add_cpu(struct device *device)
{
    CLEANUP(cleanup_free) char *before = device->id;
    device->id = alloc_format("%s+cpu", before);
    device->with_cpu = true;
}

static void set_every_cpu(hwloc_topology_t topology, struct device *out)
{
    set_cpus(out, hwloc_bitmap_dup(allowed(topology)));
}

/* One device of any form but DEVICE_SHARE. */
static int find_one(hwloc_topology_t topology, const cards_t *cards, const struct device_spec *spec,
                    struct device *out, char **error_text)
{
    if (spec->kind == DEVICE_GPU) {
        int rc = device_gpu_find(topology, cards, spec, out, error_text);
        if (rc == 0 && spec->with_cpu) {
            add_cpu(out);
        }
        return rc;
    }
    if (spec->kind == DEVICE_CPU && spec->form == DEVICE_NUMBERS) {
        return find_numbers(topology, spec, out, error_text);
    }
    set_every_cpu(topology, out);
    if (spec->kind == DEVICE_NONE) {
        out->kind = DEVICE_NONE;
        free(out->id);
        out->id = alloc_text("none");
    }
    return 0;
}

/* What no text stands for: the GPUs on boards of their own that work, else none. */
static const struct card **default_cards(const cards_t *cards, size_t *count)
{
    const struct card **list = device_gpu_all(cards, count);
    if (*count > 0 && list[0]->integrated) {
        *count = 0; /* Cycles can use few of those, and shares the memory with them */
    }
    return list;
}

static void find_default(hwloc_topology_t topology, const cards_t *cards, struct device *out)
{
    size_t count = 0;
    const struct card **list = default_cards(cards, &count);
    if (count > 0) {
        device_gpu_make(topology, cards, list, 1, out);
    } else {
        set_every_cpu(topology, out);
    }
    free(list);
}

bool device_wants_cards(const char *text)
{
    struct device_spec *specs = NULL;
    size_t count = 0;
    CLEANUP(cleanup_free) char *error_text = NULL;
    bool wanted = !text;
    if (text && device_name_parse_list(text, &specs, &count, &error_text) == DEVICE_NAME_OK) {
        for (size_t i = 0; i < count; i++) {
            wanted = wanted || specs[i].kind == DEVICE_GPU;
        }
        device_name_list_free(&specs, count);
    }
    return wanted;
}

int device_find(hwloc_topology_t topology, const cards_t *cards, const char *text,
                struct device *out, char **error_text)
{
    struct device found = { .id = NULL };
    struct device_spec spec = { 0 };
    int rc = text ? device_name_parse(text, &spec, error_text) : 0;
    if (rc != 0) {
        return rc > 0 ? DEVICE_REFUSED : rc;
    }
    if (text) {
        rc = find_one(topology, cards, &spec, &found, error_text);
    } else {
        find_default(topology, cards, &found);
    }
    device_name_clear(&spec);
    if (rc == 0) {
        *out = found;
    }
    return rc;
}

struct list {
    struct device *items;
    size_t count;
};

static struct device *append(struct list *self)
{
    self->items = alloc_resize(self->items, self->count + 1, sizeof *self->items);
    struct device *new = &self->items[self->count++];
    *new = (struct device){ .id = NULL };
    return new;
}

/* cpu/N: whole cores, in the machine's order, shares that differ by one core at most. */
static int share_cores(hwloc_topology_t topology, int share, struct list *out, char **error_text)
{
    int cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    hwloc_obj_type_t type = cores > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    cores = hwloc_get_nbobjs_by_type(topology, type);
    if (share > cores) {
        *error_text = alloc_format("cpu/%d: there are only %d cores", share, cores);
        return DEVICE_REFUSED;
    }
    for (int i = 0; i < share; i++) {
        hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
        for (long core = (long)cores * i / share; core < (long)cores * (i + 1) / share; core++) {
            hwloc_obj_t object = hwloc_get_obj_by_type(topology, type, (unsigned)core);
            if (object) {
                hwloc_bitmap_or(cpus, cpus, object->cpuset);
            }
        }
        set_cpus(append(out), cpus);
    }
    return 0;
}

static bool has_card(const struct device *device, const struct card *card)
{
    bool found = false;
    for (size_t i = 0; i < device->card_count; i++) {
        found = found || device->cards[i] == card;
    }
    return found;
}

/* What both have, in words; NULL when they may stand beside each other. CPUs may overlap. */
static const char *common(const struct device *left, const struct device *right)
{
    for (size_t i = 0; i < left->card_count; i++) {
        if (has_card(right, left->cards[i])) {
            return left->cards[i]->id;
        }
    }
    return strcmp(left->id, right->id) == 0 ? left->id : NULL;
}

static int refuse_twice(const struct list *list, char **error_text)
{
    for (size_t i = 0; i < list->count; i++) {
        for (size_t k = 0; k < i; k++) {
            const char *twice = common(&list->items[i], &list->items[k]);
            if (twice) {
                *error_text = alloc_format("%s is named twice", twice);
                return DEVICE_REFUSED;
            }
        }
    }
    return 0;
}

/* Each GPU by itself. */
static int expand_gpus(hwloc_topology_t topology, const cards_t *cards, bool with_cpu,
                       struct list *out, char **error_text)
{
    size_t count = 0;
    const struct card **all = device_gpu_all(cards, &count);
    for (size_t i = 0; i < count; i++) {
        struct device *device = append(out);
        device_gpu_make(topology, cards, &all[i], 1, device);
        if (with_cpu) {
            add_cpu(device);
        }
    }
    free(all);
    if (count == 0) {
        *error_text = device_gpu_none(cards);
    }
    return count > 0 ? 0 : DEVICE_ABSENT;
}

static int expand_one(hwloc_topology_t topology, const cards_t *cards,
                      const struct device_spec *spec, struct list *out, char **error_text)
{
    if (spec->kind == DEVICE_CPU && spec->form == DEVICE_SHARE) {
        return share_cores(topology, spec->share, out, error_text);
    }
    if (spec->kind == DEVICE_GPU && spec->form == DEVICE_ALL) {
        return expand_gpus(topology, cards, spec->with_cpu, out, error_text);
    }
    return find_one(topology, cards, spec, append(out), error_text);
}

static int expand_text(hwloc_topology_t topology, const cards_t *cards, const char *text,
                       struct list *out, char **error_text)
{
    struct device_spec *specs = NULL;
    size_t count = 0;
    int rc = device_name_parse_list(text, &specs, &count, error_text);
    if (rc != 0) {
        return rc > 0 ? DEVICE_REFUSED : rc;
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = expand_one(topology, cards, &specs[i], out, error_text);
    }
    device_name_list_free(&specs, count);
    return rc ? rc : refuse_twice(out, error_text);
}

static void expand_default(hwloc_topology_t topology, const cards_t *cards, struct list *out)
{
    size_t count = 0;
    const struct card **list = default_cards(cards, &count);
    for (size_t i = 0; i < count; i++) {
        device_gpu_make(topology, cards, &list[i], 1, append(out));
    }
    if (count == 0) {
        set_every_cpu(topology, append(out));
    }
    free(list);
}

int device_expand(hwloc_topology_t topology, const cards_t *cards, const char *text,
                  struct device **out, size_t *count, char **error_text)
{
    struct list list = { .items = NULL };
    int rc = 0;
    if (text) {
        rc = expand_text(topology, cards, text, &list, error_text);
    } else {
        expand_default(topology, cards, &list);
    }
    if (rc != 0) {
        device_list_free(&list.items, list.count);
        return rc;
    }
    *out = list.items;
    *count = list.count;
    return 0;
}

static void add_cards(const struct device *self, json_t *json)
{
    json_t *ids = json_array();
    int64_t memory = 0;
    for (size_t i = 0; i < self->card_count; i++) {
        json_array_append_new(ids, json_string(self->cards[i]->id));
        memory += self->cards[i]->memory_bytes;
    }
    json_object_set_new(json, "cards", ids);
    json_object_set_new(json, "name", json_string(self->cards[0]->name));
    json_object_set_new(json, "memory_bytes", json_integer(memory));
    json_object_set_new(json, "with_cpu", json_boolean(self->with_cpu));
}

json_t *device_json(const struct device *self)
{
    json_t *cpus = json_array();
    for (int cpu = hwloc_bitmap_first(self->cpus); cpu >= 0;
         cpu = hwloc_bitmap_next(self->cpus, cpu)) {
        json_array_append_new(cpus, json_integer(cpu));
    }
    json_t *out = json_pack("{s:s, s:s, s:s, s:o, s:i}", "device", self->id, "id", self->id, "kind",
                            device_kind_word(self->kind), "cpus", cpus, "threads", self->threads);
    if (out && self->card_count > 0) {
        add_cards(self, out);
    }
    return out;
}
