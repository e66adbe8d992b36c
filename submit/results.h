#ifndef SUBMIT_RESULTS_H
#define SUBMIT_RESULTS_H

/*
 * results - the commands that change jobs: send, and tell what came of each job
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "submit/target.h"

/* Tell of each failed result of an answer; true if there is none. */
bool results_tell(const json_t *answer, bool json);

struct results_change {
    const char *type;          /* PAUSE, CANCEL ... */
    enum target_choice choice; /* of a FILE argument */
    bool whole_farm;           /* no target means everything */
    const char *done;          /* what came of a job, in words: "paused" */
    const char *farm;          /* what came of the whole farm: "the farm is paused" */
};

/*
 * Send the change for the named jobs and tell; extra (taken, may be NULL) holds further keys.
 * Returns the exit status of the command.
 */
int results_run(const struct results_change *change, json_t *extra, char *const *names,
                size_t count, bool json);

#endif
