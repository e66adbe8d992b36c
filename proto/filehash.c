#include "proto/filehash.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

#define HASH_BYTES 32
#define PIECE_BYTES 1048576

_Static_assert(FILEHASH_DIGITS == 2 * HASH_BYTES, "two digits a byte");

/* Open what is a file: a pipe would block, a folder has no bytes. A descriptor or -errno. */
static int open_file(const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    int rc = fstat(fd, st) != 0 ? -errno : S_ISDIR(st->st_mode) ? -EISDIR : 0;
    if (rc == 0 && !S_ISREG(st->st_mode)) {
        rc = -EINVAL;
    }
    if (rc != 0) {
        (void)close(fd);
        return rc;
    }
    return fd;
}

static int hash_descriptor(int fd, char hex[FILEHASH_DIGITS + 1])
{
    if (sodium_init() < 0) { /* picks the fastest code for this processor; may be called again */
        return -EIO;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice only */
    CLEANUP(cleanup_free) unsigned char *piece = alloc_zero(PIECE_BYTES, 1);
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, HASH_BYTES); /* fails for wrong sizes only */
    for (;;) {
        ssize_t size = read(fd, piece, PIECE_BYTES);
        if (size == 0) {
            break;
        }
        if (size < 0 && errno != EINTR) {
            return -errno;
        }
        if (size > 0) {
            (void)crypto_generichash_update(&state, piece, (unsigned long long)size);
        }
    }
    unsigned char hash[HASH_BYTES];
    (void)crypto_generichash_final(&state, hash, sizeof hash);
    (void)sodium_bin2hex(hex, FILEHASH_DIGITS + 1, hash, sizeof hash);
    return 0;
}

static int64_t mtime_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

int filehash(const char *path, char hex[FILEHASH_DIGITS + 1])
{
    struct stat st = { 0 };
    CLEANUP(cleanup_fd) int fd = open_file(path, &st);
    return fd < 0 ? fd : hash_descriptor(fd, hex);
}

int filehash_facts(const char *path, struct filehash_facts *out)
{
    struct stat before = { 0 };
    CLEANUP(cleanup_fd) int fd = open_file(path, &before);
    if (fd < 0) {
        return fd;
    }
    struct filehash_facts facts = { .size = before.st_size, .mtime_ns = mtime_of(&before) };
    int rc = hash_descriptor(fd, facts.hash);
    if (rc != 0) {
        return rc;
    }
    struct stat after;
    if (fstat(fd, &after) != 0) {
        return -errno;
    }
    if (after.st_size != before.st_size || mtime_of(&after) != facts.mtime_ns) {
        return FILEHASH_CHANGED;
    }
    *out = facts;
    return FILEHASH_OK;
}

int filehash_stat(const char *path, struct filehash_facts *out)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return -errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    }
    *out = (struct filehash_facts){ .size = st.st_size, .mtime_ns = mtime_of(&st) };
    return FILEHASH_OK;
}
