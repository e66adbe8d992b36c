#ifndef WORKER_COMPLAINT_H
#define WORKER_COMPLAINT_H

/*
 * complaint - Blender's own words for what went wrong, as a code that people are told
 *
 * Asked only when something did go wrong: Blender prints "Error:" in runs that are fine.
 */

struct complaint {
    const char *code; /* static texts */
    const char *hint;
};

/* The last known complaint in text (many lines). Returns 0, or COMPLAINT_NONE. */
enum complaint_outcome {
    COMPLAINT_OK,
    COMPLAINT_NONE,
};
int complaint_find(const char *text, struct complaint *out);

#endif
