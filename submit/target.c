#include "submit/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/say.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct targets *targets = state->input;
    bool single = targets->need == TARGET_ONE || targets->need == TARGET_ONE_OR_NONE;
    (void)arg; /* no option has an argument */
    switch (key) {
    case COMMAND_KEY_JSON:
        targets->json = true;
        return 0;
    case ARGP_KEY_ARGS:
        targets->names = state->argv + state->next;
        targets->count = (size_t)(state->argc - state->next);
        if (single && targets->count > 1) {
            argp_error(state, "one job at a time");
        }
        return 0;
    case ARGP_KEY_NO_ARGS:
        if (targets->need == TARGET_SOME || targets->need == TARGET_ONE) {
            argp_error(state, "which job?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = { COMMAND_OPTION_JSON, { 0 } };
const struct argp target_argp = { .options = options, .parser = parse };

error_t target_parse_flag(int key, char *arg, struct argp_state *state)
{
    struct targets *targets = state->input;
    (void)arg; /* a flag has no argument */
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = targets;
        return 0;
    }
    if (targets->flag_key && key == targets->flag_key) {
        targets->flag = true;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

bool target_is_number(const char *text, long long *number)
{
    char *end = NULL;
    errno = 0;
    if (!*text || text[strspn(text, "0123456789")] != '\0') {
        return false;
    }
    *number = strtoll(text, &end, 10);
    return errno == 0 && *number > 0;
}

bool target_has_ended(const char *state)
{
    return strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 ||
           strcmp(state, "cancelled") == 0;
}

bool target_is_stuck(const json_t *job)
{
    const char *state = objects_str(job, "state");
    return strcmp(state, "held") == 0 ||
           (strcmp(state, "paused") == 0 && json_is_object(json_object_get(job, "error")));
}

static void add_once(json_t *out, int64_t number)
{
    for (size_t i = 0; i < json_array_size(out); i++) {
        if (json_integer_value(json_array_get(out, i)) == number) {
            return;
        }
    }
    json_array_append_new(out, json_integer(number));
}

/* Adds what choice says of the jobs of path; false if it has none. */
static bool add_file(const json_t *jobs, const char *path, enum target_choice choice, json_t *out)
{
    int64_t newest = 0;
    bool found = false;
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        if (strcmp(objects_str(job, "file"), path) != 0) {
            continue;
        }
        int64_t number = objects_int(job, "job");
        newest = number > newest ? number : newest;
        bool ended = target_has_ended(objects_str(job, "state"));
        if (choice == TARGET_EVERY || (choice == TARGET_UNFINISHED && !ended)) {
            add_once(out, number);
            found = true;
        }
    }
    if (!found && newest > 0) {
        add_once(out, newest);
    }
    return newest > 0;
}

static void tell_none(bool json, const char *name)
{
    say_problem(json, name, "no-such-job", "no job of that number or file",
                "`dblend list --all' prints the jobs");
}

int target_find(talk_t *talk, const struct targets *targets, json_t **out)
{
    CLEANUP(cleanup_json) json_t *jobs = NULL;
    json_t *found = json_array();
    int status = 0;
    for (size_t i = 0; i < targets->count; i++) {
        const char *name = targets->names[i];
        long long number = 0;
        if (target_is_number(name, &number)) {
            add_once(found, number);
            continue;
        }
        if (!jobs && talk_list(talk, true, &jobs) != CLIENT_OK) {
            (void)talk_complain(talk, targets->json); /* -1 says it */
            json_decref(found);
            return -1;
        }
        CLEANUP(cleanup_free) char *real = realpath(name, NULL);
        if (!add_file(jobs, real ? real : name, targets->choice, found)) {
            tell_none(targets->json, name);
            status = 1;
        }
    }
    *out = found;
    return status;
}

talk_t *target_open(const struct targets *targets, json_t **jobs)
{
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    json_t *found = NULL;
    *jobs = NULL;
    if (!talk || target_find(talk, targets, &found) != 0) {
        json_decref(found);
        return NULL;
    }
    talk_t *out = talk;
    talk = NULL;
    *jobs = found;
    return out;
}
