#ifndef SUBMIT_TARGET_H
#define SUBMIT_TARGET_H

/*
 * target - JOB or FILE arguments: which jobs a person means
 *
 * JOB is a number. Anything else is a file: all of its unfinished jobs, or its newest job if
 * none is unfinished; every one of them with TARGET_EVERY (remove). A file that is named like a
 * number is written with a folder: ./12.
 */

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "submit/talk.h"

enum target_choice {
    TARGET_UNFINISHED, /* of a file: the unfinished jobs, else the newest */
    TARGET_NEWEST,     /* of a file: the newest */
    TARGET_EVERY,      /* of a file: all */
};

/* How many JOB or FILE a command takes. */
enum target_need {
    TARGET_SOME, /* one or more */
    TARGET_ANY,  /* also none: everything */
    TARGET_ONE,
    TARGET_ONE_OR_NONE,
};

/*
 * The arguments of a command about jobs, read by target_argp as a child of the command's own
 * parser, which hands it this structure as the child's input; it reads --json too.
 */
struct targets {
    enum target_need need;     /* set by the command, as is choice */
    enum target_choice choice; /* of a FILE argument */
    char **names;              /* borrowed from argv */
    size_t count;
    bool json;
    int flag_key; /* set by a command with target_parse_flag; 0: it has no flag */
    bool flag;    /* it is given */
};

extern const struct argp target_argp;

/* The parser of a command that takes jobs, and one flag of its own; its input are the targets. */
error_t target_parse_flag(int key, char *arg, struct argp_state *state);

/*
 * Find the jobs of all names: *out is an owned array of numbers, each once. 0, or 1 after telling
 * of a name that is no job (the others are in *out), or -1 after telling that there is no broker.
 */
int target_find(talk_t *talk, const struct targets *targets, json_t **out);

/*
 * For a command that needs all of its jobs: connect and find them. The caller owns both; NULL
 * after telling what there is none of, and then *jobs is NULL.
 */
talk_t *target_open(const struct targets *targets, json_t **jobs);

/* True and *number if text is a job number. */
bool target_is_number(const char *text, long long *number);

/* True if a job in this state has ended. */
bool target_has_ended(const char *state);

/*
 * True if a job waits for a person: held, or paused by itself for a reason (its file was changed).
 * What a person has paused does not: somebody knows of it.
 */
bool target_is_stuck(const json_t *job);

#endif
