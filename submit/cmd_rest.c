/*
 * dblend rest, dblend wake - give devices back to their owner, and take them again
 */

#include <argp.h>

#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/worker_target.h"

enum { KEY_NOW = COMMAND_KEY_OWN };

struct arguments {
    struct worker_targets targets;
    bool now;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)arg; /* no option has an argument */
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->targets;
        return 0;
    case KEY_NOW:
        arguments->now = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int change(const struct worker_targets *targets, bool rest, bool now)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *names = NULL;
    bool missing = false;
    CLEANUP(talk_destroy) talk_t *talk = worker_target_open(targets, &names, &missing);
    if (!talk) {
        return COMMAND_FAILED;
    }
    json_t *request = msg_new("REST");
    msg_set(request, "workers", names);
    msg_set_bool(request, "rest", rest);
    msg_set_bool(request, "now", now);
    if (talk_change(talk, request, &answer) != CLIENT_OK) {
        return talk_complain(talk, targets->json);
    }
    const char *words = !rest ? "goes on"
                        : now ? "gives back what it renders and rests"
                              : "finishes what it renders and rests";
    return worker_target_tell(targets, answer, words) && !missing ? COMMAND_DONE : COMMAND_FAILED;
}

int cmd_rest(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "now", KEY_NOW, NULL, 0, "Give back at once what renders; others render it", 0 },
        { 0 },
    };
    static const struct argp_child children[] = { { &worker_target_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "WORKER|DEVICE...",
        .doc =
            "Let workers finish what they render, end their Blender and rest until `dblend "
            "wake': the device is free for something else.",
        .children = children,
    };
    struct arguments arguments = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    return change(&arguments.targets, true, arguments.now);
}

int cmd_wake(int argc, char **argv)
{
    static const struct argp_child children[] = { { &worker_target_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        .args_doc = "WORKER|DEVICE...",
        .doc = "Let workers go on that `dblend rest' sent to rest.",
        .children = children,
    };
    struct worker_targets targets = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &targets); /* an only child has our input */
    return change(&targets, false, false);
}
