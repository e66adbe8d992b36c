/*
 * dblend resume - let paused jobs, or the farm, go on
 */

#include <argp.h>
#include <jansson.h>

#include "submit/command.h"
#include "submit/results.h"

enum { KEY_ACCEPT_CHANGE = COMMAND_KEY_OWN };

struct arguments {
    char **names;
    size_t count;
    bool json;
    bool accept_change;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)arg; /* no option has an argument */
    switch (key) {
    case COMMAND_KEY_JSON:
        arguments->json = true;
        return 0;
    case KEY_ACCEPT_CHANGE:
        arguments->accept_change = true;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->names = state->argv + state->next;
        arguments->count = (size_t)(state->argc - state->next);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_resume(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "accept-change", KEY_ACCEPT_CHANGE, NULL, 0,
          "Render the file as it is now: it was changed since the submit, and its bytes are gone",
          0 },
        COMMAND_OPTION_JSON,
        { 0 },
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[JOB|FILE...]",
        .doc = "Let paused jobs, or the whole farm, go on.",
    };
    static const struct results_change change = { "RESUME", TARGET_UNFINISHED, true, "goes on",
                                                  "the farm goes on" };
    struct arguments arguments = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    json_t *extra = arguments.accept_change ? json_pack("{s:b}", "accept_change", 1) : NULL;
    return results_run(&change, extra, arguments.names, arguments.count, arguments.json);
}
