/*
 * replay - run a fuzz target on files: its seeds, and every input that ever failed
 *
 * Arguments are files and folders; a folder that is not there is an empty one.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "tests/fuzz/fuzz.h"

static int replay_file(const char *path)
{
    CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0) {
        return -errno;
    }
    size_t size = (size_t)info.st_size;
    /* exactly as large as the input: reading past its end is seen */
    CLEANUP(cleanup_free) uint8_t *data = alloc_zero(size ? size : 1, 1);
    if (fread(data, 1, size, file) != size) {
        return -EIO;
    }
    printf("%s\n", path);
    (void)fflush(stdout); /* the last name said is the one that fails */
    return LLVMFuzzerTestOneInput(data, size);
}

static int replay(const char *path, int *count)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    if (!S_ISDIR(info.st_mode)) {
        (*count)++;
        return replay_file(path);
    }
    struct dirent **entries = NULL;
    int found = scandir(path, &entries, NULL, alphasort);
    int rc = found < 0 ? -errno : 0;
    for (int i = 0; i < found; i++) {
        if (rc == 0 && entries[i]->d_name[0] != '.') {
            CLEANUP(cleanup_free) char *inner = alloc_format("%s/%s", path, entries[i]->d_name);
            rc = replay_file(inner);
            (*count)++;
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int main(int argc, char **argv)
{
    int count = 0;
    (void)LLVMFuzzerInitialize(&argc, &argv);
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        int rc = replay(argv[i], &count);
        if (rc < 0) {
            (void)fprintf(stderr, "%s: %s\n", argv[i], strerror(-rc));
            return EXIT_FAILURE;
        }
    }
    printf("%d inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
