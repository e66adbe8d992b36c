#include "tests/worker/temp_folder.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

int temp_folder_make(void **state)
{
    static struct temp_folder folder;
    assert_true(snprintf(folder.path, sizeof folder.path, "/tmp/test worker XXXXXX") > 0);
    assert_non_null(mkdtemp(folder.path));
    *state = &folder;
    return 0;
}

int temp_folder_remove(void **state)
{
    struct temp_folder *folder = *state;
    return nftw(folder->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

char *temp_folder_file(const struct temp_folder *folder, const char *name, const char *text)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder->path, name) > 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    return path;
}
