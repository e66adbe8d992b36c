/*
 * dblend priority - let a job go before others
 */

#include <argp.h>
#include <jansson.h>

#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/results.h"
#include "submit/say.h"

struct arguments {
    char *name;
    long long priority;
    unsigned count;
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
        if (state->arg_num == 0) {
            arguments->name = arg;
        } else if (state->arg_num == 1) {
            arguments->priority = command_number(state, "N", arg, 0, 100);
        } else {
            argp_error(state, "one JOB and one N");
        }
        arguments->count++;
        return 0;
    case ARGP_KEY_SUCCESS:
        if (arguments->count != 2) {
            argp_error(state, "JOB and N: which job, and 0 to 100?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int set_priority(const struct arguments *arguments, talk_t *talk, const json_t *jobs)
{
    int status = COMMAND_DONE;
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        int64_t job = json_integer_value(json_array_get(jobs, i));
        CLEANUP(cleanup_json) json_t *answer = NULL;
        json_t *request = msg_new("PRIORITY");
        msg_set_int(request, "job", job);
        msg_set_int(request, "priority", arguments->priority);
        if (talk_change(talk, request, &answer) != CLIENT_OK) {
            return talk_complain(talk, arguments->json);
        }
        if (!results_tell(answer, arguments->json)) {
            status = COMMAND_FAILED;
        } else if (!arguments->json) {
            say_note("job %lld: priority %lld", (long long)job, arguments->priority);
        }
    }
    return status;
}

int cmd_priority(int argc, char **argv)
{
    static const struct argp_option options[] = { COMMAND_OPTION_JSON, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "JOB|FILE N",
        .doc = "Set the priority of a job, 0 to 100: higher goes first. New jobs have 50.",
    };
    struct arguments arguments = { 0 };
    CLEANUP(cleanup_json) json_t *jobs = NULL;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    struct targets targets = {
        .need = TARGET_ONE, .names = &arguments.name, .count = 1, .json = arguments.json
    };
    CLEANUP(talk_destroy) talk_t *talk = target_open(&targets, &jobs);
    return talk ? set_priority(&arguments, talk, jobs) : COMMAND_FAILED;
}
