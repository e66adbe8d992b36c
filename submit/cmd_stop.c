/*
 * dblend stop - end the farm
 */

#include <argp.h>
#include <signal.h>

#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/lock.h"
#include "submit/say.h"
#include "submit/talk.h"

enum {
    KEY_NOW = COMMAND_KEY_OWN,
    LOOK_MS = 100,
    HEARD_MS = 3000,     /* a farm that has heard of the stop is gone so long after the broker */
    PATIENCE_MS = 30000, /* more than a farm gives its inspector and broker */
};

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

/* Two signals are `at once'; two of the same kind that wait at the same time would be one. */
static void tell_farm(pid_t pid, bool now)
{
    if (kill(pid, SIGTERM) == 0 && now) {
        (void)kill(pid, SIGINT); /* it was there a moment ago */
    }
}

/*
 * Wait until no `dblend farm' is there any more. It hears of the stop from the broker; one that
 * did not, as it was suspended or is just about to start a broker, is told by a signal: it would
 * go on.
 */
static int await_farm(talk_t *talk, bool now, bool heard)
{
    int64_t begin_ms = clock_mono_ms();
    bool told = false;
    pid_t pid = 0;
    while ((pid = lock_holder(talk_paths(talk))) != 0) {
        int64_t waited_ms = clock_mono_ms() - begin_ms;
        if (pid > 0 && !told && (!heard || waited_ms > HEARD_MS)) {
            tell_farm(pid, now);
            told = true;
        }
        if (waited_ms > PATIENCE_MS) {
            say_error("the farm, pid %d, was told to stop but is still there", (int)pid);
            return COMMAND_FAILED;
        }
        (void)talk_wait_fd(talk, -1, LOOK_MS); /* a pause */
    }
    return COMMAND_DONE;
}

/* Let the broker tell everybody, and wait until it is gone. */
static int stop_broker(const struct arguments *arguments, talk_t *talk)
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
    return COMMAND_DONE;
}

static int stop(const struct arguments *arguments, talk_t *talk)
{
    bool broker = talk_is_broker(talk);
    bool farm = lock_holder(talk_paths(talk)) != 0;
    int status = broker ? stop_broker(arguments, talk) : COMMAND_DONE;
    if (status == COMMAND_DONE && farm) {
        status = await_farm(talk, arguments->now, broker);
    }
    if (status == COMMAND_DONE && !arguments->json) {
        say_note(broker || farm ? "the farm has stopped" : "no farm is running");
    }
    return status;
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
    return talk ? stop(&arguments, talk) : COMMAND_FAILED;
}
