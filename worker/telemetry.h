#ifndef WORKER_TELEMETRY_H
#define WORKER_TELEMETRY_H

/*
 * telemetry - what the cards and the machine of a worker do, measured on a thread of its own
 *
 * A driver that hangs stops that thread and nothing else; what was measured before is told for a
 * while longer and then no more. While Blender works it is measured four times a second, so that
 * the peaks of a frame are seen, else once.
 */

#include <hwloc.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker/device.h"

enum {
    TELEMETRY_BUSY_MS = 250,
    TELEMETRY_IDLE_MS = 1000,
    TELEMETRY_OLD_MS = 10000, /* what is older is not told */
};

struct telemetry_setup {
    hwloc_topology_t topology; /* borrowed; only read */
    const struct device *device;
    int max_temperature_c; /* 0: none */
    /* Called on the thread, once a second while a Blender works; cards: a list of the thread's own.
     * NULL: not wanted. */
    void (*look)(void *ctx, cards_t *cards, pid_t blender);
    void *ctx;
};

typedef struct telemetry telemetry_t;

/* The most since the last time it was asked; 0: not known. */
struct telemetry_peaks {
    int64_t gpu_bytes; /* what Blender had of one card */
    int64_t rss_bytes; /* what it had of the machine */
};

/* setup is copied, what it points to is borrowed until telemetry_stop. */
int telemetry_start(const struct telemetry_setup *setup, telemetry_t **out);

/* A thread that stands in a driver is left behind, with what it needs: then false. */
bool telemetry_stop(telemetry_t **self_p);

/* Becomes readable when the card has become too hot, or cool again; telemetry_heard empties it. */
int telemetry_fd(const telemetry_t *self);
void telemetry_heard(telemetry_t *self);

/* The Blender that works now; 0: none does. */
void telemetry_watch(telemetry_t *self, pid_t blender);

/*
 * When (monotonic) a card last worked for the Blender that is watched; 0: never. A card's load
 * counts as ours while we are on it, unless the driver says that it is all of others; where it
 * names no process of a card, too.
 */
int64_t telemetry_worked_ms(telemetry_t *self);

struct telemetry_peaks telemetry_take_peaks(telemetry_t *self);

/* For SYNC (PROTOCOL.md 2.2): what is known now; the caller's. */
json_t *telemetry_json(telemetry_t *self);

/* {code, text, hint}: why the worker rests by itself; NULL: it does not. The caller's. */
json_t *telemetry_rest(telemetry_t *self);

/*
 * Who else holds memory of the card: "firefox (4711) holds 1.5 GiB", the caller's; *had_bytes is
 * what is left of the card for us. NULL: nobody that we know of.
 */
char *telemetry_held_by(telemetry_t *self, int64_t *had_bytes);

/* "GPU 2 (NVIDIA RTX A6000)", of a group "GPU 0+1 (...)"; NULL for a device without a card. */
char *telemetry_device_name(const cards_t *cards, const struct device *device);

#endif
