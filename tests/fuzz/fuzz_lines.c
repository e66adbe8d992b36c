/* lines: bytes that come in pieces are the same lines as when they come at once */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/cleanup.h"
#include "proto/lines.h"
#include "tests/fuzz/fuzz.h"

/* What is left of the input, split the plain way. */
struct expected {
    const uint8_t *at;
    size_t left;
    size_t cap;
};

static void check_line(struct expected *self, const struct lines_line *line)
{
    FUZZ_CHECK(self->left > 0, "a line too many");
    const uint8_t *newline = memchr(self->at, '\n', self->left);
    size_t size = newline ? (size_t)(newline - self->at) : self->left;
    size_t whole = size;
    bool cut = size > self->cap;
    if (cut) {
        size = self->cap;
    } else if (size > 0 && self->at[size - 1] == '\r') {
        size--;
    }
    FUZZ_CHECK(line->cut == cut && line->size == size, "a line of %zu, not %zu", line->size, size);
    FUZZ_CHECK(memcmp(line->text, self->at, size) == 0, "another line");
    FUZZ_CHECK(line->text[size] == '\0', "no NUL after the line");
    self->at += whole + (newline != NULL);
    self->left -= whole + (newline != NULL);
}

static int read_all(lines_t *lines, struct expected *expected)
{
    struct lines_line line;
    int rc = LINES_OK;
    while ((rc = lines_next(lines, &line)) == LINES_OK) {
        check_line(expected, &line);
    }
    return rc;
}

/* First byte: the cap; second: the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes bytes = { data, size };
    size_t cap = 1u + fuzz_byte(&bytes) * 4u;
    size_t piece = 1u + fuzz_byte(&bytes);
    int ends[2];
    FUZZ_CHECK(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0, "no pipe");
    lines_t *lines = lines_new(ends[0], cap);
    struct expected expected = { bytes.at, bytes.left, cap };
    while (bytes.left > 0) {
        size_t now = bytes.left < piece ? bytes.left : piece;
        FUZZ_CHECK(write(ends[1], bytes.at, now) == (ssize_t)now, "the pipe is full");
        FUZZ_CHECK(read_all(lines, &expected) == LINES_AGAIN, "the end came too soon");
        bytes.at += now;
        bytes.left -= now;
    }
    (void)close(ends[1]);
    FUZZ_CHECK(read_all(lines, &expected) == LINES_END, "no end");
    FUZZ_CHECK(expected.left == 0, "%zu bytes were lost", expected.left);
    lines_destroy(&lines);
    (void)close(ends[0]);
    return 0;
}
