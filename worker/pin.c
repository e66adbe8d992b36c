#include "worker/pin.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/log.h"
#include "worker/card.h"

/* A container may forbid it; then memory comes from wherever the kernel likes. */
static void bind_memory(hwloc_topology_t topology, const struct device *device)
{
    if (hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE) < 2) {
        return;
    }
    if (hwloc_set_membind(topology, device->cpus, HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_THREAD) != 0) {
        log_info("bind memory to the nodes of %s: %s", device->id, strerror(errno));
    }
}

int pin_process(hwloc_topology_t topology, const struct device *device)
{
    if (device->kind == DEVICE_NONE) {
        return 0;
    }
    bind_memory(topology, device);
    if (hwloc_set_cpubind(topology, device->cpus, HWLOC_CPUBIND_PROCESS) != 0) {
        return errno ? -errno : -EIO;
    }
    return 0;
}

static void add(struct pin_env *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct pin_env *self, const char *format, ...)
{
    va_list args;
    if (self->count == PIN_ENV_MAX) {
        abort(); /* ours alone: there are no more names than that below */
    }
    va_start(args, format);
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0) {
        abort();
    }
    va_end(args);
    self->list[self->count++] = text;
    self->list[self->count] = NULL;
}

/* Is it a card of the vendor? The device's cards are of one: Cycles takes one type at a time. */
static bool is_of(const struct device *device, enum card_vendor vendor)
{
    return device->card_count > 0 && device->cards[0]->vendor == vendor;
}

/* "GPU-1,GPU-2"; NULL when one of them has no UUID. The caller's. */
static char *uuids(const struct device *device)
{
    char *list = alloc_text("");
    for (size_t i = 0; i < device->card_count; i++) {
        const char *uuid = device->cards[i]->uuid;
        char *longer = uuid ? alloc_format("%s%s%s", list, i > 0 ? "," : "", uuid) : NULL;
        free(list);
        list = longer;
        if (!list) {
            return NULL;
        }
    }
    return list;
}

/* CUDA's own order is by speed: whoever counts cards inside Blender shall count as NVML does. */
static void add_nvidia(struct pin_env *self, const struct device *device)
{
    CLEANUP(cleanup_free) char *list = uuids(device);
    add(self, "CUDA_DEVICE_ORDER=PCI_BUS_ID");
    if (list) {
        add(self, "CUDA_VISIBLE_DEVICES=%s", list);
    }
}

/* HIP counts what ROCR leaves, and reads CUDA_VISIBLE_DEVICES where it has no list of its own; so
 * it gets one. */
static void add_amd(struct pin_env *self, const struct device *device)
{
    CLEANUP(cleanup_free) char *list = uuids(device);
    if (!list) {
        return; /* which number it has is for those to say who know all cards */
    }
    add(self, "ROCR_VISIBLE_DEVICES=%s", list);
    CLEANUP(cleanup_free) char *numbers = alloc_text("0");
    for (size_t i = 1; i < device->card_count; i++) {
        char *longer = alloc_format("%s,%zu", numbers, i);
        free(numbers);
        numbers = longer;
    }
    add(self, "HIP_VISIBLE_DEVICES=%s", numbers);
}

/* Show nothing of a vendor. -1 is no card, and an empty list is none to HIP. */
static void hide(struct pin_env *self, const struct device *device)
{
    if (!is_of(device, CARD_NVIDIA)) {
        add(self, "CUDA_VISIBLE_DEVICES=");
    }
    if (!is_of(device, CARD_AMD)) {
        add(self, "ROCR_VISIBLE_DEVICES=");
        add(self, "HIP_VISIBLE_DEVICES=-1");
    }
    if (!is_of(device, CARD_INTEL)) {
        add(self, "ONEAPI_DEVICE_SELECTOR=!level_zero:*");
    }
}

bool pin_draws_shared(const struct device *device)
{
    return device->card_count > 1 || is_of(device, CARD_NVIDIA);
}

/* Eevee and Workbench draw by OpenGL, which knows none of these variables: Mesa's drivers have one
 * of their own, NVIDIA's has none. */
static void add_drawing(struct pin_env *self, const struct device *device)
{
    if (device->card_count == 0) {
        add(self, "LIBGL_ALWAYS_SOFTWARE=1");
        return;
    }
    if (!pin_draws_shared(device)) {
        CLEANUP(cleanup_free) char *place = alloc_text(device->cards[0]->pci);
        for (char *at = place; (at = strpbrk(at, ":."));) {
            *at = '_';
        }
        add(self, "DRI_PRIME=pci-%s", place);
    }
}

void pin_environment(const struct device *device, struct pin_env *out)
{
    *out = (struct pin_env){ .count = 0 };
    /* Blender's own threads follow -t; these are for the libraries inside it and the prover. */
    add(out, "OMP_NUM_THREADS=%d", device->threads);
    add(out, "OPENBLAS_NUM_THREADS=%d", device->threads);
    hide(out, device);
    /*
     * Intel's card is not pinned here: ONEAPI_DEVICE_SELECTOR and ZE_AFFINITY_MASK take numbers
     * alone, no address and no UUID, and which number a card has is up to the driver (boards before
     * chips, or by address with ZE_ENABLE_PCI_ID_DEVICE_ORDER), over all that it takes for its own.
     * The selector counts what the mask has left, so that both with the same number show nothing.
     * A number that is wrong would hide the right card; Cycles is told which one to use by its
     * address instead, and refused any other. What the user set stays as it is: it has decided
     * which cards we know (visible.c).
     */
    if (is_of(device, CARD_NVIDIA)) {
        add_nvidia(out, device);
    } else if (is_of(device, CARD_AMD)) {
        add_amd(out, device);
    }
    add_drawing(out, device);
}

void pin_env_clear(struct pin_env *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free((char *)(uintptr_t)self->list[i]); /* made by add() */
    }
    *self = (struct pin_env){ .count = 0 };
}
