#ifndef SUBMIT_SUPERVISE_H
#define SUBMIT_SUPERVISE_H

/*
 * supervise - keeping broker, inspector and workers running, for `farm` and `render`
 *
 * What is started here holds the read end of a pipe from us: when we are gone, however we went,
 * it stops at once. What died is started again, after 1 s at first, then doubling to 60 s; a
 * clean exit is no death. A broker that somebody else started is used, and watched: when it is
 * gone we start one.
 *
 * All of it happens inside the waits of the talk, through its wake descriptor and its idle call,
 * in which we also attend: there is no other thread and no signal handler. INT, TERM, HUP and
 * the orders of `dblend stop` raise the stop level; a rise ends a wait with CLIENT_INTERRUPTED.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "submit/crew.h"
#include "submit/talk.h"

typedef struct supervise supervise_t;

enum supervise_level {
    SUPERVISE_RUN,
    SUPERVISE_SOFT, /* what renders is finished */
    SUPERVISE_NOW,  /* it is given back at once */
};

/*
 * Take over the signals and the talk's wake descriptor. talk, and crew with what its workers and
 * inspectors are told, are borrowed and must outlive it. With in_front what the programs print goes
 * to our standard error, otherwise to their logs. NULL after telling why not.
 */
supervise_t *supervise_new(talk_t *talk, const char *role, const struct crew *crew, bool in_front);

/* Kills what still runs. Safe on NULL. */
void supervise_destroy(supervise_t **self_p);

/*
 * See that a broker listens and an inspector and workers are there. devices: array of strings,
 * one worker each; only_if_none: no workers where some are live. 0, or the exit status 1 after
 * telling why not.
 */
int supervise_start(supervise_t *self, const json_t *devices, bool only_if_none);

/* Idle workers on these cards (ids) may be ended to start others on groups of them, and the other
 * way round, as the jobs need; before supervise_start. */
void supervise_set_cards(supervise_t *self, const json_t *cards);

/* supervise_start is to start no workers yet: supervise_release_workers does, on these devices. */
void supervise_hold_workers(supervise_t *self);
void supervise_release_workers(supervise_t *self, const json_t *devices);

/* news: called every two seconds with the broker's HELLO; NULL: nobody any more. */
void supervise_set_news(supervise_t *self, void (*news)(void *arg, const json_t *hello), void *arg);

/* The next INT calls caught, which must not ask the broker, and raises no level. NULL: it does
 * again.
 */
void supervise_catch(supervise_t *self, void (*caught)(void *arg), void *arg);

/* ready is called, inside the waits, when fd can be read; one at a time, -1: none any more. */
void supervise_watch(supervise_t *self, int fd, void (*ready)(void *arg), void *arg);

/* Have the broker log this line for people, as an event. */
void supervise_notice(supervise_t *self, const char *text);

/* Wait until the level rises. */
void supervise_stay(supervise_t *self);

enum supervise_level supervise_level(const supervise_t *self);

/* The signal that raised the level first; 0: `dblend stop` did, or nothing. */
int supervise_signal(const supervise_t *self);

/* Wait until the workers that we started are at work, a while at the most, or the level rises. */
void supervise_await_workers(supervise_t *self);

/* How many of the workers that we started are still there. */
size_t supervise_workers(const supervise_t *self);

/*
 * Stop what we started: workers first, which finish what they render unless the level is (or
 * becomes) SUPERVISE_NOW, then inspector and broker; these are left to somebody else who
 * attends. Returns when all have ended.
 */
void supervise_stop(supervise_t *self);

#endif
