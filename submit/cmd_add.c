/*
 * dblend add - put files on the list of the farm
 */

#include <argp.h>
#include <string.h>

#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/files.h"
#include "submit/intake.h"
#include "submit/options.h"
#include "submit/program.h"
#include "submit/say.h"
#include "submit/term.h"

enum { KEY_FROM = COMMAND_KEY_OWN, KEY_NO_WAIT };

struct arguments {
    struct options options;
    struct files files;
    bool listed; /* a list was read: no files in it is no question */
    bool no_wait;
    bool quiet;
    bool json;
};

static void read_list(struct argp_state *state, struct files *files, const char *path)
{
    int rc = files_add_list(files, path);
    if (rc != 0) {
        argp_failure(state, COMMAND_USAGE, -rc, "--from %s", path);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->options;
        return 0;
    case KEY_FROM:
        read_list(state, &arguments->files, arg);
        arguments->listed = true;
        return 0;
    case KEY_NO_WAIT:
        arguments->no_wait = true;
        return 0;
    case 'q':
        arguments->quiet = true;
        return 0;
    case COMMAND_KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        files_add(&arguments->files, arg);
        return 0;
    case ARGP_KEY_SUCCESS:
        if (arguments->files.count == 0 && (arguments->listed || !term_can_ask())) {
            argp_error(state, "which .blend file?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void tell_next(talk_t *talk)
{
    CLEANUP(cleanup_json) json_t *hello = NULL;
    if (talk_hello(talk, -1, &hello) == CLIENT_OK && msg_int_or(hello, "workers", 0) == 0) {
        say_note("no worker is there yet: `dblend farm' renders what is on the list");
    }
}

static int add(const struct arguments *arguments, intake_t *intake)
{
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    if (!talk) {
        return COMMAND_FAILED;
    }
    if (intake_count(intake) == 0) {
        intake_tell(intake);
        return COMMAND_FAILED;
    }
    if (!talk_is_broker(talk) && program_start_broker(talk_paths(talk)) != COMMAND_DONE) {
        return COMMAND_FAILED;
    }
    int status = intake_run(intake, talk);
    CLEANUP(cleanup_json) json_t *jobs = intake_jobs(intake);
    if (!arguments->json && !arguments->quiet && json_array_size(jobs) > 0) {
        tell_next(talk);
    }
    return status;
}

int cmd_add(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "from", KEY_FROM, "LIST", 0, "Read files from LIST too, one a line; - is standard input",
          0 },
        { "no-wait", KEY_NO_WAIT, NULL, 0, "Do not wait until the files are inspected", 0 },
        { "quiet", 'q', NULL, 0, "Print job numbers only", 0 },
        COMMAND_OPTION_JSON,
        { 0 },
    };
    static const struct argp_child children[] = { { &options_argp, 0, NULL, 1 }, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[FILE...]",
        .doc =
            "Put .blend files on the list of the farm. They are rendered as they are now, "
            "however often they are saved afterwards.",
        .children = children,
    };
    struct arguments arguments = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    int status = COMMAND_FAILED;
    if (arguments.files.count > 0 || files_ask(&arguments.files) == 0) {
        struct intake_how how = {
            .options = &arguments.options,
            .wait = !arguments.no_wait,
            .print = arguments.json    ? INTAKE_JSON
                     : arguments.quiet ? INTAKE_NUMBERS
                                       : INTAKE_LINES,
        };
        intake_t *intake = intake_new(&arguments.files, &how);
        status = add(&arguments, intake);
        intake_destroy(&intake);
    }
    files_clear(&arguments.files);
    options_clear(&arguments.options);
    return status;
}
