#include "broker/output.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

enum { HEAD_SIZE = 512, NAME_SIZE = 32 };

static const char head_start[] = "==== frame ";
static const char head_format[] = "==== frame %" PRId32 " claim %" PRId64
                                  " bytes %zu at %s worker "
                                  "%s\n";

struct output {
    int folder_fd;
};

struct block {
    int32_t frame;
    size_t size;
    off_t head_at; /* of the head line */
    off_t text_at; /* of the text behind it */
};

int output_open(const char *folder, output_t **out)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    output_t *self = alloc_zero(1, sizeof *self);
    self->folder_fd = fd;
    *out = self;
    return 0;
}

void output_close(output_t **self_p)
{
    assert(self_p);
    if (*self_p) {
        close((*self_p)->folder_fd);
        free(*self_p);
        *self_p = NULL;
    }
}

static void file_name(int64_t job, char out[NAME_SIZE])
{
    (void)snprintf(out, NAME_SIZE, "%" PRId64, job);
}

/* A part of a block would hide the head of the next one, so what a full disk cut is taken back. */
static int append_whole(int fd, const struct iovec *parts, int count)
{
    size_t whole = 0;
    for (int i = 0; i < count; i++) {
        whole += parts[i].iov_len;
    }
    off_t before = lseek(fd, 0, SEEK_END);
    ssize_t written = writev(fd, parts, count);
    if (written >= 0 && (size_t)written == whole) {
        return 0;
    }
    int rc = written < 0 ? -errno : -ENOSPC;
    if (before >= 0) {
        (void)!ftruncate(fd, before); /* best effort: readers skip what is cut, too */
    }
    return rc;
}

int output_append(output_t *self, const struct output_attempt *attempt, const char *text,
                  size_t size)
{
    static const char cut[] = "\n[... the middle is not kept ...]\n";
    size_t head_part = size;
    size_t tail_part = 0;
    if (size > OUTPUT_ATTEMPT_SIZE) {
        head_part = OUTPUT_ATTEMPT_SIZE / 4;
        tail_part = OUTPUT_ATTEMPT_SIZE - head_part - (sizeof cut - 1);
    }
    size_t cut_part = tail_part ? sizeof cut - 1 : 0;

    char time[CLOCK_TEXT_SIZE];
    clock_rfc3339(attempt->at_ms, time);
    char head[HEAD_SIZE];
    int length = snprintf(head, sizeof head, head_format, attempt->frame, attempt->claim,
                          head_part + cut_part + tail_part, time, attempt->worker);
    if (length < 0 || (size_t)length >= sizeof head) {
        return -ENAMETOOLONG;
    }

    char name[NAME_SIZE];
    file_name(attempt->job, name);
    CLEANUP(cleanup_fd)
    int fd = openat(self->folder_fd, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    struct iovec parts[] = {
        { head, (size_t)length },
        { (void *)(uintptr_t)text, head_part },
        { (void *)(uintptr_t)cut, cut_part },
        { (void *)(uintptr_t)(text + size - tail_part), tail_part },
        { (void *)(uintptr_t) "\n", 1 },
    };
    return append_whole(fd, parts, 5);
}

/*
 * Finds the next block at or after the stream's position. A block that a full disk has cut is
 * skipped: lines are read until one is a head again.
 */
static bool next_block(FILE *file, struct block *out)
{
    char line[HEAD_SIZE];
    for (;;) {
        off_t at = ftello(file);
        if (at < 0 || !fgets(line, sizeof line, file)) {
            return false;
        }
        if (strncmp(line, head_start, sizeof head_start - 1) != 0 || !strchr(line, '\n')) {
            continue;
        }
        int64_t claim = 0;
        /* Our own file, but it lies on a disk: a number that does not fit ends in the check. */
        /* NOLINTNEXTLINE(cert-err34-c) */
        if (sscanf(line, "==== frame %" SCNd32 " claim %" SCNd64 " bytes %zu", &out->frame, &claim,
                   &out->size) != 3 ||
            out->size > OUTPUT_ATTEMPT_SIZE) {
            continue;
        }
        out->head_at = at;
        out->text_at = ftello(file);
        return true;
    }
}

struct window {
    int64_t offset; /* still to be skipped */
    char *out;
    size_t size;
    size_t got;
};

/* Copies what of the file's bytes [from, to) falls into the window. */
static int copy_part(FILE *file, off_t from, off_t to, struct window *window)
{
    if (to - from <= window->offset) {
        window->offset -= to - from;
        return 0;
    }
    from += window->offset;
    window->offset = 0;
    size_t want = window->size - window->got;
    if ((off_t)want > to - from) {
        want = (size_t)(to - from);
    }
    if (fseeko(file, from, SEEK_SET) != 0) {
        return -errno;
    }
    window->got += fread(window->out + window->got, 1, want, file);
    return ferror(file) ? -EIO : 0;
}

int output_read(output_t *self, const struct output_place *place, char *out, size_t size,
                size_t *got)
{
    char name[NAME_SIZE];
    file_name(place->job, name);
    int fd = openat(self->folder_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) {
        return -errno;
    }
    if (fd < 0) {
        *got = 0;
        return 0;
    }
    CLEANUP(cleanup_file) FILE *file = fdopen(fd, "r");
    if (!file) {
        close(fd);
        return -ENOMEM;
    }

    struct window window = { .offset = place->offset, .size = size };
    window.out = out;
    struct block block;
    while (window.got < size && next_block(file, &block)) {
        off_t end = block.text_at + (off_t)block.size + 1; /* with its line break */
        if (block.frame == place->frame) {
            int rc = copy_part(file, block.head_at, end, &window);
            if (rc < 0) {
                return rc;
            }
        }
        if (fseeko(file, end, SEEK_SET) != 0) {
            return -errno;
        }
    }
    *got = window.got;
    return 0;
}

int output_remove(output_t *self, int64_t job)
{
    char name[NAME_SIZE];
    file_name(job, name);
    if (unlinkat(self->folder_fd, name, 0) != 0 && errno != ENOENT) {
        return -errno;
    }
    return 0;
}
