/* blendfile: the header and block walk, of the same bytes plain, by gzip and by zstd */

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "proto/alloc.h"
#include "proto/blendfile.h"
#include "proto/cleanup.h"
#include "tests/fuzz/fuzz.h"

static int file_fd = -1;
static char file_path[64];

void fuzz_set_up(void)
{
    file_fd = memfd_create("blend", 0);
    (void)snprintf(file_path, sizeof file_path, "/proc/self/fd/%d", file_fd);
}

static int read_bytes(const void *data, size_t size, struct blendfile *out)
{
    FUZZ_CHECK(ftruncate(file_fd, 0) == 0 && pwrite(file_fd, data, size, 0) == (ssize_t)size,
               "the file cannot be written");
    int rc = blendfile_read(file_path, out);
    FUZZ_CHECK(rc >= BLENDFILE_OK, "errno %d of a good file", -rc);
    return rc;
}

static void check_about(const struct blendfile *about)
{
    char text[16];
    blendfile_version_text(about->version, text);
    FUZZ_CHECK(memchr(text, '\0', sizeof text) && text[0], "a version without text");
    FUZZ_CHECK(about->version >= 0 && about->version <= 9999, "version %d", about->version);
    FUZZ_CHECK(about->pointer_bytes == 4 || about->pointer_bytes == 8, "pointers of %d bytes",
               about->pointer_bytes);
}

static size_t pack_gzip(const void *data, size_t size, void *out, size_t room)
{
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)data,
                        .avail_in = (uInt)size,
                        .next_out = out,
                        .avail_out = (uInt)room };
    FUZZ_CHECK(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 1, Z_DEFAULT_STRATEGY) == Z_OK &&
                   deflate(&stream, Z_FINISH) == Z_STREAM_END,
               "gzip");
    (void)deflateEnd(&stream);
    return stream.total_out;
}

static bool is_packed(const uint8_t *data, size_t size)
{
    return size >= 2 && ((data[0] == 0x1f && data[1] == 0x8b) ||
                         (data[0] == 0x28 && data[1] == 0xb5) || (data[0] & 0xf0) == 0x50);
}

/* What is in a file does not depend on how it is packed. */
static void check_packed(const uint8_t *data, size_t size, int plain_rc,
                         const struct blendfile *plain)
{
    size_t room = ZSTD_compressBound(size) + 256;
    CLEANUP(cleanup_free) uint8_t *packed = alloc_zero(room, 1);
    for (int kind = BLENDFILE_GZIP; kind <= BLENDFILE_ZSTD; kind++) {
        size_t length = kind == BLENDFILE_GZIP ? pack_gzip(data, size, packed, room)
                                               : ZSTD_compress(packed, room, data, size, 1);
        struct blendfile about = { 0 };
        int rc = read_bytes(packed, length, &about);
        FUZZ_CHECK(rc == plain_rc, "packing %d: outcome %d, plain %d", kind, rc, plain_rc);
        FUZZ_CHECK(rc != BLENDFILE_OK || (int)about.packing == kind, "packing %d said %d", kind,
                   about.packing);
        about.packing = plain->packing;
        FUZZ_CHECK(rc != BLENDFILE_OK || (about.version == plain->version &&
                                          about.pointer_bytes == plain->pointer_bytes &&
                                          about.big_endian == plain->big_endian &&
                                          about.large_header == plain->large_header),
                   "packing %d: another file", kind);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blendfile about = { 0 };
    int rc = read_bytes(data, size, &about);
    if (rc == BLENDFILE_OK) {
        check_about(&about);
    }
    /* one in four: packing costs more than reading */
    if (!is_packed(data, size) && size > 12 && (data[size - 1] & 3) == 0) {
        check_packed(data, size, rc, &about);
    }
    return 0;
}
