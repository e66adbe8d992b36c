#include "broker/eventlog.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

struct eventlog {
    char *path;
    int fd;
    FILE *stream; /* in memory: the lines of a turn, in text */
    char *text;
    size_t size;
};

static int open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    return fd < 0 ? -errno : fd;
}

int eventlog_open(const char *path, eventlog_t **out)
{
    int fd = open_file(path);
    if (fd < 0) {
        return fd;
    }

    eventlog_t *self = alloc_zero(1, sizeof *self);
    self->path = alloc_text(path);
    self->fd = fd;
    self->stream = open_memstream(&self->text, &self->size);
    if (!self->stream) {
        eventlog_close(&self);
        return -ENOMEM;
    }
    *out = self;
    return 0;
}

void eventlog_close(eventlog_t **self_p)
{
    assert(self_p);
    if (*self_p) {
        cleanup_file(&(*self_p)->stream);
        close((*self_p)->fd);
        free((*self_p)->text);
        free((*self_p)->path);
        free(*self_p);
        *self_p = NULL;
    }
}

int eventlog_reopen(eventlog_t *self)
{
    int fd = open_file(self->path);
    if (fd < 0) {
        return fd;
    }
    close(self->fd);
    self->fd = fd;
    return 0;
}

/* Nobody else has the stream, so its lock is not taken. */
static void put(FILE *stream, const char *bytes, size_t size)
{
    (void)fwrite_unlocked(bytes, 1, size, stream); /* what fails is told by fflush */
}

static void put_text(FILE *stream, const char *text)
{
    put(stream, text, strlen(text));
}

static void put_number(FILE *stream, int64_t value)
{
    char digits[sizeof "-9223372036854775808"];
    (void)snprintf(digits, sizeof digits, "%" PRId64, value);
    put_text(stream, digits);
}

/* A line break would make two lines of one event; other control characters upset terminals. */
static void put_clean(FILE *stream, const char *text)
{
    const char *from = text;
    for (const char *at = text; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte >= 0x20 && byte != 0x7f) {
            continue;
        }
        put(stream, from, (size_t)(at - from));
        from = at + 1;
        if (byte == '\n' && at[1]) {
            put_text(stream, " / ");
        } else if (byte == '\t') {
            put_text(stream, " ");
        }
    }
    put_text(stream, from);
}

static void put_what(FILE *stream, const struct eventlog_line *line)
{
    const char *gap = "";
    if (line->job) {
        put_text(stream, "job=");
        put_number(stream, line->job);
        gap = " ";
    }
    if (line->frame) {
        put_text(stream, gap);
        put_text(stream, "frame=");
        put_number(stream, *line->frame);
        gap = " ";
    }
    if (line->worker && *line->worker) {
        put_text(stream, gap);
        put_text(stream, "worker=");
        put_clean(stream, line->worker);
        gap = " ";
    }
    if (line->text && *line->text) {
        put_text(stream, *gap ? ": " : "");
        put_clean(stream, line->text);
    }
}

void eventlog_write(eventlog_t *self, const struct eventlog_line *line)
{
    char time[CLOCK_TEXT_SIZE];
    clock_rfc3339(line->at_ms, time);
    put_text(self->stream, time);
    put_text(self->stream, " | ");
    put_text(self->stream, line->event);
    put_text(self->stream, " | ");
    put_what(self->stream, line);
    put_text(self->stream, "\n");
}

int eventlog_flush(eventlog_t *self)
{
    if (fflush(self->stream) != 0) {
        return -ENOMEM;
    }
    off_t size = ftello(self->stream);
    if (size <= 0) {
        return 0;
    }
    ssize_t count = write(self->fd, self->text, (size_t)size);
    int rc = count < 0 ? -errno : count == size ? 0 : -ENOSPC;
    rewind(self->stream);
    return rc;
}
