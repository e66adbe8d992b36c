/*
 * dblend retry - put failed frames back
 */

#include <argp.h>
#include <jansson.h>

#include "submit/command.h"
#include "submit/results.h"

struct arguments {
    char **names;
    size_t count;
    bool json;
    bool all;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)arg; /* no option has an argument */
    switch (key) {
    case COMMAND_KEY_JSON:
        arguments->json = true;
        return 0;
    case 'a':
        arguments->all = true;
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

int cmd_retry(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "all", 'a', NULL, 0, "All frames: render over the pictures that are there", 0 },
        COMMAND_OPTION_JSON,
        { 0 },
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "JOB|FILE...",
        .doc =
            "Put failed and cancelled frames back, so that they are rendered again. Attempts "
            "start at 0.",
    };
    static const struct results_change change = { "RETRY", TARGET_NEWEST, false,
                                                  "what failed is put back", NULL };
    static const struct results_change everything = { "RETRY", TARGET_NEWEST, false,
                                                      "all frames are rendered again", NULL };
    struct arguments arguments = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    json_t *extra = arguments.all ? json_pack("{s:b}", "all", 1) : NULL;
    return results_run(arguments.all ? &everything : &change, extra, arguments.names,
                       arguments.count, arguments.json);
}
