/*
 * dblend stop - end the farm
 */

#include <argp.h>

#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/say.h"
#include "submit/talk.h"

enum { KEY_NOW = COMMAND_KEY_OWN, LOOK_MS = 100 };

struct arguments {
    bool now;
    bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)arg; /* there are no arguments */
    switch (key) {
    case KEY_NOW:
        arguments->now = true;
        return 0;
    case COMMAND_KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "stop takes no argument; `dblend cancel JOB' ends one job");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int stop(const struct arguments *arguments, talk_t *talk)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new("STOP");
    msg_set_bool(request, "now", arguments->now);
    if (talk_change(talk, request, &answer) != CLIENT_OK) {
        return talk_is_broker(talk) ? talk_complain(talk, arguments->json) : COMMAND_DONE;
    }
    long long workers = (long long)msg_int_or(answer, "workers", 0);
    if (!arguments->json && !arguments->now && workers > 0) {
        say_note("stopping; %lld worker%s what %s", workers,
                 workers == 1 ? " finishes" : "s finish",
                 workers == 1 ? "it renders" : "they render");
    }
    while (talk_is_broker(talk)) {
        (void)talk_wait_fd(talk, -1, LOOK_MS); /* a pause */
    }
    if (!arguments->json) {
        say_note("the farm has stopped");
    }
    return COMMAND_DONE;
}

int cmd_stop(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "now", KEY_NOW, NULL, 0, "Give back at once what renders", 0 },
        COMMAND_OPTION_JSON,
        { 0 },
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc =
            "End farm, broker, inspector and workers, whoever started them. What renders is "
            "finished first. The list of jobs stays.",
    };
    struct arguments arguments = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    if (!talk) {
        return COMMAND_FAILED;
    }
    if (!talk_is_broker(talk)) {
        if (!arguments.json) {
            say_note("no farm is running");
        }
        return COMMAND_DONE;
    }
    return stop(&arguments, talk);
}
