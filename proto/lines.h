#ifndef PROTO_LINES_H
#define PROTO_LINES_H

/*
 * lines - the bytes of a nonblocking descriptor as lines
 *
 * For JSON lines and for what Blender prints. A line longer than the cap is given out cut to
 * it, with *cut set, and the rest of it is dropped. A last line without newline is a line.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define LINES_CAP 1048576

typedef struct lines lines_t;

enum lines_outcome {
    LINES_OK,
    LINES_AGAIN, /* nothing more for now */
    LINES_END,   /* the other end is closed and everything was given out */
};

struct lines_line {
    const char *text; /* NUL after it; no newline, no carriage return before that */
    size_t size;
    bool cut;
};

/* fd is borrowed and must be nonblocking; cap is 1 .. LINES_CAP bytes. */
lines_t *lines_new(int fd, size_t cap);

void lines_destroy(lines_t **self_p);

/* The next line, valid until the next call. Outcomes above, or a negative errno of read. */
int lines_next(lines_t *self, struct lines_line *out);

/*
 * Write value as one line of compact JSON, all of it: waits at most timeout_ms for a reader.
 * 0, or -EPIPE, -ETIMEDOUT and the like; no SIGPIPE on sockets.
 */
int lines_send(int fd, const json_t *value, int timeout_ms);

#endif
