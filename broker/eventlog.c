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
    *out = self;
    return 0;
}

void eventlog_close(eventlog_t **self_p)
{
    assert(self_p);
    if (*self_p) {
        close((*self_p)->fd);
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

/* A line break would make two lines of one event; other control characters upset terminals. */
static void write_clean(FILE *stream, const char *text)
{
    for (const char *at = text; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '\n' && at[1]) {
            fputs(" / ", stream);
        } else if (byte >= 0x20 && byte != 0x7f) {
            fputc(byte, stream);
        } else if (byte == '\t') {
            fputc(' ', stream);
        }
    }
}

static void write_what(FILE *stream, const struct eventlog_line *line)
{
    const char *gap = "";
    if (line->job) {
        fprintf(stream, "job=%" PRId64, line->job);
        gap = " ";
    }
    if (line->frame) {
        fprintf(stream, "%sframe=%" PRId32, gap, *line->frame);
        gap = " ";
    }
    if (line->worker && *line->worker) {
        fprintf(stream, "%sworker=", gap);
        write_clean(stream, line->worker);
        gap = " ";
    }
    if (line->text && *line->text) {
        fputs(*gap ? ": " : "", stream);
        write_clean(stream, line->text);
    }
}

int eventlog_write(eventlog_t *self, const struct eventlog_line *line)
{
    CLEANUP(cleanup_free) char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream) {
        return -errno;
    }
    char time[CLOCK_TEXT_SIZE];
    clock_rfc3339(line->at_ms, time);
    fprintf(stream, "%s | %s | ", time, line->event);
    write_what(stream, line);
    fputc('\n', stream);
    if (fclose(stream) != 0) {
        return -errno;
    }

    ssize_t count = write(self->fd, text, size);
    if (count < 0) {
        return -errno;
    }
    return (size_t)count == size ? 0 : -ENOSPC;
}
