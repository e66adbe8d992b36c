#ifndef SUBMIT_GAUGE_H
#define SUBMIT_GAUGE_H

/*
 * gauge - what the card of a worker does right now, for people
 */

#include <jansson.h>

/* "98 %  28.1/48 GiB  91 C  298 W" of a worker object; what is not known is left out; "" when it
 * says nothing of a card. The caller's. */
char *gauge_text(const json_t *worker);

#endif
