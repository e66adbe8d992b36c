#include "proto/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/process.h"

#define EXTENSION ".blend"
#define CACHE "blendcache_"

static size_t folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Bytes of the file's name without .blend; path + folder_size is its begin. */
static size_t stem_size(const char *name)
{
    size_t size = strlen(name);
    size_t extension = strlen(EXTENSION);
    bool has = size > extension && strcasecmp(name + size - extension, EXTENSION) == 0;
    return has ? size - extension : size;
}

/* No more than most bytes, and no half of a character of UTF-8 at the end. */
static size_t cut_size(const char *text, size_t size, size_t most)
{
    if (size <= most) {
        return size;
    }
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80) {
        most--;
    }
    return most;
}

char *kept_path_of(const char *file, const char *hash, const char *farm_id)
{
    size_t folder = folder_size(file);
    const char *name = file + folder;
    size_t others = strlen("...") + strlen(farm_id) + strlen(hash) + strlen(EXTENSION);
    size_t stem = cut_size(name, stem_size(name), NAME_MAX > others ? NAME_MAX - others : 0);
    return alloc_format("%.*s.%.*s.%s.%s" EXTENSION, (int)folder, file, (int)stem, name, farm_id,
                        hash);
}

char *kept_cache_link(const char *kept_path)
{
    size_t folder = folder_size(kept_path);
    const char *name = kept_path + folder;
    return alloc_format("%.*s" CACHE "%.*s", (int)folder, kept_path, (int)stem_size(name), name);
}

static int64_t mtime_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static bool is_as_said(const struct stat *st, const struct filehash_facts *facts)
{
    return S_ISREG(st->st_mode) && st->st_size == facts->size && mtime_of(st) == facts->mtime_ns;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno != EINTR) {
            return -errno;
        }
        if (done > 0) {
            bytes += done;
            size -= (size_t)done;
        }
    }
    return 0;
}

static int copy_bytes(int from, int to)
{
    enum { PIECE = 1048576 };
    CLEANUP(cleanup_free) char *piece = alloc_zero(PIECE, 1);
    if (lseek(from, 0, SEEK_SET) < 0) {
        return -errno;
    }
    for (;;) {
        ssize_t size = read(from, piece, PIECE);
        if (size == 0) {
            return 0;
        }
        if (size < 0 && errno != EINTR) {
            return -errno;
        }
        int rc = size > 0 ? write_all(to, piece, (size_t)size) : 0;
        if (rc != 0) {
            return rc;
        }
    }
}

/* The clone or the copy at path gets the original's mtime: that and its size tell it unchanged. */
static int fill_copy(int from, const char *path, bool clone, const struct stat *st)
{
    CLEANUP(cleanup_fd)
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st->st_mode & 0666);
    if (to < 0) {
        return -errno;
    }
    int rc = clone ? (ioctl(to, FICLONE, from) != 0 ? -errno : 0) : copy_bytes(from, to);
    const struct timespec times[2] = { st->st_atim, st->st_mtim };
    if (rc == 0 && futimens(to, times) != 0) {
        rc = -errno;
    }
    if (rc == 0 && !clone && fsync(to) != 0) {
        rc = -errno; /* a full disk may show only here */
    }
    if (rc != 0) {
        (void)unlink(path);
    }
    return rc;
}

/* Under a name of its own first: nobody must find half a file under the kept name. */
static int make_at(const char *file, int from, const struct stat *st, const char *path)
{
    int rc = fill_copy(from, path, true, st);
    if (rc != 0) {
        rc = link(file, path) != 0 ? -errno : 0;
    }
    return rc == 0 || rc == -EEXIST ? rc : fill_copy(from, path, false, st);
}

/* A rename onto another name of the same file does nothing: so the first name is removed, too. */
static int put_in_place(const char *path, const char *kept_path)
{
    int rc = rename(path, kept_path) != 0 ? -errno : 0;
    (void)unlink(path); /* mostly gone already */
    return rc;
}

char *kept_making_path(const char *file)
{
    char host[HOST_NAME_MAX + 1] = "";
    (void)gethostname(host, sizeof host - 1); /* an empty name is a name */
    return alloc_format("%.*s.dblend-%s-%d-%lld" EXTENSION, (int)folder_size(file), file, host,
                        (int)getpid(), (long long)process_start(getpid()));
}

static int make_file(const char *file, const struct filehash_facts *facts, const char *kept_path)
{
    CLEANUP(cleanup_fd) int from = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat before;
    if (from < 0 || fstat(from, &before) != 0) {
        return -errno;
    }
    if (!is_as_said(&before, facts)) {
        return KEPT_CHANGED;
    }
    CLEANUP(cleanup_free) char *path = kept_making_path(file);
    int rc = make_at(file, from, &before, path);
    if (rc != 0) {
        return rc;
    }
    /* saved while we copied, or the name another file's when we linked: not the right bytes */
    struct stat made;
    struct stat after;
    if (stat(path, &made) != 0 || fstat(from, &after) != 0 || !is_as_said(&made, facts) ||
        !is_as_said(&after, facts)) {
        (void)unlink(path);
        return KEPT_CHANGED;
    }
    return put_in_place(path, kept_path);
}

/* Does the link at path say so already? */
static bool is_link_to(const char *path, const char *target)
{
    char text[PATH_MAX];
    ssize_t size = readlink(path, text, sizeof text);
    return size == (ssize_t)strlen(target) && strncmp(text, target, (size_t)size) == 0;
}

static int make_cache_link(const char *file, const char *kept_path)
{
    size_t folder = folder_size(file);
    const char *name = file + folder;
    int stem = (int)stem_size(name);
    CLEANUP(cleanup_free) char *target = alloc_format(CACHE "%.*s", stem, name);
    CLEANUP(cleanup_free)
    char *cache = alloc_format("%.*s%s", (int)folder, file, target);
    struct stat st;
    if (stat(cache, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return 0;
    }
    CLEANUP(cleanup_free) char *path = kept_cache_link(kept_path);
    if (symlink(target, path) == 0 || is_link_to(path, target)) {
        return 0;
    }
    return -errno;
}

int kept_make(const char *file, const struct filehash_facts *facts, const char *farm_id,
              char **kept_path)
{
    CLEANUP(cleanup_free) char *path = kept_path_of(file, facts->hash, farm_id);
    struct stat st;
    bool is_there = lstat(path, &st) == 0 && is_as_said(&st, facts);
    int rc = is_there ? KEPT_OK : make_file(file, facts, path);
    if (rc == KEPT_OK) {
        rc = make_cache_link(file, path);
    }
    if (rc == KEPT_OK) {
        *kept_path = path;
        path = NULL;
    }
    return rc;
}

int kept_remove(const char *kept_path)
{
    CLEANUP(cleanup_free) char *cache = kept_cache_link(kept_path);
    struct stat st;
    if (lstat(cache, &st) == 0 && S_ISLNK(st.st_mode) && unlink(cache) != 0 && errno != ENOENT) {
        return -errno;
    }
    return unlink(kept_path) != 0 && errno != ENOENT ? -errno : 0;
}
