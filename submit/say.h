#ifndef SUBMIT_SAY_H
#define SUBMIT_SAY_H

/*
 * say - everything dblend tells people beside its data: one line each, on standard error
 *
 * While bars are drawn, say_around lets them step aside: before is called ahead of every line
 * and after when it is out.
 */

#include <jansson.h>
#include <stdbool.h>

/* "dblend: TEXT" on standard error. Control characters in what comes from outside are replaced. */
void say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line without the program's name, for what is no trouble. */
void say_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print one line on standard output, for people. */
void say_data(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print one object as one line on standard output, keys in their order, and flush it. */
void say_json(const json_t *object);

/*
 * Tell of trouble that belongs to file or job (NULL and 0: to none): with json as an `error` line
 * on standard output, otherwise "dblend: FILE: TEXT; HINT" on standard error.
 */
void say_trouble(bool json, const char *file, int64_t job, const json_t *error);

/* That second text, without "dblend: ". The caller frees it. */
char *say_trouble_text(const char *file, int64_t job, const json_t *error);

/* say_trouble from three strings. */
void say_problem(bool json, const char *file, const char *code, const char *text, const char *hint);

/* Standard output took something less than was printed: why is remembered, if it is the first. */
void say_lost(int error);

/* Why standard output could not be written, an errno, if it is known; 0: not that we know. */
int say_lost_why(void);

/* Called around every line on standard error and standard output; NULL ends it. */
void say_around(void (*before)(void *arg), void (*after)(void *arg), void *arg);

#endif
