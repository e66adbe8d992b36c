#ifndef WORKER_HOLDERS_H
#define WORKER_HOLDERS_H

/*
 * holders - who has how much of a card's memory
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker/card.h"

enum { HOLDERS_TEXT_BYTES = 256 };

struct holders {
    int64_t our_bytes;   /* of our Blender; 0: the driver does not tell */
    int64_t other_bytes; /* of all others that we can see, 0 when that is next to nothing */
    int64_t total_bytes; /* the card's, as the caller knows it */
    bool idle;           /* others make the card work, our Blender does not */
    char text[HOLDERS_TEXT_BYTES]; /* "firefox (4711) holds 1.5 GiB, ...": "" of nobody */
};

/* Processes of other namespaces, whose names we cannot read, are left out: one of them may be our
 * own Blender, as the driver sees it from outside of a container. */
void holders_find(cards_t *cards, size_t index, pid_t blender, struct holders *out);

#endif
