#ifndef TESTS_SIM_CHAOS_H
#define TESTS_SIM_CHAOS_H

/*
 * chaos - what goes wrong, and when; then the calm, in which everything must come to its end
 */

#include <stdbool.h>

/* Draw the faults of this history from its seed. */
void chaos_open(void);

/* Handler of the event. */
void chaos_wake(void);

/* The broker that ends now does so with its machine. */
bool chaos_takes_power(void);

#endif
