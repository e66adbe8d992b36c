#ifndef TESTS_SUBMIT_PARSE_OPTIONS_H
#define TESTS_SUBMIT_PARSE_OPTIONS_H

/*
 * parse_options - words as a command would get them, through the parser of job options
 */

#include <jansson.h>

#include "submit/options.h"

/* The options map of "dblend add WORDS"; the caller owns it. */
json_t *parse_options(const char *const *words);

/* The exit status with which the same ends, in a process of its own: 2 for a usage error. */
int parse_options_status(const struct argp *argp, const char *const *words);

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

#endif
