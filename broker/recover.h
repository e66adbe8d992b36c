#ifndef BROKER_RECOVER_H
#define BROKER_RECOVER_H

/*
 * recover - dblend-broker --recover: a new ledger from all that can be read of a damaged one
 *
 * The damaged file is only read from a copy; at the end it is kept beside the new one under
 * another name. Nothing is put in its place before the new ledger is whole and loads.
 */

#include <stdio.h>

/* Returns an exit code: 0 recovered or nothing to recover, 1 fault, 3 held by a broker. What was
 * saved and what was not is printed on out, line by line. */
int recover_ledger(const char *path, FILE *out);

#endif
