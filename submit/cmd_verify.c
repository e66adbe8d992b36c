/*
 * dblend verify - look at the pictures of jobs again
 */

#include <argp.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/program.h"
#include "submit/results.h"
#include "submit/say.h"
#include "submit/target.h"

enum { PARK_MS = 2000, PAGE = 500 };

struct run {
    const struct targets *targets; /* the flag: put back what is wrong */
    talk_t *talk;
    json_t *waiting; /* owned array: jobs whose last picture was not looked at yet */
    int64_t last;    /* event */
    bool all_right;
};

static bool is_folder(const char *name)
{
    struct stat status;
    long long number;
    return !target_is_number(name, &number) && stat(name, &status) == 0 && S_ISDIR(status.st_mode);
}

static size_t place_of(const json_t *numbers, int64_t job)
{
    size_t at = 0;
    while (at < json_array_size(numbers) &&
           json_integer_value(json_array_get(numbers, at)) != job) {
        at++;
    }
    return at;
}

/* Adds the jobs whose pictures lie in the folder itself; false if there are none. */
static bool add_folder(const json_t *jobs, const char *folder, json_t *out)
{
    char real[PATH_MAX];
    bool found = false;
    if (!realpath(folder, real)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        CLEANUP(cleanup_free) char *output = alloc_text(objects_str(job, "output"));
        if (*output == '/' && strcmp(dirname(output), real) == 0) {
            int64_t number = objects_int(job, "job");
            found = true;
            if (place_of(out, number) == json_array_size(out)) {
                json_array_append_new(out, json_integer(number));
            }
        }
    }
    return found;
}

/* The jobs of all arguments: folders are found here, the others by target. 0, 1 after telling. */
static int find_jobs(const struct targets *all, talk_t *talk, json_t **out)
{
    CLEANUP(cleanup_json) json_t *jobs = NULL;
    CLEANUP(cleanup_free) char **names = alloc_zero(all->count + 1, sizeof *names);
    struct targets others = *all;
    others.names = names;
    others.count = 0;
    if (talk_list(talk, true, &jobs) != CLIENT_OK) {
        *out = json_array();
        return talk_complain(talk, all->json);
    }
    for (size_t i = 0; i < all->count; i++) {
        if (!is_folder(all->names[i])) {
            names[others.count++] = all->names[i];
        }
    }
    *out = NULL;
    int status = target_find(talk, &others, out);
    *out = *out ? *out : json_array();
    for (size_t i = 0; i < all->count; i++) {
        if (is_folder(all->names[i]) && !add_folder(jobs, all->names[i], *out)) {
            say_problem(all->json, all->names[i], "no-such-job",
                        "no job of this farm has its pictures there", "");
            status = 1;
        }
    }
    return status;
}

/* Asks for the look; what is refused is told and not waited for. */
static int ask(struct run *run)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new("VERIFY");
    msg_set(request, "jobs", json_deep_copy(run->waiting));
    msg_set_bool(request, "requeue", run->targets->flag);
    if (talk_change(run->talk, request, &answer) != CLIENT_OK) {
        return talk_complain(run->talk, run->targets->json);
    }
    const json_t *results = json_object_get(answer, "results");
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        size_t at = place_of(run->waiting, objects_int(result, "job"));
        if (!json_is_true(json_object_get(result, "ok"))) {
            (void)json_array_remove(run->waiting, at); /* an answer about another job: nothing */
        }
    }
    run->all_right = results_tell(answer, run->targets->json) && run->all_right;
    return COMMAND_DONE;
}

static void tell(const struct run *run, const json_t *event, const char *word)
{
    long long job = (long long)objects_int(event, "job");
    const char *text = objects_str(event, "text");
    if (run->targets->json) {
        CLEANUP(cleanup_json) json_t *line = objects_event(event);
        say_json(line);
    } else if (strcmp(word, "frame-wrong") == 0) {
        say_data("job %lld frame %lld: %s", job, (long long)objects_int(event, "frame"), text);
    } else {
        say_data("job %lld: %s", job, text);
    }
}

/* "250 looked at, 0 wrong", and not a word more. */
static bool is_all_right(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && strcmp(text + digits, " looked at, 0 wrong") == 0;
}

/* True if a broker has started since: the look that we asked for is forgotten. */
static bool take_event(struct run *run, const json_t *event)
{
    const char *word = objects_str(event, "event");
    size_t at = place_of(run->waiting, objects_int(event, "job"));
    run->last = objects_int(event, "id");
    if (strcmp(word, "broker-started") == 0) {
        return true;
    }
    if (at == json_array_size(run->waiting)) {
        return false;
    }
    if (strcmp(word, "frame-wrong") == 0 || strcmp(word, "job-verified") == 0) {
        tell(run, event, word);
    }
    if (strcmp(word, "job-verified") == 0) {
        run->all_right = run->all_right && is_all_right(objects_str(event, "text"));
        (void)json_array_remove(run->waiting, at);
    } else if (strcmp(word, "job-removed") == 0) {
        say_error("job %lld was removed", (long long)objects_int(event, "job"));
        run->all_right = false;
        (void)json_array_remove(run->waiting, at);
    }
    return false;
}

static int follow(struct run *run)
{
    while (json_array_size(run->waiting) > 0) {
        CLEANUP(cleanup_json) json_t *answer = NULL;
        bool again = false;
        json_t *request = msg_new("LOG");
        msg_set_int(request, "after", run->last);
        msg_set_int(request, "limit", PAGE);
        msg_set_int(request, "wait_ms", PARK_MS);
        if (talk_ask(run->talk, request, -1, &answer) != CLIENT_OK) {
            return talk_complain(run->talk, run->targets->json);
        }
        const json_t *events = json_object_get(answer, "events");
        for (size_t i = 0; i < json_array_size(events); i++) {
            again = take_event(run, json_array_get(events, i)) || again;
        }
        if (again && json_array_size(run->waiting) > 0 && ask(run) != COMMAND_DONE) {
            return COMMAND_FAILED;
        }
    }
    return run->all_right ? COMMAND_DONE : COMMAND_FAILED;
}

static int verify(struct run *run)
{
    CLEANUP(cleanup_json) json_t *hello = NULL;
    if (talk_hello(run->talk, -1, &hello) != CLIENT_OK ||
        talk_log_end(run->talk, &run->last) != CLIENT_OK) {
        return talk_complain(run->talk, run->targets->json);
    }
    if (ask(run) != COMMAND_DONE) {
        return COMMAND_FAILED;
    }
    if (json_array_size(run->waiting) > 0 && msg_int_or(hello, "workers", 0) == 0 &&
        msg_int_or(hello, "inspectors", 0) == 0 &&
        program_start_inspector(talk_paths(run->talk)) != COMMAND_DONE) {
        return COMMAND_FAILED; /* nobody is there to look */
    }
    return follow(run);
}

int cmd_verify(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "requeue", 'r', NULL, 0, "Put back what is wrong, so that it is rendered again", 0 },
        { 0 },
    };
    static const struct argp_child children[] = { { &target_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = target_parse_flag,
        .args_doc = "JOB|FILE|FOLDER...",
        .doc =
            "Look at the pictures of jobs again: is each still there, whole, and of this "
            "version? FOLDER means all jobs that render into it. The exit status is 0 if every "
            "picture is.",
        .children = children,
    };
    struct targets targets = { .need = TARGET_SOME, .choice = TARGET_NEWEST, .flag_key = 'r' };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &targets); /* ends the program on an error */
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    if (!talk ||
        (!talk_is_broker(talk) && program_start_broker(talk_paths(talk)) != COMMAND_DONE)) {
        return COMMAND_FAILED;
    }
    CLEANUP(cleanup_json) json_t *jobs = NULL;
    int found = find_jobs(&targets, talk, &jobs);
    struct run run = {
        .targets = &targets, .talk = talk, .waiting = jobs, .all_right = found == 0
    };
    return json_array_size(jobs) > 0 ? verify(&run) : COMMAND_FAILED;
}
