#include "submit/handover.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

static char *path_of(const struct paths *paths)
{
    return alloc_format("%s/hooks.json", paths->run);
}

json_t *handover_read(const struct paths *paths)
{
    CLEANUP(cleanup_free) char *path = path_of(paths);
    json_t *state = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(state)) {
        json_decref(state);
        state = json_object();
    }
    return state;
}

int handover_write(const struct paths *paths, const json_t *state)
{
    CLEANUP(cleanup_free) char *path = path_of(paths);
    CLEANUP(cleanup_free) char *fresh = alloc_format("%s.new", path);
    FILE *file = fopen(fresh, "we");
    if (!file) {
        return -errno;
    }
    errno = 0;
    bool written = json_dumpf(state, file, JSON_COMPACT) == 0;
    written = fclose(file) == 0 && written;
    if (!written || rename(fresh, path) != 0) {
        return errno ? -errno : -EIO;
    }
    return 0;
}
