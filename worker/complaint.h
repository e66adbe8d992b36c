#ifndef WORKER_COMPLAINT_H
#define WORKER_COMPLAINT_H

/*
 * complaint - what went wrong in Blender, as a code that people are told: by its own words, and by
 * how it ended
 *
 * Asked only when something did go wrong: Blender prints "Error:" in runs that are fine. Some
 * words spoil the picture all the same: Cycles says them, stops, and what it has is saved.
 */

#include <stdbool.h>

#include "proto/child.h"

struct complaint {
    const char *code; /* static texts */
    const char *hint;
};

enum complaint_outcome {
    COMPLAINT_OK,
    COMPLAINT_NONE,
};

/* The last known complaint in text (many lines). Returns 0, or COMPLAINT_NONE. */
int complaint_find(const char *text, struct complaint *out);

/* The last of those in text after which no picture can be trusted, whatever Blender says. */
int complaint_spoiling(const char *text, struct complaint *out);

/* For an end that nobody wished for. oom: the kernel has killed for memory meanwhile; last: the
 * last lines that it printed. */
void complaint_of_end(const struct child_end *end, bool oom, const char *last,
                      struct complaint *out);

#endif
