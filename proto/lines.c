#include "proto/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#define FIRST_ROOM 4096

struct lines {
    int fd;
    size_t cap;
    char *bytes;  /* owned; room + 1 bytes, the last one for a NUL */
    size_t room;  /* grows to cap + 1: a full line and its newline */
    size_t begin; /* of the line that is being read */
    size_t end;
    size_t seen;   /* no newline before this */
    bool skipping; /* the rest of a line that was given out cut */
    bool at_end;
};

lines_t *lines_new(int fd, size_t cap)
{
    lines_t *self = alloc_zero(1, sizeof *self);
    self->fd = fd;
    self->cap = cap < 1 ? 1 : cap > LINES_CAP ? LINES_CAP : cap;
    self->room = self->cap < FIRST_ROOM ? self->cap + 1 : FIRST_ROOM;
    self->bytes = alloc_zero(self->room + 1, 1);
    return self;
}

void lines_destroy(lines_t **self_p)
{
    if (*self_p) {
        cleanup_free(&(*self_p)->bytes);
        cleanup_free(self_p);
    }
}

/* Room for more bytes: first by moving, then by growing up to the cap. */
static void make_room(lines_t *self)
{
    if (self->begin > 0) {
        memmove(self->bytes, self->bytes + self->begin, self->end - self->begin);
        self->end -= self->begin;
        self->seen -= self->begin;
        self->begin = 0;
    }
    if (self->end == self->room && self->room < self->cap + 1) {
        size_t room = 2 * self->room;
        self->room = room < self->cap + 1 ? room : self->cap + 1;
        self->bytes = alloc_resize(self->bytes, self->room + 1, 1);
    }
}

/* 0: read something or saw the end; LINES_AGAIN; -errno. */
static int fill(lines_t *self)
{
    make_room(self);
    for (;;) {
        ssize_t size = read(self->fd, self->bytes + self->end, self->room - self->end);
        if (size > 0) {
            self->end += (size_t)size;
            return 0;
        }
        if (size == 0 || errno == ECONNRESET) {
            self->at_end = true; /* reset: the other end died with bytes of ours unread */
            return 0;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return LINES_AGAIN;
        }
        if (errno != EINTR) {
            return -errno;
        }
    }
}

/* Give out the bytes from begin to stop; `next` is where the next line begins. */
static void give(lines_t *self, size_t stop, size_t next, bool cut, struct lines_line *out)
{
    size_t begin = self->begin;
    if (!cut && stop > begin && self->bytes[stop - 1] == '\r') {
        stop--;
    }
    self->bytes[stop] = '\0';
    *out = (struct lines_line){ self->bytes + begin, stop - begin, cut };
    self->begin = next;
    self->seen = next;
}

/* One line of what was read: true when *out is one. */
static bool find_line(lines_t *self, struct lines_line *out)
{
    while (self->begin < self->end) {
        char *newline = memchr(self->bytes + self->seen, '\n', self->end - self->seen);
        size_t stop = newline ? (size_t)(newline - self->bytes) : self->end;
        self->seen = stop;
        if (self->skipping) {
            self->begin = newline ? stop + 1 : stop;
            self->seen = self->begin;
            self->skipping = !newline;
            continue;
        }
        if (stop - self->begin > self->cap) {
            size_t limit = self->begin + self->cap;
            /* the byte at limit makes way for the NUL: it would be dropped anyway */
            give(self, limit, newline ? stop + 1 : stop, true, out);
            self->skipping = !newline;
            return true;
        }
        if (newline) {
            give(self, stop, stop + 1, false, out);
            return true;
        }
        if (self->at_end) {
            give(self, stop, stop, false, out);
            return true;
        }
        return false;
    }
    return false;
}

int lines_next(lines_t *self, struct lines_line *out)
{
    for (;;) {
        if (find_line(self, out)) {
            return LINES_OK;
        }
        if (self->at_end) {
            return LINES_END;
        }
        int rc = fill(self);
        if (rc != 0) {
            return rc;
        }
    }
}

static ssize_t send_some(int fd, const char *bytes, size_t size)
{
    ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 && errno == ENOTSOCK ? write(fd, bytes, size) : sent;
}

static int send_all(int fd, const char *bytes, size_t size, int timeout_ms)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    while (size > 0) {
        ssize_t sent = send_some(fd, bytes, size);
        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
            continue;
        }
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            return -errno;
        }
        int64_t left_ms = deadline_ms - clock_mono_ms();
        if (left_ms <= 0) {
            return -ETIMEDOUT;
        }
        struct pollfd item = { .fd = fd, .events = POLLOUT };
        (void)poll(&item, 1, (int)left_ms); /* what it says shows in the next send */
    }
    return 0;
}

int lines_send(int fd, const json_t *value, int timeout_ms)
{
    CLEANUP(cleanup_free) char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) {
        return -EINVAL;
    }
    size_t size = strlen(text);
    text[size] = '\n'; /* in place of its NUL */
    return send_all(fd, text, size + 1, timeout_ms);
}
