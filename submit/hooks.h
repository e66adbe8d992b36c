#ifndef SUBMIT_HOOKS_H
#define SUBMIT_HOOKS_H

/*
 * hooks - the user's own programs that are run when something happens on the farm
 *
 * Executables of the config folder: on-farm-start, on-farm-stop, on-worker-start, on-worker-stop,
 * on-frame-done, on-job-done, on-queue-empty. One runs at a time, in the order in which things
 * happened, with the facts as environment variables; beyond its time limit its process group gets
 * TERM, then KILL. What it prints becomes lines of our log. Nothing in here waits.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/paths.h"

enum { HOOKS_PENDING_MAX = 10000 };

typedef struct hooks hooks_t;

/* Is there any hook in the folder? */
bool hooks_any(const char *folder);

/* Told before each one begins, with the state that was given with it. */
typedef void hooks_begun_fn(void *arg, const json_t *state);

/* folder is copied. */
hooks_t *hooks_new(const char *folder, int64_t limit_ms, hooks_begun_fn *begun, void *arg);

/* Ends the hook that runs. Safe on NULL. */
void hooks_destroy(hooks_t **self_p);

/* Is there such a hook now? */
bool hooks_has(const hooks_t *self, const char *name);

/*
 * Run it when those before it have ended; nothing happens where there is none. facts: object of
 * strings, taken: its keys become DBLEND_KEY. state: taken, for hooks_begun_fn. Beyond
 * HOOKS_PENDING_MAX it is left out, and logged.
 */
void hooks_add(hooks_t *self, const char *name, json_t *facts, json_t *state);

/* What is due: read, end, start. Returns when to call again (monotonic ms), INT64_MAX: with news of
 * hooks_fd only. */
int64_t hooks_step(hooks_t *self, int64_t now_ms);

/* An epoll descriptor, readable when there is news; borrowed. */
int hooks_fd(const hooks_t *self);

/* Has everything been run? */
bool hooks_idle(const hooks_t *self);

#endif
