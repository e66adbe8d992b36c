#ifndef SUBMIT_INTAKE_H
#define SUBMIT_INTAKE_H

/*
 * intake - from FILEs to inspected jobs, for `add` and `render`
 *
 * Checks each file, submits those that are fine, waits for their inspection, prints one line a
 * job and asks what inspection asks. What is refused is told, and the others go on.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "submit/files.h"
#include "submit/options.h"
#include "submit/talk.h"

enum intake_print {
    INTAKE_LINES,   /* one line a job */
    INTAKE_NUMBERS, /* -q: job numbers only */
    INTAKE_JSON,
    INTAKE_NOTES,       /* one line a job, on standard error: `render` prints its data at the end */
    INTAKE_JSON_ERRORS, /* refusals only: the same for `render --json` */
};

struct intake_how {
    const struct options *options;
    bool go_on;      /* `render` */
    bool wait;       /* for the inspection */
    bool supervised; /* somebody sees to it that there is an inspector */
    enum intake_print print;
};

struct intake_entry {
    const char *name; /* as given; borrowed from the files */
    char *path;       /* real path of a file that is fine; owned */
    char *absolute;   /* of any file, for --json; owned */
    json_t *spec;     /* until it is sent; owned */
    json_t *error;    /* why it was refused; owned */
    int64_t job;      /* 0: none */
    bool went_on;
    bool answered;
    bool held;  /* and left so */
    bool ended; /* failed at inspection, or cancelled */
};

typedef struct intake intake_t;

/* Check the files: what is refused gets its error, nothing is sent or told. */
intake_t *intake_new(const struct files *files, const struct intake_how *how);

void intake_destroy(intake_t **self_p);

/* Files that passed the check. */
size_t intake_count(const intake_t *self);

/*
 * Submit, wait, print, ask: the exit status of `add`. CLIENT outcomes that end it are told.
 */
int intake_run(intake_t *self, talk_t *talk);

/* Tell the refusals only, where no broker is to be bothered. */
void intake_tell(const intake_t *self);

/* The jobs that are to be rendered now (not those left held or ended) as an owned array of numbers.
 */
json_t *intake_jobs(const intake_t *self);

#endif
