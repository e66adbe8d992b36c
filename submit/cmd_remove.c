/*
 * dblend remove - take jobs off the list
 */

#include <argp.h>

#include "submit/command.h"
#include "submit/results.h"

struct arguments {
    char **names;
    size_t count;
    bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)arg; /* no option has an argument */
    switch (key) {
    case COMMAND_KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->names = state->argv + state->next;
        arguments->count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which job?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_remove(int argc, char **argv)
{
    static const struct argp_option options[] = { COMMAND_OPTION_JSON, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "JOB|FILE...",
        .doc =
            "Take jobs off the list; what they render is cancelled first. Pictures stay where they "
            "are. A FILE means all of its jobs.",
    };
    static const struct results_change change = { "REMOVE", TARGET_EVERY, false, "removed", NULL };
    struct arguments arguments = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    return results_run(&change, NULL, arguments.names, arguments.count, arguments.json);
}
