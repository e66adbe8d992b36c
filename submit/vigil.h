#ifndef SUBMIT_VIGIL_H
#define SUBMIT_VIGIL_H

/*
 * vigil - what farm and render do for the machine they run on
 *
 * While there is work it is kept awake; when there is none left, and --when-done says so, it is
 * sent to sleep or turned off after a notice, which new work or Ctrl-C ends.
 */

#include <stdbool.h>

#include "submit/supervise.h"
#include "submit/talk.h"

typedef struct vigil vigil_t;

/* when_done: "suspend", "poweroff", a command for the shell, or NULL; borrowed, as are talk and
 * supervise, whose calls it takes. */
vigil_t *vigil_new(talk_t *talk, supervise_t *supervise, const char *when_done);

/* Safe on NULL. */
void vigil_destroy(vigil_t **self_p);

/* For `farm': when the queue is empty it acts by itself. Else vigil_await and vigil_act do. */
void vigil_set_acting(vigil_t *self);

/* Give the notice and wait: true if its time ran out, so that what was asked for is to be done. */
bool vigil_await(vigil_t *self);
void vigil_act(vigil_t *self);

#endif
