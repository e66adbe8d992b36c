#ifndef SUBMIT_SCREEN_H
#define SUBMIT_SCREEN_H

/*
 * screen - the full screen of `watch`: jobs, workers, what happened
 *
 * Draws what it is given; asks nobody. ncursesw.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "submit/progress.h"

typedef struct screen screen_t;

struct screen_view {
    const json_t *jobs;
    const json_t *workers;
    const json_t *events; /* oldest first */
    int64_t selected;     /* job number */
    const char *message;  /* bottom line; NULL: the keys */
    int64_t now_ms;
};

/* Take over the terminal; NULL if it cannot be. */
screen_t *screen_new(void);

/* Give the terminal back. Safe on NULL. */
void screen_destroy(screen_t **self_p);

void screen_draw(screen_t *self, const struct screen_view *view);

enum screen_key {
    SCREEN_OTHER = 0, /* a key that means nothing here */
    SCREEN_ESCAPE = 27,
};

/* The next key that was typed (as of ncurses), -1 for none. Never waits. */
int screen_key(screen_t *self);

#endif
