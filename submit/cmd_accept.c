/*
 * dblend accept - answer the question of a held job
 */

#include <argp.h>
#include <jansson.h>

#include "proto/cleanup.h"
#include "submit/ask.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/options.h"
#include "submit/say.h"
#include "submit/target.h"

struct arguments {
    struct options options;
    struct targets targets;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)arg; /* all options are those of the children */
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = &arguments->options;
        state->child_inputs[1] = &arguments->targets;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/*
 * Do the flags answer anything that is asked? If not the questions are told: an answer to none of
 * them would change nothing. A job that is not held is the broker's to judge.
 */
static bool answers_something(const struct arguments *arguments, talk_t *talk, int64_t number)
{
    CLEANUP(cleanup_json) json_t *job = NULL;
    CLEANUP(cleanup_json) json_t *detail = NULL;
    if (talk_job(talk, number, &job, &detail) != CLIENT_OK) {
        return talk_complain(talk, arguments->targets.json) == COMMAND_DONE;
    }
    const json_t *questions = json_object_get(detail, "questions");
    for (size_t i = 0; i < json_array_size(questions); i++) {
        const char *code = objects_str(json_array_get(questions, i), "code");
        if (options_has_answer(code, arguments->options.map)) {
            return true;
        }
    }
    ask_tell(arguments->targets.json, number, NULL, questions);
    return json_array_size(questions) == 0;
}

static int accept_jobs(struct arguments *arguments)
{
    int status = COMMAND_DONE;
    CLEANUP(cleanup_json) json_t *jobs = NULL;
    CLEANUP(talk_destroy) talk_t *talk = target_open(&arguments->targets, &jobs);
    if (!talk) {
        return COMMAND_FAILED;
    }
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        int64_t job = json_integer_value(json_array_get(jobs, i));
        if (!answers_something(arguments, talk, job) ||
            ask_accept(talk, job, json_deep_copy(arguments->options.map),
                       arguments->targets.json) != CLIENT_OK) {
            status = COMMAND_FAILED;
        } else if (!arguments->targets.json) {
            say_note("job %lld: answered", (long long)job);
        }
    }
    return status;
}

int cmd_accept(int argc, char **argv)
{
    static const struct argp_child children[] = {
        { &options_answer_argp, 0, "Answers:", 1 },
        { &target_argp, 0, NULL, 0 },
        { 0 },
    };
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "JOB|FILE",
        .doc =
            "Answer the question of a held job, so that it goes on. Without an answer: to the "
            "warnings that hold a --strict job.\vWhich flag answers what `dblend show JOB' "
            "tells.",
        .children = children,
    };
    struct arguments arguments = { .targets = { .need = TARGET_ONE } };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    int status = accept_jobs(&arguments);
    options_clear(&arguments.options);
    return status;
}
