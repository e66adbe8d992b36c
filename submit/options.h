#ifndef SUBMIT_OPTIONS_H
#define SUBMIT_OPTIONS_H

/*
 * options - what a person says about a job: one parser for render, add and accept
 *
 * An argp child parser that fills the options map of PROTOCOL.md 4.1, keys only when given.
 * Paths become absolute here (the submitter's working directory; `//` is left to Blender).
 * What contradicts itself or is out of range ends as a usage error, before anything is sent.
 */

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

struct options {
    json_t *map; /* owned; made by the parser */
    char *name;  /* owned; NULL: the file's */
};

/* The child parser of render and add, and that of accept: only what answers a question. */
extern const struct argp options_argp;
extern const struct argp options_answer_argp;

/* Release what the parser made. Safe on a zeroed struct. */
void options_clear(struct options *self);

/*
 * The keys of the map that answer a question of a held job, as a new map; empty if there is
 * none. The caller owns it.
 */
json_t *options_answers(const json_t *map);

/* path as seen from folder: absolute, unless it begins with `//`. The caller frees it. */
char *options_absolute(const char *path, const char *folder);

/*
 * Read what a person answered to a question of that code ("k", "keep", "--keep") and put the
 * flag into map. False if it is no answer to it.
 */
bool options_answer(const char *code, const char *text, json_t *map);

/* Does map hold a flag that answers a question of that code? */
bool options_has_answer(const char *code, const json_t *map);

/* The flags that answer a question of that code, "--keep or --overwrite". */
const char *options_flags_of(const char *code);

#endif
