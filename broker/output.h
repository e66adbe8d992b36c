#ifndef BROKER_OUTPUT_H
#define BROKER_OUTPUT_H

/*
 * output - what Blender printed in each attempt, one file a job
 *
 * blender/<job> holds one block after the other: a head line that names frame, claim and the
 * size, then so many bytes, then a line break. A block is written with one write, so that
 * readers and a full disk see it whole or see that it is cut. More than OUTPUT_ATTEMPT_SIZE
 * bytes of an attempt are cut in the middle: the beginning says what was loaded, the end what
 * went wrong. These files are a convenience: losing one loses no frame.
 */

#include <stddef.h>
#include <stdint.h>

enum {
    OUTPUT_ATTEMPT_SIZE = 256 * 1024,
    OUTPUT_NO_FRAME = INT32_MIN, /* of an inspection */
};

typedef struct output output_t;

struct output_attempt {
    int64_t job;
    int64_t claim;
    int32_t frame;
    const char *worker; /* its name, no spaces */
    int64_t at_ms;      /* wall clock */
};

/* Keep the files in folder, which exists. The caller owns *out. */
int output_open(const char *folder, output_t **out);

/* Close and set *self_p to NULL. Safe on NULL. */
void output_close(output_t **self_p);

/* Append what Blender printed in an attempt. Negative errno when it is not there whole. */
int output_append(output_t *self, const struct output_attempt *attempt, const char *text,
                  size_t size);

/* A place in what is kept of one frame. */
struct output_place {
    int64_t job;
    int32_t frame;
    int64_t offset; /* bytes from the beginning of its first attempt */
};

/*
 * Read up to size bytes, from a place on, of everything that is kept of one frame, all its
 * attempts one after the other with a head line each. Writes the bytes to out and their number
 * to got; 0 bytes: the end. A job or frame of which nothing is kept reads as empty.
 */
int output_read(output_t *self, const struct output_place *place, char *out, size_t size,
                size_t *got);

/* Remove the file of a job. 0 when there was none. */
int output_remove(output_t *self, int64_t job);

#endif
