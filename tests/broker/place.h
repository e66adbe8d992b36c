#ifndef TESTS_BROKER_PLACE_H
#define TESTS_BROKER_PLACE_H

/*
 * place - a ledger of a test, in a folder of its own
 */

#include <stdint.h>

#include "broker/store.h"

struct place {
    char *folder;
    char *ledger;
    store_t *store;
};

/* Set-up and tear-down of a test; the store is not open yet. */
int place_new(void **state);
int place_end(void **state);

/* Open the ledger; closes it first. */
void place_open(struct place *place);

/* What somebody else writes, with a SQLite of its own. */
void place_sql(struct place *place, const char *text);

/* One change, a transaction. */
void place_apply(store_t *store, struct change *change);

/* Frame 7 of job 1. */
void place_put_frame(store_t *store, enum frame_state state, json_t *proof);

int64_t place_rows(store_t *store, const char *table);

#endif
