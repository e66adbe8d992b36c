#include "worker/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

#define PREFIX "dblend-blender-"

static const char *base(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && folder[0] == '/' ? folder : "/tmp";
}

int scratch_make(char **out)
{
    /* The pid in the name tells a later worker whether its owner still lives. */
    char *path = alloc_format("%s/" PREFIX "%d-%d-XXXXXX", base(), (int)getuid(), (int)getpid());
    if (!mkdtemp(path)) {
        int error = -errno;
        free(path);
        return error;
    }
    *out = path;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    (void)remove(path); /* what cannot be removed stays; it is only a temporary file */
    return 0;
}

void scratch_remove(char **path_p)
{
    if (*path_p) {
        (void)nftw(*path_p, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        free(*path_p);
        *path_p = NULL;
    }
}

/* Is name that of a folder whose owner, a process of this user, is gone? */
static bool is_orphan(const char *name)
{
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0) {
        return false;
    }
    char *end = NULL;
    const char *at = name + strlen(PREFIX);
    unsigned long user = strtoul(at, &end, 10);
    if (end == at || *end != '-' || user != getuid()) {
        return false;
    }
    long pid = strtol(end + 1, &end, 10);
    return *end == '-' && pid > 0 && pid <= INT_MAX && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

void scratch_sweep(void)
{
    CLEANUP(cleanup_folder) DIR *listing = opendir(base());
    struct dirent *entry = NULL;
    while (listing && (entry = readdir(listing))) {
        struct stat st;
        if (is_orphan(entry->d_name) &&
            fstatat(dirfd(listing), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(st.st_mode) && st.st_uid == getuid()) {
            char *path = alloc_format("%s/%s", base(), entry->d_name);
            scratch_remove(&path);
        }
    }
}
