/* The cards of AMD and Intel, as their kernel drivers show them in sysfs */

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "worker/card_parts.h"
#include "worker/drm.h"

enum {
    TILES_MAX = 8,
    PERCENT_MAX = 100,
    MILLI = 1000,
    METRICS_FORMAT_AT = 2, /* gpu_metrics: size in two bytes, then the format */
    METRICS_OF_CARD = 1,
    METRICS_OF_CHIP = 2 /* and above */
};

#define CARVED_MAX ((int64_t)2 << 30) /* what a firmware sets aside of the machine's memory */

static void set_fault(struct card *card, char *fault)
{
    if (card->fault) {
        free(fault);
    } else {
        card->fault = fault;
    }
}

/* /dev/dri/renderD128 of the card; NULL when the driver has made none. */
static char *render_node(const struct card_entry *entry)
{
    const char *root = getenv("HWLOC_FSROOT");
    CLEANUP(cleanup_free)
    char *folder = alloc_format("%s/sys/bus/pci/devices/%s/drm", root ? root : "", entry->card.pci);
    CLEANUP(cleanup_folder) DIR *listing = opendir(folder);
    struct dirent *item = NULL;
    while (listing && (item = readdir(listing))) {
        if (strncmp(item->d_name, "renderD", 7) == 0) {
            return alloc_format("%s/dev/dri/%s", root ? root : "", item->d_name);
        }
    }
    return NULL;
}

/* "render", "video" or whatever owns the node; its number where it has no name here. */
static char *group_of(const char *node)
{
    enum { ROOM = 4096 };
    struct stat about;
    struct group group;
    struct group *found = NULL;
    CLEANUP(cleanup_free) char *room = alloc_zero(1, ROOM);
    if (stat(node, &about) != 0) {
        return alloc_text("render");
    }
    return getgrgid_r(about.st_gid, &group, room, ROOM, &found) == 0 && found
               ? alloc_text(found->gr_name)
               : alloc_format("%u", about.st_gid);
}

/* A container that was not given a card has no node of it; one that may not use it is told so. */
static void check_access(struct card_entry *entry)
{
    CLEANUP(cleanup_free) char *node = render_node(entry);
    if (!node) {
        set_fault(&entry->card, alloc_text("its driver has made no /dev/dri node for it"));
    } else if (access(node, F_OK) != 0) {
        entry->hidden = true;
    } else if (access(node, R_OK | W_OK) != 0) {
        CLEANUP(cleanup_free) char *group = group_of(node);
        set_fault(
            &entry->card,
            alloc_format("you may not open %s: `sudo usermod -aG %s $USER', then log in again",
                         node, group));
    }
}

static void check_driver(struct card_entry *entry, const char *first, const char *second)
{
    CLEANUP(cleanup_free) char *driver = sysfs_driver(&entry->pci);
    if (!driver) {
        set_fault(&entry->card, alloc_text("it is disabled: no driver has it"));
    } else if (strcmp(driver, first) != 0 && (!second || strcmp(driver, second) != 0)) {
        set_fault(&entry->card, alloc_format("the driver %s has it, not %s", driver, first));
    } else {
        check_access(entry);
    }
}

static int64_t intel_memory(const struct sysfs_pci *pci)
{
    int64_t sum = 0;
    for (int tile = 0; tile < TILES_MAX; tile++) {
        char name[48];
        (void)snprintf(name, sizeof name, "tile%d/physical_vram_size_bytes", tile); /* fits */
        int64_t bytes = sysfs_int(pci, name);
        if (bytes > 0 && bytes < INT64_MAX / TILES_MAX) {
            sum += bytes;
        }
    }
    return sum;
}

/* ROCR_VISIBLE_DEVICES takes the card's unique_id after "GPU-". */
static char *amd_uuid(const struct sysfs_pci *pci)
{
    CLEANUP(cleanup_free) char *id = sysfs_text(pci, "unique_id");
    bool plain = id && strlen(id) == 16 && strspn(id, "0123456789abcdefABCDEF") == 16;
    return plain ? alloc_format("GPU-%s", id) : NULL;
}

/*
 * Part of a processor? The driver has no word for it, but tables of measurements of another format
 * for chips than for cards. Where it has none (before 5.9) a chip is known by the little memory
 * that was set aside for it, beside more that it shares with the machine: HIP takes no card that
 * small.
 */
static bool amd_is_chip(const struct sysfs_pci *pci, int64_t memory)
{
    int format = sysfs_byte(pci, "gpu_metrics", METRICS_FORMAT_AT);
    if (format >= METRICS_OF_CARD) {
        return format >= METRICS_OF_CHIP;
    }
    return memory >= 0 && memory <= CARVED_MAX && sysfs_int(pci, "mem_info_gtt_total") > memory;
}

void card_ask_kernel(struct card_entry *entry)
{
    struct card *card = &entry->card;
    card->display = sysfs_display(&entry->pci);
    if (card->vendor == CARD_AMD) {
        int64_t memory = sysfs_int(&entry->pci, "mem_info_vram_total");
        char *name = sysfs_text(&entry->pci, "product_name");
        if (name) {
            free(card->name);
            card->name = name;
        }
        card->integrated = amd_is_chip(&entry->pci, memory);
        card->memory_bytes = memory > 0 && !card->integrated ? memory : 0;
        card->uuid = amd_uuid(&entry->pci);
        check_driver(entry, "amdgpu", NULL);
    } else {
        card->memory_bytes = intel_memory(&entry->pci);
        check_driver(entry, "xe", "i915");
    }
}

/* A chip takes what was set aside for it, then the machine's. */
static int64_t memory_used(const struct card_entry *entry)
{
    int64_t own = sysfs_int(&entry->pci, "mem_info_vram_used");
    int64_t shared = entry->card.integrated ? sysfs_int(&entry->pci, "mem_info_gtt_used") : 0;
    return own < 0 || shared < 0 ? -1 : own + shared;
}

/* In thousandths: how the sensors count degrees, and the card's watts come in millionths. */
static int from_thousands(int64_t value)
{
    return value >= 0 && value / MILLI < 1000000000 ? (int)(value / MILLI) : -1;
}

int card_sample_kernel(const struct card_entry *entry, struct card_sample *out)
{
    const struct sysfs_pci *pci = &entry->pci;
    if (!sysfs_is_there(pci)) {
        return -ENODEV;
    }
    int64_t load = sysfs_int(pci, "gpu_busy_percent");
    int64_t power = sysfs_sensor(pci, "power1_average");
    int64_t heat = sysfs_sensor(pci, "temp1_input");
    power = power >= 0 ? power : sysfs_sensor(pci, "power1_input"); /* newer boards have this */
    heat = heat >= 0 ? heat : sysfs_sensor(pci, "temp2_input");     /* xe has no first */
    *out = (struct card_sample){
        .memory_used_bytes = memory_used(entry),
        .memory_total_bytes = entry->card.memory_bytes > 0 ? entry->card.memory_bytes : -1,
        .load_percent = load >= 0 && load <= PERCENT_MAX ? (int)load : -1,
        .temperature_c = from_thousands(heat),
        .power_mw = from_thousands(power),
    };
    return 0;
}

int card_processes_kernel(const struct card_entry *entry, struct card_process *out, size_t max,
                          size_t *count)
{
    if (!sysfs_is_there(&entry->pci)) {
        return -ENODEV;
    }
    drm_processes(entry->card.pci, out, max, count);
    return 0;
}
