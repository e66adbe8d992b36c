#ifndef SUBMIT_RESULTS_H
#define SUBMIT_RESULTS_H

/*
 * results - the commands that change jobs: send, and tell what came of each job
 */

#include <jansson.h>
#include <stdbool.h>

#include "submit/target.h"

/* Tell of each failed result of an answer; true if there is none. */
bool results_tell(const json_t *answer, bool json);

/* The one option that such a command may have of its own: a flag that goes into the request. */
struct results_flag {
    const char *name; /* "all"; NULL: there is none */
    int key;          /* its letter, or COMMAND_KEY_OWN */
    const char *doc;
    const char *wire; /* its key in the request */
    const char *done; /* what came of a job then; NULL: as without */
};

struct results_change {
    const char *type; /* PAUSE, CANCEL ... */
    const char *doc;
    enum target_choice choice; /* of a FILE argument */
    const char *done;          /* what came of a job, in words: "paused" */
    const char *idle; /* what came of a job that is done: nothing was to do; NULL: as done */
    const char *farm; /* what came of the whole farm: no argument means it; NULL: one is needed */
    struct results_flag flag;
};

/*
 * A whole command: read its arguments, send the change for the named jobs, tell. The exit status
 * of the command; wrong usage ends the program.
 */
int results_command(const struct results_change *change, int argc, char **argv);

#endif
