#include "worker/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
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

void scratch_sweep(void)
{
    CLEANUP(cleanup_folder) DIR *listing = opendir(base());
    struct dirent *entry = NULL;
    while (listing && (entry = readdir(listing))) {
        unsigned user = 0;
        int pid = 0;
        struct stat st;
        if (sscanf(entry->d_name, PREFIX "%u-%d-", &user, &pid) != 2 || user != getuid() ||
            pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH) {
            continue;
        }
        if (fstatat(dirfd(listing), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(st.st_mode) && st.st_uid == getuid()) {
            char *path = alloc_format("%s/%s", base(), entry->d_name);
            scratch_remove(&path);
        }
    }
}
