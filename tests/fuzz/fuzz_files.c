/* files: a list of FILEs (--from) and what drag and drop puts around a name */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/cleanup.h"
#include "submit/files.h"
#include "tests/fuzz/fuzz.h"

static int list_fd = -1;
static char list_path[64];

void fuzz_set_up(void)
{
    list_fd = memfd_create("list", 0);
    (void)snprintf(list_path, sizeof list_path, "/proc/self/fd/%d", list_fd);
}

static size_t count_lines(const uint8_t *data, size_t size)
{
    size_t count = size > 0;
    for (size_t i = 0; i < size; i++) {
        count += data[i] == '\n';
    }
    return count;
}

static void check_clean(const char *text)
{
    CLEANUP(cleanup_free) char *name = files_clean(text);
    size_t size = strlen(name);
    FUZZ_CHECK(size <= strlen(text), "cleaning made it longer");
    /* in quotes a blank belongs to the name */
    bool quoted = strpbrk(text, "'\"") != NULL;
    FUZZ_CHECK(quoted || size == 0 ||
                   (!strchr(" \t\r\n", name[0]) && !strchr(" \t\r\n", name[size - 1])),
               "\"%s\" has blanks at its ends", name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct files files = { 0 };
    FUZZ_CHECK(ftruncate(list_fd, 0) == 0 && pwrite(list_fd, data, size, 0) == (ssize_t)size,
               "the list cannot be written");
    int rc = files_add_list(&files, list_path);
    /* inputs are shorter than the longest line; a byte 0 is in no name */
    FUZZ_CHECK(rc == 0 || (rc == -ENAMETOOLONG && memchr(data, 0, size)),
               "a list that cannot be read: %s", strerror(-rc));
    FUZZ_CHECK(files.count <= count_lines(data, size), "%zu names", files.count);
    for (size_t i = 0; i < files.count; i++) {
        check_clean(files.names[i]);
        CLEANUP(cleanup_free) char *path = NULL;
        json_t *refusal = files_check(files.names[i], &path);
        FUZZ_CHECK((refusal == NULL) == (path != NULL), "neither refused nor taken");
        json_decref(refusal);
    }
    files_clear(&files);
    return 0;
}
