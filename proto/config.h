#ifndef PROTO_CONFIG_H
#define PROTO_CONFIG_H

/*
 * config - settings from the user's config folder, one ZPL file: dblend.cfg
 *
 *     keep = 30
 *     worker
 *         recycle = 500
 *
 * is read as config_int(c, "worker/recycle", ...). No file is an empty config.
 */

#include <stdbool.h>
#include <stdint.h>

typedef struct config config_t;

enum config_outcome {
    CONFIG_OK,
    CONFIG_WRONG, /* not readable, over 1 MiB, or no ZPL: see the text */
};

/* Read folder/dblend.cfg. On CONFIG_WRONG *error_text is the caller's. */
int config_open(const char *folder, config_t **out, char **error_text);

void config_close(config_t **self_p);

/* The value at path, or fallback; what is no number, or out of range, is logged as a warning. */
int64_t config_int(const config_t *self, const char *path, int64_t fallback, int64_t min,
                   int64_t max);

/* true, yes, on, 1 / false, no, off, 0. */
bool config_bool(const config_t *self, const char *path, bool fallback);

/* Borrowed until config_close. */
const char *config_str(const config_t *self, const char *path, const char *fallback);

#endif
