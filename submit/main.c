/*
 * dblend - the command line of DistributedBlend: finds the command and runs it
 */

#include <argp.h>
#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "submit/command.h"
#include "submit/say.h"

const char *argp_program_version = "dblend " DBLEND_VERSION;

struct arguments {
    const struct command *command;
    int index; /* of the command's name in argv */
};

static char *help_filter(int key, const char *text, void *input)
{
    (void)input; /* the same list for everybody */
    if (key != ARGP_KEY_HELP_POST_DOC) {
        return (char *)(uintptr_t)text; /* argp wants its own text back, unchanged */
    }
    char *out = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&out, &size);
    if (!stream) {
        abort();
    }
    fputs("Commands:\n", stream);
    for (size_t i = 0; i < command_count; i++) {
        if (!command_table[i].summary) {
            continue;
        }
        fprintf(stream, "  %-10s %s\n", command_table[i].name, command_table[i].summary);
    }
    fputs("\n`dblend COMMAND --help' tells more of each. To begin: `dblend render FILE.blend'.",
          stream);
    if (fclose(stream) != 0) {
        abort();
    }
    return out;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (strcmp(arg, "help") == 0 && state->next < state->argc) {
            arg = state->argv[state->next]; /* help COMMAND */
        }
        if (strcmp(arg, "help") == 0) {
            argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
        }
        arguments->command = command_find(arg);
        if (!arguments->command) {
            argp_error(state, "there is no command '%s'", arg);
        }
        arguments->index = state->next - 1; /* of the word `help' itself, if that was it */
        state->next = state->argc;          /* the rest is the command's */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_state_help(state, stderr, ARGP_HELP_STD_USAGE | ARGP_HELP_LONG | ARGP_HELP_POST_DOC);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run(const struct command *command, int argc, char **argv, bool help)
{
    char name[64];
    char help_option[] = "--help";
    char *help_argv[] = { name, help_option, NULL };
    (void)snprintf(name, sizeof name, "dblend %s", command->name); /* names are short */
    argv[0] = name;
    return help ? command->run(2, help_argv) : command->run(argc, argv);
}

/*
 * Names in UTF-8 are shown as they are also where no locale is set at all, as in containers. With
 * an explicit LC_ALL=C the output is plain ASCII. Numbers have a point everywhere.
 */
static void set_locale(void)
{
    static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    bool given = false;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        given = given || (value && *value);
    }
    (void)setlocale(LC_ALL, ""); /* a locale that is not installed leaves ASCII */
    if (!given) {
        (void)setlocale(LC_CTYPE, "C.UTF-8"); /* the same */
    }
    (void)setlocale(LC_NUMERIC, "C"); /* always there */
}

/*
 * A standard stream that was closed before us is one that fails: else the next file or socket would
 * get its number, and our words.
 */
static void hold_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) {
            _exit(COMMAND_FAILED); /* there is nobody to tell */
        }
    }
}

/*
 * At every end of the program, also argp's after --help: output that could not be written is a
 * failure. A reader that has had enough is no trouble.
 */
static void end_output(int status, void *arg)
{
    (void)arg; /* there is nothing to hand over */
    if (fflush(stdout) != 0) {
        say_lost(errno);
    }
    int why = say_lost_why();
    if (!ferror(stdout) && !why) {
        return;
    }
    if (why != EPIPE) {
        say_error("standard output cannot be written%s%s", why ? ": " : "",
                  why ? strerror(why) : "");
    }
    _exit(status == COMMAND_DONE ? COMMAND_FAILED : status);
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "COMMAND [ARGUMENT...]",
        .doc = "Render .blend files with every device of this machine, frame by frame.\v",
        .help_filter = help_filter,
    };
    struct arguments arguments = { 0 };
    hold_streams();
    set_locale();
    argp_err_exit_status = COMMAND_USAGE;
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* lines appear when they are made, in pipes too */
    (void)on_exit(end_output, NULL); /* without it the output is the same, only not looked at */
    char program[] = "dblend";
    argv[0] = program;
    error_t error = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
    if (error || !arguments.command) {
        return COMMAND_USAGE;
    }
    zsys_handler_set(NULL);
    zsys_set_logstream(stderr);
    (void)signal(SIGPIPE, SIG_IGN); /* a reader of our output that left is an error of printf */
    command_end_on_signals();
    bool help = strcmp(argv[arguments.index], "help") == 0;
    return run(arguments.command, argc - arguments.index, argv + arguments.index, help);
}
