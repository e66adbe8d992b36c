#include "worker/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#define PREFIX "device-"
#define SUFFIX ".lock"

enum { NAME_BYTES = 120 }; /* of the id in a file name */

struct lock {
    int fds[DEVICE_NAME_GROUP_MAX];
    size_t count;
};

static void bitmap_free(hwloc_bitmap_t *self_p)
{
    hwloc_bitmap_free(*self_p);
    *self_p = NULL;
}

static struct flock whole_file(short type)
{
    return (struct flock){ .l_type = type, .l_whence = SEEK_SET };
}

/* Who holds the file's lock; 0 when nobody (or we ourselves) does. */
static pid_t holder_pid(int fd)
{
    struct flock query = whole_file(F_WRLCK);
    if (fcntl(fd, F_GETLK, &query) != 0 || query.l_type == F_UNLCK) {
        return 0;
    }
    return query.l_pid;
}

/* What the holder wrote: a json object, NULL when it has not written it yet. */
static json_t *read_note(int fd)
{
    char bytes[65536];
    ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    return size > 0 ? json_loadb(bytes, (size_t)size, 0, NULL) : NULL;
}

static char *describe(int fd, const char *device, pid_t pid)
{
    CLEANUP(cleanup_json) json_t *note = read_note(fd);
    const char *name = json_string_value(json_object_get(note, "name"));
    const char *since = json_string_value(json_object_get(note, "since"));
    return alloc_format("device %s is held by worker %s (pid %d, since %s)", device,
                        name ? name : "?", (int)pid, since ? since : "just now");
}

static int write_note(int fd, const struct device *device, const char *name)
{
    char since[CLOCK_TEXT_SIZE];
    clock_rfc3339(clock_wall_ms(), since);
    CLEANUP(cleanup_json) json_t *note = device_json(device);
    json_object_set_new(note, "name", json_string(name));
    json_object_set_new(note, "pid", json_integer(getpid()));
    json_object_set_new(note, "since", json_string(since));
    CLEANUP(cleanup_free) char *text = json_dumps(note, JSON_COMPACT);
    if (!text || ftruncate(fd, 0) != 0) {
        return -errno;
    }
    ssize_t written = pwrite(fd, text, strlen(text), 0);
    return written == (ssize_t)strlen(text) ? 0 : written < 0 ? -errno : -ENOSPC;
}

static hwloc_bitmap_t cpus_of(const json_t *note)
{
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    const json_t *kind = json_object_get(note, "kind");
    size_t i = 0;
    json_t *cpu = NULL;
    if (!json_is_string(kind) || strcmp(json_string_value(kind), "cpu") != 0) {
        return cpus;
    }
    json_array_foreach(json_object_get(note, "cpus"), i, cpu)
    {
        json_int_t number = json_integer_value(cpu);
        if (json_is_integer(cpu) && number >= 0 && number <= DEVICE_NAME_CPU_MAX) {
            hwloc_bitmap_set(cpus, (unsigned)number);
        }
    }
    return cpus;
}

/* Is another worker on some of our CPUs by this lock file? Then add its name to *names_p. */
static void check_overlap(int folder, const char *file, const struct device *device, char **names_p)
{
    CLEANUP(cleanup_fd) int fd = openat(folder, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    pid_t pid = fd >= 0 ? holder_pid(fd) : 0;
    if (pid == 0) {
        return;
    }
    CLEANUP(cleanup_json) json_t *note = read_note(fd);
    CLEANUP(bitmap_free) hwloc_bitmap_t cpus = cpus_of(note);
    if (!hwloc_bitmap_intersects(cpus, device->cpus)) {
        return;
    }
    const char *name = json_string_value(json_object_get(note, "name"));
    char *longer = alloc_format("%s%s%s (pid %d)", *names_p ? *names_p : "", *names_p ? ", " : "",
                                name ? name : file, (int)pid);
    free(*names_p);
    *names_p = longer;
}

/* own is skipped: closing another descriptor of it would free our lock (fcntl(2), POSIX locks). */
static char *find_overlap(const char *folder, const char *own, const struct device *device)
{
    char *names = NULL;
    CLEANUP(cleanup_folder) DIR *listing = opendir(folder);
    if (!listing || device->kind != DEVICE_CPU) {
        return NULL;
    }
    struct dirent *entry = NULL;
    while ((entry = readdir(listing))) {
        size_t length = strlen(entry->d_name);
        bool ours = strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
                    length > strlen(SUFFIX) &&
                    strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) == 0;
        if (ours && strcmp(entry->d_name, own) != 0) {
            check_overlap(dirfd(listing), entry->d_name, device, &names);
        }
    }
    return names;
}

static int take_fd(int *fd_p)
{
    int fd = *fd_p;
    *fd_p = -1;
    return fd;
}

/* A list of single CPUs may be longer than a file name: then its hash (FNV-1a) stands for it. */
static char *file_name(const char *id)
{
    uint64_t hash = 14695981039346656037U;
    for (const char *at = id; *at; at++) {
        hash = (hash ^ (unsigned char)*at) * 1099511628211U;
    }
    char *name = strlen(id) > NAME_BYTES ? alloc_format(PREFIX "%.*s-%016llx" SUFFIX, NAME_BYTES,
                                                        id, (unsigned long long)hash)
                                         : alloc_format(PREFIX "%s" SUFFIX, id);
    for (char *at = name; *at; at++) {
        if (*at == '/') {
            *at = '_';
        }
    }
    return name;
}

/* One file's lock; *fd is the caller's. */
static int take_file(const char *folder, const char *id, int *fd, char **holder)
{
    CLEANUP(cleanup_free) char *file = file_name(id);
    CLEANUP(cleanup_free) char *path = alloc_format("%s/%s", folder, file);
    CLEANUP(cleanup_fd) int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (opened < 0) {
        return -errno;
    }
    struct flock wanted = whole_file(F_WRLCK);
    if (fcntl(opened, F_SETLK, &wanted) != 0) {
        if (errno != EACCES && errno != EAGAIN) {
            return -errno;
        }
        *holder = describe(opened, id, holder_pid(opened));
        return LOCK_HELD;
    }
    *fd = take_fd(&opened);
    return 0;
}

/* The ids that are locked for a device: its cards, or itself. Always in one order. */
static size_t lock_ids(const struct device *device, const char *ids[DEVICE_NAME_GROUP_MAX])
{
    ids[0] = device->id;
    for (size_t i = 0; i < device->card_count; i++) {
        ids[i] = device->cards[i]->id;
    }
    return device->card_count > 0 ? device->card_count : 1;
}

int lock_take(const char *folder, const struct device *device, const char *name, lock_t **out,
              char **holder, char **overlap)
{
    const char *ids[DEVICE_NAME_GROUP_MAX];
    size_t count = lock_ids(device, ids);
    CLEANUP(lock_release) lock_t *self = alloc_zero(1, sizeof *self);
    for (size_t i = 0; i < count; i++) {
        int rc = take_file(folder, ids[i], &self->fds[i], holder);
        if (rc != 0) {
            return rc;
        }
        self->count++;
    }
    for (size_t i = 0; i < count; i++) {
        int rc = write_note(self->fds[i], device, name);
        if (rc != 0) {
            return rc;
        }
    }
    CLEANUP(cleanup_free) char *own = file_name(ids[0]);
    *overlap = find_overlap(folder, own, device);
    *out = self;
    self = NULL;
    return 0;
}

char *lock_holder(const char *folder, const char *id, pid_t *pid)
{
    CLEANUP(cleanup_free) char *file = file_name(id);
    CLEANUP(cleanup_free) char *path = alloc_format("%s/%s", folder, file);
    CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *pid = fd >= 0 ? holder_pid(fd) : 0;
    if (*pid == 0) {
        return NULL;
    }
    CLEANUP(cleanup_json) json_t *note = read_note(fd);
    const char *name = json_string_value(json_object_get(note, "name"));
    return alloc_text(name ? name : "?");
}

void lock_release(lock_t **self_p)
{
    for (size_t i = 0; *self_p && i < (*self_p)->count; i++) {
        close((*self_p)->fds[i]);
    }
    free(*self_p);
    *self_p = NULL;
}
