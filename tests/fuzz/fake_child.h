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

/*
 * One line of the input, if it is of those that happen to every child:
 *
 *     eTEXT, ETEXT  its script says TEXT on the socket, with and without the end of the line
 *     pTEXT, PTEXT  it prints TEXT
 *     x, X          the script hangs up; it closes its output
 *     dN            it ends: by signal or with status, as N says
 *     f             the next one cannot be started
 */
void fake_child_step(const char *line, size_t size);

/* Call the handlers of all descriptors that are readable, until none is. */
void fake_child_turn(void);

/* What was sent to it and not looked at yet, as a text; the caller's. NULL: nothing. */
char *fake_child_heard(void);

/* Is one there? */
bool fake_child_runs(void);

/* Nothing is left open, watched or lying about once its owner is destroyed. */
void fake_child_check_gone(void);

#endif
