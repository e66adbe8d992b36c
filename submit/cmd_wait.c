/*
 * dblend wait - wait until jobs have ended
 */

#include <argp.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/messages.h"
#include "submit/ask.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/say.h"
#include "submit/summary.h"
#include "submit/target.h"

enum { PARK_MS = 2000, SECONDS_MAX = 31536000 };

struct arguments {
    struct targets targets;
    int64_t timeout_ms; /* -1: none */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->targets;
        return 0;
    case 't':
        arguments->timeout_ms = command_number(state, "--timeout", arg, 0, SECONDS_MAX) * 1000;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What the jobs have come to. */
struct outcome {
    size_t running;
    size_t held; /* or waiting for a person otherwise */
    size_t bad;  /* ended, but not done */
};

static struct outcome count_states(const json_t *jobs)
{
    struct outcome outcome = { 0 };
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        const char *state = objects_str(job, "state");
        bool done = strcmp(state, "done") == 0;
        outcome.held += target_is_stuck(job);
        outcome.running += !target_has_ended(state);
        outcome.bad += target_has_ended(state) && !done;
    }
    return outcome;
}

static void tell(const struct arguments *arguments, talk_t *talk, const json_t *jobs)
{
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        const char *state = objects_str(job, "state");
        const json_t *error = json_object_get(job, "error");
        int64_t number = objects_int(job, "job");
        if (arguments->targets.json) {
            CLEANUP(cleanup_json) json_t *line = objects_job(job);
            say_json(line);
        }
        CLEANUP(cleanup_json) json_t *again = NULL;
        CLEANUP(cleanup_json) json_t *detail = NULL;
        if (talk_job(talk, number, &again, &detail) == CLIENT_OK && target_has_ended(state)) {
            summary_saved_again(again, detail);
        }
        if (strcmp(state, "held") == 0) {
            ask_tell(false, number, NULL, json_object_get(detail, "questions"));
        } else if (target_is_stuck(job)) {
            say_trouble(false, NULL, number, error);
        } else if (target_has_ended(state) && strcmp(state, "done") != 0 &&
                   !arguments->targets.json) {
            say_error("job %lld: %s", (long long)number, state);
            if (json_is_object(error)) {
                say_trouble(false, objects_str(job, "file"), number, error);
            }
        }
    }
}

static int wait_for(const struct arguments *arguments, talk_t *talk, const json_t *numbers)
{
    int64_t deadline_ms = arguments->timeout_ms < 0 ? -1 : clock_mono_ms() + arguments->timeout_ms;
    for (;;) {
        CLEANUP(cleanup_json) json_t *answer = NULL;
        int64_t left_ms = deadline_ms < 0 ? PARK_MS : deadline_ms - clock_mono_ms();
        left_ms = left_ms < 0 ? 0 : left_ms < PARK_MS ? left_ms : PARK_MS;
        json_t *request = msg_new("WAIT");
        msg_set(request, "jobs", json_deep_copy(numbers));
        msg_set_int(request, "wait_ms", left_ms);
        /* some time more than the broker has, so that its answer is what ends it */
        int64_t patience_ms = deadline_ms < 0 ? -1 : left_ms + 1000;
        int rc = talk_ask(talk, request, patience_ms, &answer);
        if (rc != CLIENT_OK && rc != CLIENT_TIMEOUT) {
            return talk_complain(talk, arguments->targets.json);
        }
        const json_t *jobs = json_object_get(answer, "jobs");
        struct outcome outcome = count_states(jobs);
        bool over = deadline_ms >= 0 && clock_mono_ms() >= deadline_ms;
        if (rc == CLIENT_OK && (outcome.running == 0 || outcome.held > 0 || over)) {
            tell(arguments, talk, jobs);
        }
        if (rc == CLIENT_OK && (outcome.running == 0 || outcome.held > 0)) {
            return outcome.running + outcome.held + outcome.bad > 0 ? COMMAND_FAILED : COMMAND_DONE;
        }
        if (over) {
            say_error("the time is over; %zu job%s still to end", outcome.running,
                      outcome.running == 1 ? " is" : "s are");
            return COMMAND_FAILED;
        }
    }
}

int cmd_wait(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "timeout", 't', "SECONDS", 0, "Give up after so long, with exit status 1", 0 },
        { 0 },
    };
    static const struct argp_child children[] = { { &target_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "JOB|FILE...",
        .doc =
            "Wait until jobs have ended. The exit status is 0 if all of them are done, 1 at "
            "once when one is held for a question.",
        .children = children,
    };
    struct arguments arguments = { .timeout_ms = -1 };
    CLEANUP(cleanup_json) json_t *jobs = NULL;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    CLEANUP(talk_destroy) talk_t *talk = target_open(&arguments.targets, &jobs);
    return talk ? wait_for(&arguments, talk, jobs) : COMMAND_FAILED;
}
