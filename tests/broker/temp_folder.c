#include "temp_folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"

char *temp_folder_new(void)
{
    const char *base = getenv("TMPDIR");
    char *folder = alloc_format("%s/dblend-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder)) {
        perror("mkdtemp");
        abort();
    }
    return folder;
}

char *temp_folder_path(const char *folder, const char *name)
{
    return alloc_format("%s/%s", folder, name);
}

char *temp_folder_read(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        abort();
    }
    char *text = NULL;
    size_t room = 0;
    ssize_t size = getdelim(&text, &room, '\0', file);
    fclose(file);
    if (size < 0) {
        free(text);
        return alloc_text("");
    }
    return text;
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    (void)info;
    (void)flag;
    (void)where;
    return remove(path);
}

void temp_folder_remove(char **folder_p)
{
    if (*folder_p) {
        (void)nftw(*folder_p, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(*folder_p);
        *folder_p = NULL;
    }
}
