#ifndef PROTO_FRAME_NAME_H
#define PROTO_FRAME_NAME_H

/*
 * frame_name - the file of a frame: head, the number with at least so many digits, tail
 *
 * The number is written as C writes it with "%.*d": 7 with four digits is 0007, -7 is -0007.
 */

#include <stdbool.h>
#include <stdint.h>

#define FRAME_NAME_DIGITS_MAX 255

struct frame_name {
    const char *head; /* borrowed */
    int digits;
    const char *tail; /* borrowed */
};

/* The name of a frame; digits outside 0 .. 255 are taken as the nearest. The caller frees it. */
char *frame_name(const struct frame_name *self, int32_t frame);

/* Is path a name of this pattern, and of which frame? */
bool frame_name_match(const struct frame_name *self, const char *path, int32_t *frame);

#endif
