#ifndef SUBMIT_WORKER_TARGET_H
#define SUBMIT_WORKER_TARGET_H

/*
 * worker_target - WORKER or DEVICE arguments: which workers a person means
 *
 * A worker is named as `dblend workers' prints it. Anything else is a device of this host as `farm
 * --devices' takes it: the workers that have it, alone or in a group.
 */

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "submit/talk.h"

/* The arguments of such a command, read by worker_target_argp as a child of its parser; it reads
 * --json too. All zero at first. */
struct worker_targets {
    char **names; /* borrowed from argv */
    size_t count;
    bool json;
};

extern const struct argp worker_target_argp;

/*
 * Connect and find the workers: *out is an owned array of their names. What is no worker is told,
 * and *missing then. The caller owns the talk, too; NULL after telling that there is no worker
 * left, or no broker, and then *out is NULL.
 */
talk_t *worker_target_open(const struct worker_targets *targets, json_t **out, bool *missing);

/* What came of it for each worker of an answer: "NAME WORDS"; false if one failed. */
bool worker_target_tell(const struct worker_targets *targets, const json_t *answer,
                        const char *words);

#endif
