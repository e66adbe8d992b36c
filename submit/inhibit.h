#ifndef SUBMIT_INHIBIT_H
#define SUBMIT_INHIBIT_H

/*
 * inhibit - keeping this machine awake while it renders
 *
 * A logind inhibitor of sleep:idle, held by a child `systemd-inhibit' that ends with us.
 */

#include <stdbool.h>

typedef struct inhibit inhibit_t;

inhibit_t *inhibit_new(void);

/* Lets the machine sleep again. Safe on NULL. */
void inhibit_destroy(inhibit_t **self_p);

/* Hold it, or not; call now and then. What keeps it from being held is told once. */
void inhibit_set(inhibit_t *self, bool on);

#endif
