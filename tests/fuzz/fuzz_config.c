/* config: dblend.cfg as a person may have left it */

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/config.h"
#include "tests/fuzz/fuzz.h"

static char folder[32];
static int file_fd = -1;

static void remove_folder(void)
{
    CLEANUP(cleanup_free) char *path = alloc_format("%s/dblend.cfg", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

void fuzz_set_up(void)
{
    (void)snprintf(folder, sizeof folder, "%s", "/dev/shm/dblend-fuzz-XXXXXX");
    FUZZ_CHECK(mkdtemp(folder), "no folder in /dev/shm");
    CLEANUP(cleanup_free) char *path = alloc_format("%s/dblend.cfg", folder);
    file_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)atexit(remove_folder);
}

static void check_values(const config_t *config)
{
    static const char *const paths[] = { "keep", "worker/recycle", "worker", "a", "a/b/c", "/" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        int64_t number = config_int(config, paths[i], 30, 1, 36500);
        FUZZ_CHECK(number >= 1 && number <= 36500, "%s is %lld", paths[i], (long long)number);
        (void)config_bool(config, paths[i], false);
        const char *text = config_str(config, paths[i], "none");
        FUZZ_CHECK(text && text[0], "%s is empty", paths[i]);
        FUZZ_CHECK(config_str(config, paths[i], text) == text, "%s is not what it was", paths[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(config_close) config_t *config = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    FUZZ_CHECK(ftruncate(file_fd, 0) == 0 && pwrite(file_fd, data, size, 0) == (ssize_t)size,
               "the file cannot be written");
    int rc = config_open(folder, &config, &error);
    FUZZ_CHECK((rc == CONFIG_OK) == (config != NULL) && (rc == CONFIG_WRONG) == (error != NULL),
               "outcome %d", rc);
    if (config) {
        check_values(config);
    }
    return 0;
}
