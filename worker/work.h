#ifndef WORKER_WORK_H
#define WORKER_WORK_H

/*
 * work - which claims this worker holds and what is done next for them
 *
 * One frame renders, the next one is looked at meanwhile, up to two are in proof. The file of a
 * job is opened when the first of its frames has to be rendered, not before. What is to be told
 * goes into the reports; the children are reached through ports, so that the order of things can
 * be tested without them. Time is a parameter.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/device_types.h"
#include "worker/blender.h"
#include "worker/blenders.h"
#include "worker/device.h"
#include "worker/pulse.h"
#include "worker/reports.h"
#include "worker/source.h"

enum {
    WORK_HOLD_MAX = 4,
    WORK_UNPROVEN_MAX = 2, /* one rendering, one ahead */
    WORK_PROOFS_MAX = 2,   /* with two in proof Blender waits */
    WORK_OPENS_MAX = 3,    /* a file that changes while it is opened */
    WORK_RECENT_MAX = 16,  /* frames whose median is what they usually take */
    WORK_IDLE_MS = 60000,  /* an inspector's Blender ends so long after its last work */
};

struct work_setup {
    const struct blenders *blenders;
    const struct device *device;      /* what Blender is to render on; NULL: it is not told */
    struct device_types device_types; /* of the cards: in this order, and no others; may be empty */
    bool inspector;       /* takes no frames; its Blender runs only while there is work */
    int recycle;          /* a new Blender after so many frames; 0: never for that */
    int64_t stall_ms;     /* least time without a sign of life before a Blender counts as hung */
    int64_t memory_bytes; /* a Blender that grew by more than this is ended between frames */
};

/* What Blender had at most since the last time this was asked; 0: not known. */
struct work_peaks {
    int64_t gpu_bytes; /* of one card */
    int64_t rss_bytes; /* of the machine */
};

/* What the work is done with. What is said to be taken is owned by the port. */
struct work_ports {
    void *ctx;
    bool (*prover_ready)(void *ctx);
    void (*prover_ask)(void *ctx, json_t *request /* taken */, int64_t stall_ms);
    enum blender_state (*blender_state)(void *ctx);
    const struct blender_info *(*blender_info)(void *ctx);
    void (*blender_want)(void *ctx, const struct blender_info *info);
    void (*blender_restart)(void *ctx, const char *reason);
    void (*blender_command)(void *ctx, json_t *command /* taken */,
                            const struct pulse_limits *limits);
    char *(*blender_log)(void *ctx, size_t *size); /* of the attempt; the caller's */
    void (*blender_mark)(void *ctx);               /* a new attempt begins */
    void (*blender_praise)(void *ctx);
    int64_t (*blender_rss)(void *ctx);
    struct work_peaks (*blender_peaks)(void *ctx);
    /* Who else holds memory of the card, for people, the caller's; NULL: nobody. *had_bytes is what
     * they left of it. */
    char *(*held_by)(void *ctx, int64_t *had_bytes);
    void (*source_look)(void *ctx, struct source_ask *ask); /* its content is taken */
    void (*tell)(void *ctx);                   /* the broker must hear something at once */
    void (*tell_by)(void *ctx, int64_t at_ms); /* the same, not later than then */
    /* On which cards is Blender seen from the begin of a frame to its end? The end's answer is a
     * warning or NULL, the caller's. Both NULL where nobody looks. */
    void (*watch_begin)(void *ctx, bool on_card);
    json_t *(*watch_end)(void *ctx);
};

typedef struct work work_t;

/* setup is copied, what it points to and reports are borrowed for its life. */
work_t *work_new(const struct work_setup *setup, const struct work_ports *ports,
                 reports_t *reports);
void work_destroy(work_t **self_p);

/* The broker's answers. */
void work_set_farm(work_t *self, const char *farm);
void work_assign(work_t *self, json_t *about);
void work_grant(work_t *self, const json_t *grant, int64_t now_ms);
void work_drop(work_t *self, int64_t claim, int64_t now_ms); /* not ours any more: no report */
void work_stop(work_t *self, int64_t claim, int64_t now_ms); /* cancelled: given up, returned */
void work_set_orders(work_t *self, bool pause, bool give_back, int64_t now_ms);
void work_asked(work_t *self); /* a message goes out now: remember what it says */
void work_answered(work_t *self, int want, size_t grants);

/* The device is given back to its owner: nothing new, what renders is finished (at_once: given
 * back), Blender ends. rest false: all goes on. */
void work_rest(work_t *self, bool rest, bool at_once, int64_t now_ms);
bool work_rests(const work_t *self); /* nothing of ours is on the device */

/* From now on nothing new; what is ahead is returned. now: all of it, at once. */
void work_drain(work_t *self, bool now, int64_t now_ms);

/* The children's answers. */
void work_prover_answer(work_t *self, const json_t *answer, int64_t now_ms);
/* how: "signal 9"; hung: it was ended since it did not answer. */
void work_prover_died(work_t *self, const char *how, bool hung, int64_t now_ms);
void work_blender_answer(work_t *self, const json_t *answer, int64_t now_ms);
void work_blender_ended(work_t *self, const struct blender_end *end, int64_t now_ms);
void work_source_answer(work_t *self, const struct source_answer *answer, int64_t now_ms);

/* Do whatever can be done now. After every event. Returns the next deadline, INT64_MAX for none. */
int64_t work_step(work_t *self, int64_t now_ms);

/* What the broker is told. */
int64_t work_job(const work_t *self); /* the assignment, 0: none */
json_t *work_holding(const work_t *self);
int work_want(const work_t *self);
const char *work_state(const work_t *self);
int64_t work_progress_claim(const work_t *self); /* whose phase Blender's is; 0: nobody's */

/* Nothing is held. */
bool work_empty(const work_t *self);

/* When something was last held or given. */
int64_t work_busy_ms(const work_t *self);

#endif
