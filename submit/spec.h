#ifndef SUBMIT_SPEC_H
#define SUBMIT_SPEC_H

/*
 * spec - what is sent to the broker for one file: PROTOCOL.md 4.1
 *
 * Takes size, time and hash of the file as it is now and keeps these bytes beside it (the kept
 * file), so that saving it again changes nothing for the job.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct spec_how {
    const char *farm; /* farm id, 16 hex digits */
    const json_t *options;
    const char *name;     /* NULL: the file's, without .blend */
    int64_t submitted_ms; /* wall clock; the same for all files of a command */
    bool go_on;           /* `render`: the newest same job goes on */
};

/*
 * Make the spec of the file at path (a real path). NULL, and *out is the caller's; or an owned
 * {code, text, hint} of why there is none. *note gets an owned line for the person, or NULL.
 */
json_t *spec_make(const char *path, const struct spec_how *how, json_t **out, char **note);

/*
 * The output pattern of --render-folder folder for the file at path: with newest, in the newest
 * folder of that file that is there; otherwise in a new one named by the time. The caller frees.
 */
char *spec_render_folder(const char *folder, const char *path, int64_t submitted_ms, bool newest);

/* Values in a json tree as the wire counts them: every map, array, key and scalar is one. */
size_t spec_values(const json_t *value);

#endif
