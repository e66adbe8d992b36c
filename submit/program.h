#ifndef SUBMIT_PROGRAM_H
#define SUBMIT_PROGRAM_H

/*
 * program - starting our other programs: dblend-broker and dblend-worker
 *
 * They are found beside dblend, then in PATH. What they print goes to a file of their own in the
 * farm's state folder (or to our standard error), never to a pipe: they may outlive us.
 */

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "proto/child.h"
#include "proto/paths.h"

#define PROGRAM_OWNER_FD 3 /* number of the pipe from us, in the child */

struct program_spec {
    const char *program;
    const char *const *arguments; /* NULL-terminated, without the program */
    const char *log;              /* file for what it prints; NULL: our standard error */
    int owner;                    /* read end of a pipe to be passed as PROGRAM_OWNER_FD; -1 */
};

/*
 * Start it in a session of its own: no signal of our terminal reaches it. 0 and the caller owns
 * *out, or a negative errno.
 */
int program_start(const struct program_spec *spec, child_t **out);

/* Path of the log file of a part of the farm ("broker", "cpu:0-3"). The caller frees it. */
char *program_log(const struct paths *paths, const char *part);

/* Size of the log file now, to read later what came after. */
off_t program_log_end(const char *log);

/* The last line that says an error after from, without time and program; NULL if none. Owned. */
char *program_last_words(const char *log, off_t from);

/*
 * Run a program to its end and fetch its standard output; what it says on standard error becomes
 * *trouble when it ends with another status than 0. Its exit status, or a negative errno
 * (-ETIMEDOUT after timeout_ms). Both texts are the caller's.
 */
int program_capture(const char *program, const char *const *arguments, int timeout_ms, char **out,
                    char **trouble);

/*
 * What `dblend-worker --list WHAT' prints, as an owned array of its lines of JSON. 0, or the exit
 * status for dblend after telling why not.
 */
int program_list(const char *what, int timeout_ms, json_t **out);

/* The lines of JSON of text as an owned array; what is no JSON is left out. */
json_t *program_lines(const char *text);

/*
 * Devices of a --devices list (NULL: the default) as an owned array of strings. 0, or the exit
 * status for dblend after telling why not.
 */
int program_devices(const char *list, json_t **out);

/* For `add`: start a broker that leaves by itself, and wait until it listens. 0, 1 after telling.
 */
int program_start_broker(const struct paths *paths);

/* For `add`: start an inspector that leaves with the broker. 0, 1 after telling. */
int program_start_inspector(const struct paths *paths);

#endif
