#include "tests/submit/temp_folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

int temp_folder_make(void **state)
{
    char name[] = "/tmp/dblend-test-XXXXXX";
    *state = mkdtemp(name) ? realpath(name, NULL) : NULL;
    return *state ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about;
    (void)kind;
    (void)where;
    return remove(path);
}

int temp_folder_remove(void **state)
{
    int rc = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return rc;
}

char *temp_folder_file(const char *folder, const char *name, const char *text)
{
    char *path = alloc_format("%s/%s", folder, name);
    CLEANUP(cleanup_file) FILE *file = fopen(path, "w");
    if (file) {
        fputs(text, file);
    }
    return path;
}
