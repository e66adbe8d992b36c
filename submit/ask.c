#include "submit/ask.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/objects.h"
#include "submit/options.h"
#include "submit/results.h"
#include "submit/say.h"
#include "submit/term.h"
#include "submit/text.h"

enum { LINE_BYTES = 4096, LOOK_MS = 1000, TRIES = 3 };

/* What may be typed at a question of that code. */
static const char *choices_of(const char *code)
{
    static const struct {
        const char *code;
        const char *choices;
    } table[] = {
        { "engine-missing", "name another engine (CYCLES, BLENDER_EEVEE, BLENDER_WORKBENCH)" },
        { "add-on-missing", "allow-missing" },
        { "files-missing", "allow-missing" },
        { "scripts-blocked", "trust-scripts / no-scripts" },
        { "pictures", "keep / overwrite" },
        { "output-in-use", "another output pattern" },
        { "unbaked", "order / allow" },
        { "warnings", "yes" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].code, code) == 0) {
            return table[i].choices;
        }
    }
    return "a flag";
}

static bool is_held(talk_t *talk, int64_t number)
{
    CLEANUP(cleanup_json) json_t *job = NULL;
    return talk_job(talk, number, &job, NULL) != CLIENT_OK ||
           strcmp(objects_str(job, "state"), "held") == 0;
}

/* One line from the terminal (a terminal gives a whole line with one read), or why there is none.
 */
static int read_line(talk_t *talk, int64_t job, char line[LINE_BYTES])
{
    int rc = CLIENT_TIMEOUT;
    while ((rc = talk_wait_fd(talk, STDIN_FILENO, LOOK_MS)) == CLIENT_TIMEOUT) {
        if (!is_held(talk, job)) {
            fputc('\n', stderr);
            say_note("job %lld is not held any more", (long long)job);
            return ASK_MOVED_ON;
        }
    }
    ssize_t size = rc == CLIENT_OK ? read(STDIN_FILENO, line, LINE_BYTES - 1) : 0;
    if (size <= 0) {
        fputc('\n', stderr);
        return ASK_LEFT;
    }
    line[size] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    return line[strspn(line, " \t")] ? ASK_ANSWERED : ASK_LEFT;
}

static int ask_one(talk_t *talk, int64_t job, const json_t *question, json_t *options)
{
    const char *code = objects_str(question, "code");
    CLEANUP(cleanup_free) char *text = text_clean(objects_str(question, "text"));
    char line[LINE_BYTES] = "";
    fprintf(stderr, "  %s?%s %s\n", term_code(stderr, TERM_YELLOW), term_code(stderr, TERM_PLAIN),
            text);
    for (int i = 0; i < TRIES; i++) {
        fprintf(stderr, "    %s, or Enter to leave it held: ", choices_of(code));
        fflush(stderr);
        int rc = read_line(talk, job, line);
        if (rc != ASK_ANSWERED || options_answer(code, line + strspn(line, " \t"), options)) {
            return rc;
        }
        fprintf(stderr, "    that does not answer it\n");
    }
    return ASK_LEFT;
}

int ask_questions(talk_t *talk, int64_t job, const char *file, const json_t *questions,
                  json_t **options)
{
    CLEANUP(cleanup_json) json_t *map = json_object();
    int rc = ASK_ANSWERED;
    say_note("job %lld, %s, waits for an answer:", (long long)job, file);
    for (size_t i = 0; i < json_array_size(questions) && rc == ASK_ANSWERED; i++) {
        rc = ask_one(talk, job, json_array_get(questions, i), map);
    }
    if (rc == ASK_ANSWERED) {
        *options = map;
        map = NULL;
    }
    return rc;
}

void ask_tell(bool json, int64_t job, const char *file, const json_t *questions)
{
    for (size_t i = 0; i < json_array_size(questions); i++) {
        const json_t *question = json_array_get(questions, i);
        const char *code = objects_str(question, "code");
        const char *flags = options_flags_of(code);
        const char *hint = objects_str(question, "hint");
        CLEANUP(cleanup_free)
        char *way =
            strcmp(code, "warnings") == 0
                ? alloc_format("it is held; answer with `dblend accept %lld'", (long long)job)
            : *flags ? alloc_format("it is held; answer with `dblend accept %lld' and %s",
                                    (long long)job, flags)
                     : alloc_format("it is held; %s", hint);
        CLEANUP(cleanup_json)
        json_t *error = json_pack("{s:s, s:s, s:s}", "code", code, "text",
                                  objects_str(question, "text"), "hint", way);
        say_trouble(json, file, job, error);
    }
}

int ask_accept(talk_t *talk, int64_t job, json_t *options, bool json)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new("ACCEPT");
    msg_set_int(request, "job", job);
    msg_set(request, "options", options);
    int rc = talk_change(talk, request, &answer);
    if (rc != CLIENT_OK) {
        (void)talk_complain(talk, json); /* the outcome says it */
        return rc;
    }
    return results_tell(answer, json) ? CLIENT_OK : CLIENT_REFUSED;
}
