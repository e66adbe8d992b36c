#include "proto/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The attribute hands over a T ** for any T, so the pointer is read and written as bytes: all
 * object pointers look alike on the systems we run on, and memcpy breaks no aliasing rule.
 */
static void *take(void *pointer_p)
{
    void *pointer = NULL;
    memcpy(&pointer, pointer_p, sizeof pointer);
    memset(pointer_p, 0, sizeof pointer);
    return pointer;
}

void cleanup_free(void *pointer_p)
{
    free(take(pointer_p));
}

void cleanup_fd(int *fd_p)
{
    if (*fd_p >= 0) {
        int saved = errno;
        (void)close(*fd_p); /* the descriptor is gone whatever close says */
        errno = saved;
        *fd_p = -1;
    }
}

void cleanup_file(void *file_p)
{
    FILE *file = take(file_p);
    if (file) {
        (void)fclose(file); /* whoever writes checks fflush before */
    }
}

void cleanup_folder(void *folder_p)
{
    DIR *folder = take(folder_p);
    if (folder) {
        (void)closedir(folder); /* read only */
    }
}

void cleanup_json(void *json_p)
{
    json_decref(take(json_p));
}

void cleanup_list(void *list_p)
{
    char **list = take(list_p);
    for (size_t i = 0; list && list[i]; i++) {
        free(list[i]);
    }
    free(list);
}
