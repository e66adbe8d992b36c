#ifndef TESTS_FUZZ_FAKE_CHILD_H
#define TESTS_FUZZ_FAKE_CHILD_H

/*
 * fake_child - a child process whose every byte, and whose end, the input decides
 *
 * fake_child.c has the functions of proto/child.h, worker/watch.h and worker/scratch.h, so the
 * linker takes these: what talks to Blender and to the prover runs as it is, without a process and
 * without a loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Its end of the socketpair says this; its output pipe, too. */
void fake_child_says(const void *bytes, size_t size);
void fake_child_prints(const void *bytes, size_t size);

/* It closes the one, or the other. */
void fake_child_hangs_up(void);
void fake_child_closes_output(void);

/* It ends: how is the input's. */
void fake_child_ends(uint8_t how);

/* The next one cannot be started. */
void fake_child_fails(bool fails);

/* Call the handlers of all descriptors that are readable, until none is. */
void fake_child_turn(void);

/* What was sent to it and not looked at yet, as a text; the caller's. NULL: nothing. */
char *fake_child_heard(void);

/* One is there, and was it sent a signal? */
bool fake_child_runs(void);
int fake_child_signal(void);

/* Nothing is left open, watched or lying about once its owner is destroyed. */
void fake_child_check_gone(void);

#endif
