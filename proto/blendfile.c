#include "proto/blendfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

/* Unpacked bytes that are walked at most: a small packed file may unpack without end. */
#define WALK_MAX (8ll << 30)

#define PIECE_BYTES 131072

/* The unpacked bytes of a file, front to back. */
struct source {
    int fd; /* owned by gzip once that is open */
    enum blendfile_packing packing;
    int64_t size; /* of the file */
    int64_t at;   /* unpacked bytes so far */
    gzFile gzip;
    ZSTD_DStream *zstd;
    ZSTD_inBuffer packed; /* bytes of the file that zstd has not taken yet */
    char *piece;          /* PIECE_BYTES for packed */
    bool opaque;          /* blocks of a layout that we do not know */
};

static void source_close(struct source *self)
{
    if (self->gzip) {
        (void)gzclose_r(self->gzip); /* read only; closes the descriptor too */
        self->fd = -1;
    }
    (void)ZSTD_freeDStream(self->zstd); /* takes NULL */
    cleanup_free(&self->piece);
    cleanup_fd(&self->fd);
}

/* Read until size bytes are there or the file ends: how many, or -errno. */
static ssize_t read_plain(struct source *self, char *out, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t rc = read(self->fd, out + got, size - got);
        if (rc < 0 && errno == EINTR) {
            continue;
        }
        if (rc < 0) {
            return -errno;
        }
        if (rc == 0) {
            break;
        }
        got += (size_t)rc;
    }
    return (ssize_t)got;
}

/* Damaged or cut packed bytes end the stream: what is missing then shows in the blocks. */
static ssize_t read_gzip(struct source *self, void *out, size_t size)
{
    int rc = gzread(self->gzip, out, (unsigned)size);
    return rc < 0 ? 0 : rc;
}

static ssize_t read_zstd(struct source *self, void *out, size_t size)
{
    ZSTD_outBuffer unpacked = { out, size, 0 };
    while (unpacked.pos < size) {
        if (self->packed.pos == self->packed.size) {
            ssize_t rc = read_plain(self, self->piece, PIECE_BYTES);
            if (rc < 0) {
                return rc;
            }
            if (rc == 0) {
                break;
            }
            self->packed = (ZSTD_inBuffer){ self->piece, (size_t)rc, 0 };
        }
        if (ZSTD_isError(ZSTD_decompressStream(self->zstd, &unpacked, &self->packed))) {
            break;
        }
    }
    return (ssize_t)unpacked.pos;
}

/* size <= PIECE_BYTES. Fewer bytes than asked: the end. */
static ssize_t source_read(struct source *self, char *out, size_t size)
{
    ssize_t rc = self->packing == BLENDFILE_PLAIN  ? read_plain(self, out, size)
                 : self->packing == BLENDFILE_GZIP ? read_gzip(self, out, size)
                                                   : read_zstd(self, out, size);
    self->at += rc > 0 ? rc : 0;
    return rc;
}

/* BLENDFILE_OK when all of them were there, BLENDFILE_TRUNCATED, or -errno. */
static int source_skip(struct source *self, int64_t size)
{
    if (self->packing == BLENDFILE_PLAIN) {
        if (size > self->size - self->at) {
            return BLENDFILE_TRUNCATED;
        }
        self->at += size;
        return lseek(self->fd, self->at, SEEK_SET) < 0 ? -errno : BLENDFILE_OK;
    }
    char bytes[16384];
    while (size > 0 && self->at < WALK_MAX) {
        size_t piece = size < (int64_t)sizeof bytes ? (size_t)size : sizeof bytes;
        ssize_t rc = source_read(self, bytes, piece);
        if (rc < 0) {
            return (int)rc;
        }
        if ((size_t)rc < piece) {
            return BLENDFILE_TRUNCATED;
        }
        size -= rc;
    }
    return BLENDFILE_OK;
}

static bool is_gzip(const unsigned char *magic, size_t size)
{
    return size >= 2 && magic[0] == 0x1f && magic[1] == 0x8b;
}

static bool is_zstd(const unsigned char *magic, size_t size)
{
    static const unsigned char frame[] = { 0x28, 0xb5, 0x2f, 0xfd };
    /* a skippable frame may come first */
    static const unsigned char skippable[] = { 0x2a, 0x4d, 0x18 };
    return size >= 4 && (memcmp(magic, frame, 4) == 0 ||
                         ((magic[0] & 0xf0) == 0x50 && memcmp(magic + 1, skippable, 3) == 0));
}

static int source_open(const char *path, struct source *self)
{
    self->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would block */
    struct stat st;
    if (self->fd < 0 || fstat(self->fd, &st) != 0) {
        return -errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return S_ISDIR(st.st_mode) ? -EISDIR : BLENDFILE_NOT_BLEND;
    }
    self->size = st.st_size;
    unsigned char magic[4];
    ssize_t got = pread(self->fd, magic, sizeof magic, 0);
    if (got < 0) {
        return -errno;
    }
    if (is_gzip(magic, (size_t)got)) {
        self->packing = BLENDFILE_GZIP;
        self->gzip = gzdopen(self->fd, "rb");
        return self->gzip ? BLENDFILE_OK : -ENOMEM;
    }
    if (is_zstd(magic, (size_t)got)) {
        self->packing = BLENDFILE_ZSTD;
        self->zstd = ZSTD_createDStream();
        self->piece = alloc_zero(PIECE_BYTES, 1);
        return self->zstd ? BLENDFILE_OK : -ENOMEM;
    }
    return BLENDFILE_OK;
}

/* The value of count decimal digits, -1 when they are not digits. */
static int decimal(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

#define OLD_HEADER 12 /* BLENDER-v304 */
#define NEW_HEADER 17 /* BLENDER17-01v0500 */
#define NEW_LAYOUT 1  /* the 01 in it */

static int parse_old(const char *text, struct blendfile *out)
{
    bool good = (text[7] == '-' || text[7] == '_') && (text[8] == 'v' || text[8] == 'V');
    out->version = decimal(text + 9, 3);
    out->pointer_bytes = text[7] == '_' ? 4 : 8;
    out->big_endian = text[8] == 'V';
    return good && out->version >= 0 ? BLENDFILE_OK : BLENDFILE_NOT_BLEND;
}

/* The two digits after BLENDER are the size of the header; a later one may be longer. */
static int parse_new(struct source *source, char *text, struct blendfile *out)
{
    int size = decimal(text + 7, 2);
    if (size < NEW_HEADER || source_read(source, text + OLD_HEADER, NEW_HEADER - OLD_HEADER) !=
                                 NEW_HEADER - OLD_HEADER) {
        return size < NEW_HEADER ? BLENDFILE_NOT_BLEND : BLENDFILE_TRUNCATED;
    }
    bool good = text[9] == '-' && decimal(text + 10, 2) >= 0 && text[12] == 'v';
    out->version = decimal(text + 13, 4);
    out->pointer_bytes = 8;
    out->large_header = true;
    if (!good || out->version < 0) {
        return BLENDFILE_NOT_BLEND;
    }
    /* a later layout is for a later Blender: its version is what the caller refuses it by */
    source->opaque = decimal(text + 10, 2) > NEW_LAYOUT;
    return source_skip(source, size - NEW_HEADER);
}

static int read_header(struct source *source, struct blendfile *out)
{
    static const char magic[] = "BLENDER";
    char text[NEW_HEADER] = { 0 };
    ssize_t size = source_read(source, text, OLD_HEADER);
    if (size < 0) {
        return (int)size;
    }
    if (size < 7 || memcmp(text, magic, 7) != 0) {
        return BLENDFILE_NOT_BLEND;
    }
    if (size < OLD_HEADER) {
        return BLENDFILE_TRUNCATED;
    }
    out->packing = source->packing;
    return decimal(text + 7, 1) >= 0 ? parse_new(source, text, out) : parse_old(text, out);
}

static uint64_t number(const char *bytes, size_t size, bool big_endian)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        size_t at = big_endian ? i : size - 1 - i;
        value = value << 8 | (unsigned char)bytes[at];
    }
    return value;
}

/* From block to block up to DNA1. */
static int walk(struct source *source, const struct blendfile *file)
{
    size_t head = file->large_header ? 32 : file->pointer_bytes == 4 ? 20 : 24;
    while (source->at < WALK_MAX) {
        char block[32];
        ssize_t size = source_read(source, block, head);
        if (size < 0) {
            return (int)size;
        }
        if ((size_t)size < head || memcmp(block, "ENDB", 4) == 0) {
            return BLENDFILE_TRUNCATED;
        }
        uint64_t length = file->large_header ? number(block + 16, 8, false)
                                             : number(block + 4, 4, file->big_endian);
        if (length > (file->large_header ? (uint64_t)INT64_MAX : (uint64_t)INT32_MAX)) {
            return BLENDFILE_TRUNCATED;
        }
        int rc = source_skip(source, (int64_t)length);
        if (rc != BLENDFILE_OK || memcmp(block, "DNA1", 4) == 0) {
            return rc;
        }
    }
    return BLENDFILE_OK;
}

int blendfile_read(const char *path, struct blendfile *out)
{
    CLEANUP(source_close) struct source source = { .fd = -1 };
    struct blendfile file = { 0 };
    int rc = source_open(path, &source);
    rc = rc == BLENDFILE_OK ? read_header(&source, &file) : rc;
    rc = rc == BLENDFILE_OK && !source.opaque ? walk(&source, &file) : rc;
    if (rc == BLENDFILE_OK) {
        *out = file;
    }
    return rc;
}

void blendfile_version_text(int version, char out[16])
{
    int major = version / 100 % 1000;
    int minor = version % 100;
    if (major == 2) {
        (void)snprintf(out, 16, "2.%02d", minor < 0 ? 0 : minor); /* 2.79 and 2.80, never 2.8 */
    } else {
        (void)snprintf(out, 16, "%d.%d", major, minor);
    }
}
