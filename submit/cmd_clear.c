/*
 * dblend clear - forget the jobs that have ended
 */

#include <argp.h>

#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/say.h"
#include "submit/talk.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
    (void)arg; /* there are no arguments */
    switch (key) {
    case COMMAND_KEY_JSON:
        *(bool *)state->input = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "clear takes no argument; `dblend remove JOB' takes one job off");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_clear(int argc, char **argv)
{
    static const struct argp_option options[] = { COMMAND_OPTION_JSON, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc =
            "Forget the jobs that have ended: done, failed and cancelled ones. Pictures stay "
            "where they are.",
    };
    bool json = false;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &json); /* ends the program on an error */
    CLEANUP(cleanup_json) json_t *answer = NULL;
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    if (!talk) {
        return COMMAND_FAILED;
    }
    if (talk_change(talk, msg_new("CLEAR"), &answer) != CLIENT_OK) {
        return talk_complain(talk, json);
    }
    long long cleared = (long long)msg_int_or(answer, "cleared", 0);
    if (!json) {
        say_note("%lld job%s forgotten", cleared, cleared == 1 ? "" : "s");
    }
    return COMMAND_DONE;
}
