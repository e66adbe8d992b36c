#ifndef WORKER_OUTPUT_H
#define WORKER_OUTPUT_H

/*
 * output - what Blender printed during one attempt: the head and the tail of it
 *
 * Bounded: a Blender that prints without end costs 256 KiB. What is left out in the middle is
 * said with its size. Text that goes over the wire is made valid UTF-8 without NUL.
 */

#include <stddef.h>

enum {
    OUTPUT_HEAD_BYTES = 64 * 1024,
    OUTPUT_TAIL_BYTES = 190 * 1024,
    OUTPUT_MAX_BYTES = 256 * 1024, /* of output_text, its gap line included */
};

typedef struct output output_t;

output_t *output_new(void);
void output_destroy(output_t **self_p);

/* Forget everything: a new attempt begins. */
void output_clear(output_t *self);

/* Add one line, given without its newline. */
void output_add(output_t *self, const char *line, size_t size);

/* All that is kept, as one text of *size bytes, NUL-terminated; the caller frees it. */
char *output_text(const output_t *self, size_t *size);

/* The last lines, at most count lines and at most max bytes; the caller frees it. */
char *output_last(const output_t *self, size_t count, size_t max);

/* Make size bytes valid UTF-8 in place: every bad byte and every control character but newline and
 * tab becomes '?'. Cut so that no character is broken. Returns the new size, at most size. */
size_t output_clean(char *text, size_t size);

#endif
