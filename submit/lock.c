#include "submit/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/say.h"

static char *path_of(const struct paths *paths)
{
    return alloc_format("%s/farm.lock", paths->run);
}

/* The pid in the file; -1: there is none. */
static pid_t read_pid(int fd)
{
    char text[32] = "";
    long pid = pread(fd, text, sizeof text - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
    return pid > 0 ? (pid_t)pid : -1;
}

int lock_take(const struct paths *paths)
{
    CLEANUP(cleanup_free) char *path = path_of(paths);
    CLEANUP(cleanup_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        say_error("%s cannot be made: %s", path, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        pid_t pid = read_pid(fd);
        CLEANUP(cleanup_free)
        char *who = pid > 0 ? alloc_format(", pid %d", (int)pid) : alloc_text("");
        say_error(
            "a farm is running already%s; `dblend workers' shows it, `dblend stop' ends it, "
            "`dblend add FILE' gives it work",
            who);
        return -1;
    }
    return fcntl(fd, F_DUPFD_CLOEXEC, 0); /* the lock is also that of the copy */
}

void lock_sign(int fd)
{
    char pid[32] = "";
    int size = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)size, 0) != size) {
        say_note("farm.lock cannot be written: %s", strerror(errno));
    }
}

pid_t lock_holder(const struct paths *paths)
{
    CLEANUP(cleanup_free) char *path = path_of(paths);
    CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0) {
        return 0; /* closing it frees what we took */
    }
    return read_pid(fd);
}
