/*
 * dblend drain - let one worker finish its frame and leave
 */

#include <argp.h>

#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/say.h"
#include "submit/talk.h"

struct arguments {
    const char *worker;
    bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case COMMAND_KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0) {
            argp_error(state, "one worker at a time");
        }
        command_check_text(state, "WORKER", arg);
        arguments->worker = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which worker? `dblend workers' prints their names");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int drain(const struct arguments *arguments, talk_t *talk)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new("DRAIN");
    msg_set_str(request, "worker", arguments->worker);
    if (talk_change(talk, request, &answer) != CLIENT_OK) {
        return talk_complain(talk, arguments->json);
    }
    const json_t *result = json_array_get(json_object_get(answer, "results"), 0);
    if (!json_is_true(json_object_get(result, "ok"))) {
        const json_t *error = json_object_get(result, "error");
        if (json_is_object(error)) {
            say_trouble(arguments->json, NULL, 0, error);
        } else {
            say_problem(arguments->json, arguments->worker, "no-such-worker",
                        "no worker of that name", "`dblend workers' prints the names");
        }
        return COMMAND_FAILED;
    }
    if (!arguments->json) {
        say_note("%s finishes what it renders and leaves", arguments->worker);
    }
    return COMMAND_DONE;
}

int cmd_drain(int argc, char **argv)
{
    static const struct argp_option options[] = { COMMAND_OPTION_JSON, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "WORKER",
        .doc = "Let a worker finish what it renders and leave. The farm does not start it again.",
    };
    struct arguments arguments = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    return talk ? drain(&arguments, talk) : COMMAND_FAILED;
}
