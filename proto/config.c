#include "proto/config.h"

#include <czmq.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/log.h"

#define FILE_MAX_BYTES 1048576

struct config {
    char *path;
    zconfig_t *root; /* NULL: no file */
};

static int wrong(char **error_text, const char *path, const char *why)
{
    *error_text = alloc_format("cannot read %s: %s", path, why);
    return CONFIG_WRONG;
}

int config_open(const char *folder, config_t **out, char **error_text)
{
    CLEANUP(config_close) config_t *self = alloc_zero(1, sizeof *self);
    self->path = alloc_format("%s/dblend.cfg", folder);
    struct stat st;
    if (stat(self->path, &st) == 0) {
        if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES) {
            return wrong(error_text, self->path, "it is no file, or over 1 MiB");
        }
        CLEANUP(zchunk_destroy) zchunk_t *text = zchunk_slurp(self->path, FILE_MAX_BYTES);
        if (!text) {
            return wrong(error_text, self->path, strerror(errno));
        }
        self->root = zconfig_chunk_load(text); /* zconfig_load leaks its file when this fails */
        if (!self->root) {
            return wrong(error_text, self->path,
                         "lines are `name = value`, four blanks deeper for what is inside");
        }
    } else if (errno != ENOENT && errno != ENOTDIR) {
        return wrong(error_text, self->path, strerror(errno));
    }
    *out = self;
    self = NULL;
    return CONFIG_OK;
}

void config_close(config_t **self_p)
{
    if (*self_p) {
        zconfig_destroy(&(*self_p)->root);
        cleanup_free(&(*self_p)->path);
        cleanup_free(self_p);
    }
}

/* NULL when it is not set, or set to nothing. */
static const char *find(const config_t *self, const char *path)
{
    const char *value = self->root ? zconfig_get(self->root, path, NULL) : NULL;
    return value && value[0] ? value : NULL;
}

int64_t config_int(const config_t *self, const char *path, int64_t fallback, int64_t min,
                   int64_t max)
{
    const char *value = find(self, path);
    if (!value) {
        return fallback;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno != 0 || *end || number < min || number > max) {
        log_warning(
            "read config: file=\"%s\" key=%s value=\"%s\": no number from %lld to %lld, "
            "taking %lld",
            self->path, path, value, (long long)min, (long long)max, (long long)fallback);
        return fallback;
    }
    return number;
}

bool config_bool(const config_t *self, const char *path, bool fallback)
{
    static const char *const words[][2] = {
        { "false", "true" },
        { "no", "yes" },
        { "off", "on" },
        { "0", "1" },
    };
    const char *value = find(self, path);
    if (!value) {
        return fallback;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        for (int is = 0; is <= 1; is++) {
            if (strcasecmp(value, words[i][is]) == 0) {
                return is;
            }
        }
    }
    log_warning("read config: file=\"%s\" key=%s value=\"%s\": neither yes nor no, taking %s",
                self->path, path, value, fallback ? "yes" : "no");
    return fallback;
}

const char *config_str(const config_t *self, const char *path, const char *fallback)
{
    const char *value = find(self, path);
    return value ? value : fallback;
}
