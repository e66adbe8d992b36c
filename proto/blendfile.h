#ifndef PROTO_BLENDFILE_H
#define PROTO_BLENDFILE_H

/*
 * blendfile - which Blender saved a file, and is it whole?
 *
 * Reads the header of plain, gzip and zstd files, the old one (BLENDER-v304) and that of 5.0
 * (BLENDER17-01v0500), then walks the blocks to DNA1, which stands near the end and without
 * which Blender opens nothing. So a file that was cut is known before a Blender starts.
 */

#include <stdbool.h>

enum blendfile_packing {
    BLENDFILE_PLAIN,
    BLENDFILE_GZIP,
    BLENDFILE_ZSTD,
};

struct blendfile {
    int version; /* 304 is 3.4, 279 is 2.79, 500 is 5.0 */
    enum blendfile_packing packing;
    int pointer_bytes; /* 4 or 8 */
    bool big_endian;
    bool large_header; /* that of 5.0 and later */
};

enum blendfile_outcome {
    BLENDFILE_OK,
    BLENDFILE_NOT_BLEND,
    BLENDFILE_TRUNCATED, /* cut, or damaged: begins like one, but there is no whole DNA1 block */
};

/* Read it. A negative errno: the file cannot be opened or read (-EISDIR for a folder). */
int blendfile_read(const char *path, struct blendfile *out);

/* "3.4", "2.79", "5.0": out has room for 16 bytes. */
void blendfile_version_text(int version, char out[16]);

#endif
