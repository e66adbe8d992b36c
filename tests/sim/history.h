#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H

/*
 * history - one seed from beginning to end
 */

#include <stdbool.h>
#include <stdint.h>

struct history_figures {
    int64_t histories, steps, simulated_ms;
    int64_t grants, accepted, restarts, transactions, failed_writes;
    int64_t published, published_twice;
};

/* Once a process. */
void history_prepare(void);

/* Run it; ends the process by world_fail when an invariant does not hold. Adds to *figures. */
void history_run(uint64_t seed, bool traced, struct history_figures *figures);

void history_add(struct history_figures *sum, const struct history_figures *more);

/* What happened in them, for people. */
void history_say(const struct history_figures *figures);

#endif
