#ifndef SUBMIT_MEMBER_H
#define SUBMIT_MEMBER_H

/*
 * member - one program of the farm that a supervisor keeps running, with its pauses
 *
 * The supervisor owns the clockwork: it looks at start_at_ms, watches the child's pidfd and
 * calls member_bury when that is readable. Nothing in here waits.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/child.h"
#include "proto/paths.h"

enum member_kind {
    MEMBER_BROKER,
    MEMBER_INSPECTOR,
    MEMBER_WORKER,
};

enum member_end {
    MEMBER_ENDED, /* clean: it is not started again by itself */
    MEMBER_DIED,  /* it will be started again at start_at_ms */
    MEMBER_UNFIT, /* it cannot run as it was asked to: not started again */
};

#define MEMBER_PAUSE_FIRST_MS 1000
#define MEMBER_PAUSE_MAX_MS 60000

struct member {
    enum member_kind kind;
    char *device;                 /* owned; NULL for the broker */
    const char *const *arguments; /* borrowed: further ones of a worker or inspector, or NULL */
    char *log;                    /* owned; NULL: prints to our standard error */
    child_t *child;               /* owned; NULL while it does not run */
    int owner;                    /* write end of its owner pipe, -1 */
    int64_t start_at_ms;          /* monotonic; -1: not to be started */
    int64_t started_ms;
    int64_t pause_ms; /* before the next start */
    int deaths;       /* in a row */
    off_t log_from;
    bool served;    /* a broker that has listened: it can run here */
    bool retired;   /* others take its device over: it is not to come back */
    bool told_held; /* the person knows that its device is held by another worker */
};

struct member *member_new(enum member_kind kind, const char *device, const struct paths *paths,
                          bool in_front);

/* Kills it if it runs. Safe on NULL. */
void member_destroy(struct member **self_p);

/* Start it now; false: it failed, was told, and start_at_ms says when to try again. */
bool member_start(struct member *self);

/* Its child has ended: take note, tell the person unless expected, set start_at_ms. */
enum member_end member_bury(struct member *self, bool expected);

/* What the broker says of it, of these worker objects; NULL: nothing, or it does not run. */
const json_t *member_worker(const struct member *self, const json_t *workers);

/* Let it go on without us. */
void member_disown(struct member *self);

/* The pause after deaths in a row, 1 for the first. */
int64_t member_pause_ms(int deaths);

#endif
