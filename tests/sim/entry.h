#ifndef TESTS_SIM_ENTRY_H
#define TESTS_SIM_ENTRY_H

/*
 * entry - broker/main.c, entered after its arguments were read
 */

/* From opening the ledger to closing it; the exit code. */
int entry_run(int signal_fd);

#endif
