#include "submit/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/objects.h"
#include "submit/term.h"
#include "submit/text.h"

static void (*step_aside)(void *arg);
static void (*come_back)(void *arg);
static void *around_arg;
static int lost; /* errno of the first line of standard output that could not be written */

void say_lost(int error)
{
    lost = lost ? lost : error;
}

int say_lost_why(void)
{
    return lost;
}

void say_around(void (*before)(void *arg), void (*after)(void *arg), void *arg)
{
    step_aside = before;
    come_back = after;
    around_arg = arg;
}

static void print_line(FILE *stream, const char *on, const char *head, const char *text)
{
    if (step_aside) {
        step_aside(around_arg);
    }
    CLEANUP(cleanup_free) char *clean = text_clean(text);
    if ((fprintf(stream, "%s%s%s%s\n", on, head, *on ? term_code(stream, TERM_PLAIN) : "", clean) <
             0 ||
         fflush(stream) != 0) &&
        stream == stdout) {
        say_lost(errno);
    }
    if (come_back) {
        come_back(around_arg);
    }
}

__attribute__((format(printf, 1, 0))) static char *format_text(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0) {
        abort();
    }
    return text;
}

void say_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    CLEANUP(cleanup_free) char *text = format_text(format, args);
    va_end(args);
    print_line(stderr, term_code(stderr, TERM_RED), "dblend: ", text);
}

void say_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    CLEANUP(cleanup_free) char *text = format_text(format, args);
    va_end(args);
    print_line(stderr, "", "", text);
}

void say_data(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    CLEANUP(cleanup_free) char *text = format_text(format, args);
    va_end(args);
    print_line(stdout, "", "", text);
}

void say_json(const json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text) {
        if (puts(text) < 0 || fflush(stdout) != 0) {
            say_lost(errno);
        }
        free(text);
    }
}

/* Does text begin with the job's number already? */
static bool names_job(const char *text, int64_t job)
{
    CLEANUP(cleanup_free) char *words = alloc_format("job %lld", (long long)job);
    size_t size = strlen(words);
    return text && strncmp(text, words, size) == 0 && strchr(": ", text[size]);
}

char *say_trouble_text(const char *file, int64_t job, const json_t *error)
{
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *text = json_string_value(json_object_get(error, "text"));
    const char *hint = json_string_value(json_object_get(error, "hint"));
    CLEANUP(cleanup_free) char *about = NULL;
    if (file && (!*file || !(text && strstr(text, file)))) {
        about = alloc_format("%s: ", *file ? file : "''");
    } else if (!file && job > 0 && !names_job(text, job)) {
        about = alloc_format("job %lld: ", (long long)job);
    }
    bool hinted = hint && *hint;
    text = text ? text : code ? code : "it failed";
    return alloc_format("%s%s%s%s", about ? about : "", text, hinted ? "; " : "",
                        hinted ? hint : "");
}

void say_trouble(bool json, const char *file, int64_t job, const json_t *error)
{
    if (json) {
        json_t *line = objects_error(json_string_value(json_object_get(error, "code")), file, job,
                                     json_string_value(json_object_get(error, "text")),
                                     json_string_value(json_object_get(error, "hint")));
        say_json(line);
        json_decref(line);
        return;
    }
    CLEANUP(cleanup_free) char *text = say_trouble_text(file, job, error);
    say_error("%s", text);
}

void say_problem(bool json, const char *file, const char *code, const char *text, const char *hint)
{
    json_t *error = json_pack("{s:s, s:s, s:s?}", "code", code, "text", text, "hint", hint);
    say_trouble(json, file, 0, error);
    json_decref(error);
}
