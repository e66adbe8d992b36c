#include "tests/proto/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static char folder[64];

int files_set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/dblend-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int files_tear_down(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *files_path(const char *name)
{
    static char paths[8][PATH_MAX];
    static int next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return path;
}

void files_write(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(files_path(name), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

char *files_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *bytes = calloc(1, 65537);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 65536, file);
    assert_int_equal(fclose(file), 0);
    return bytes;
}
