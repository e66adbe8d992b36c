#ifndef BROKER_CHECK_H
#define BROKER_CHECK_H

/*
 * check - `dblend-broker --check`: verify a ledger and print what is in it
 */

#include <stdio.h>

/*
 * Look at the ledger at path and write what is in it to out: jobs by state, frames by state,
 * events; and every fault that was found. Exit codes: 0 whole, 1 not (or not there), 3 held by a
 * broker. Messages go to the log.
 */
int check_ledger(const char *path, FILE *out);

#endif
