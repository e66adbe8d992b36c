#ifndef PROTO_FILEHASH_H
#define PROTO_FILEHASH_H

/*
 * filehash - what names the bytes of a file: BLAKE2b-256 of them as they lie on disk
 *
 * Python: hashlib.blake2b(digest_size=32).
 */

#include <stdint.h>

#define FILEHASH_DIGITS 64

/* One look at a file: the three belong together. */
struct filehash_facts {
    int64_t size;
    int64_t mtime_ns;
    char hash[FILEHASH_DIGITS + 1];
};

enum filehash_outcome {
    FILEHASH_OK,
    FILEHASH_CHANGED, /* size or mtime changed while it was read: try again */
};

/* The hash alone; a negative errno when the file cannot be read. */
int filehash(const char *path, char hex[FILEHASH_DIGITS + 1]);

/* Hash, size and mtime of one state of the file. */
int filehash_facts(const char *path, struct filehash_facts *out);

/* Size and mtime only; hash becomes "". */
int filehash_stat(const char *path, struct filehash_facts *out);

#endif
