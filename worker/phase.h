#ifndef WORKER_PHASE_H
#define WORKER_PHASE_H

/*
 * phase - what Blender is doing, read from the status lines that it prints
 *
 * A background Blender prints one line for each step of a frame:
 *     Fra:1 Mem:9.7M (Peak 9.7M) | Time:00:00.04 | ... | Scene, ViewLayer | Sample 1/4
 * People see the last part of it in few, fixed words. Nothing but what people see depends on it.
 */

#include <stdbool.h>

enum { PHASE_TEXT_SIZE = 64 };

struct phase {
    char text[PHASE_TEXT_SIZE]; /* "synchronising", "sample 128/512" */
    int done, total;            /* samples; 0, 0 when the phase has no measure */
};

/* Read one line. False, and *out untouched, when it is no status line or says nothing new. */
bool phase_parse(const char *line, struct phase *out);

/* Set a phase of the worker's own making, without measure ("opening"). */
void phase_set(struct phase *self, const char *text);

#endif
