#ifndef SUBMIT_SETTINGS_H
#define SUBMIT_SETTINGS_H

/*
 * settings - what dblend.cfg says of the commands
 */

#include <stdint.h>

#include "proto/paths.h"

/* A number of seconds, least_s to a day, as milliseconds. A file that cannot be read is told of,
 * and counts as empty. */
int64_t settings_ms(const struct paths *paths, const char *key, int64_t fallback_s,
                    int64_t least_s);

#endif
