#ifndef WORKER_WHEREABOUTS_H
#define WORKER_WHEREABOUTS_H

/*
 * whereabouts - on which cards the driver sees our Blender while it renders
 *
 * The other half of worker/cycles: there Cycles says what it uses, here the driver says who uses
 * what, for computing or for drawing. A Blender, or anything below it, that is on a card of
 * nobody's asking, or for a whole frame not on its own, gets the frame a warning. Where the driver
 * tells nothing (of AMD's and Intel's cards), nothing is concluded. Looks come from one thread, the
 * rest from another.
 */

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "worker/card.h"
#include "worker/device.h"

enum { WHEREABOUTS_LOOKS = 5 }; /* without a sight of it on its own card before that is said */

typedef struct whereabouts whereabouts_t;

/* Copies what it needs of the device. */
whereabouts_t *whereabouts_new(const struct device *device);
void whereabouts_destroy(whereabouts_t **self_p);

/* A frame begins; on_card: Cycles is to use the device's cards for it. */
void whereabouts_begin(whereabouts_t *self, bool on_card);

/* Look who is on which card; logs what is wrong, once a frame. */
void whereabouts_look(whereabouts_t *self, cards_t *cards, pid_t blender);

/* What a look saw: is it on its own cards, and the name of another it is on (NULL: none)? */
void whereabouts_note(whereabouts_t *self, bool own, const char *other);

/* The frame is rendered: {code, text, hint} of what was wrong; NULL: nothing. The caller's. */
json_t *whereabouts_end(whereabouts_t *self);

#endif
