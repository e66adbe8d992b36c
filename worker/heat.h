#ifndef WORKER_HEAT_H
#define WORKER_HEAT_H

/*
 * heat - a card that is too hot rests until it is clearly cooler
 */

#include <stdbool.h>

enum { HEAT_STEP_C = 10 }; /* so much cooler: else it would go on and off all the time */

struct heat {
    int most_c; /* --max-temperature; 0: none */
    bool hot;
};

/* What was measured (-1: nothing was). True: it has become too hot, or cool enough again. */
bool heat_update(struct heat *self, int temperature_c);

#endif
