#ifndef TESTS_SIM_MUTATION_H
#define TESTS_SIM_MUTATION_H

/*
 * mutation - faults that are built into the broker on purpose, to see that the simulation bites
 *
 * They are put between its modules by the linker (--wrap), so that the product carries nothing
 * of them. At most one is on.
 */

#include <stdbool.h>
#include <stddef.h>

enum mutation {
    MUTATION_NONE,
    MUTATION_SKIP_CLAIM_CHECK,
    MUTATION_ANSWER_BEFORE_COMMIT,
    MUTATION_FORGET_CLAIM_AT_RESTART,
    MUTATION_EXPIRE_BY_WALL_CLOCK,
    MUTATION_GRANT_TWICE_AFTER_LOST_ANSWER,
    MUTATION_ACCEPT_STALE_REPORT,
    MUTATION_REPEATED_REPORT_IS_STALE,
    MUTATION_FORGET_CLAIM_COUNTER,
    MUTATION_TAKE_OLD_SEQ,
    MUTATION_NO_SYNC,
    MUTATION_FORGET_ATTEMPTS,
    MUTATION_ONE_ATTEMPT_MORE,
    MUTATION_DROP_FAILED_TRANSACTION,
    MUTATION_MISCOUNT,
    MUTATION_NEVER_EXPIRE,
    MUTATION_EXPIRE_TOO_EARLY,
    MUTATION_RENDER_DONE_FRAME_AGAIN,
    MUTATION_FORGET_CANCEL,
    MUTATION_FORGET_REQUEST_KEY,
    MUTATION_SPLIT_TRANSACTION,
    MUTATION_CHARGE_RETURNED,
    MUTATION_FORGET_LAST_FRAME,
    MUTATION_NEVER_AGREE,
    MUTATION_NEVER_REST,
    MUTATION_IGNORE_LAST_LOOK,
    MUTATION_FORGET_RECALL,
    MUTATIONS
};

extern enum mutation mutation;
#define MUTATED(name) (mutation == MUTATION_##name)

const char *mutation_name(enum mutation value);
int mutation_parse(const char *name, enum mutation *out);

/* A new history: nothing is left of what the last one had delayed. */
void mutation_open(void);

#endif
