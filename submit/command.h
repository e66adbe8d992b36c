#ifndef SUBMIT_COMMAND_H
#define SUBMIT_COMMAND_H

/*
 * command - the table of dblend's commands, and what all of them share
 *
 * Each command is one function in its own file cmd_NAME.c. argv[0] is "dblend NAME", so that its
 * --help and its usage errors say so. It returns the exit status: 0 what was asked is so, 1 it is
 * not, 2 usage (argp ends the program itself then).
 */

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

struct command {
    const char *name;
    const char *summary; /* NULL: no command for people */
    int (*run)(int argc, char **argv);
};

enum command_exit {
    COMMAND_DONE = 0,
    COMMAND_FAILED = 1,
    COMMAND_USAGE = 2,
};

/* Keys of long options that several commands have; above every character. */
enum command_key {
    COMMAND_KEY_JSON = 0x1000,
    COMMAND_KEY_OWN = 0x1100,     /* a command's own keys start here */
    COMMAND_KEY_OPTIONS = 0x1200, /* those of submit/options start here */
    COMMAND_KEY_CREW = 0x1300,    /* and those of submit/crew here */
};

#define COMMAND_OPTION_JSON                                                                        \
    {                                                                                              \
        "json", COMMAND_KEY_JSON, NULL, 0, "Print one JSON object a line", 0                       \
    }

extern const struct command command_table[];
extern const size_t command_count;

/* NULL if there is none of that name. */
const struct command *command_find(const char *name);

/*
 * Let INT and TERM end the program with 130 and 143, which is what a command that has nothing to
 * put in order wants.
 */
void command_end_on_signals(void);

/*
 * Check a text that is sent as it is: not empty, UTF-8, not longer than the wire takes; ends with
 * a usage error otherwise.
 */
void command_check_text(struct argp_state *state, const char *what, const char *text);

/* An argp parser for commands with no arguments and no options but --json: input is a bool *. */
error_t command_parse_json(int key, char *arg, struct argp_state *state);

/* Read a whole number of an option or argument; ends with a usage error if it is none. */
long long command_number(struct argp_state *state, const char *what, const char *text,
                         long long least, long long most);

int cmd_accept(int argc, char **argv);
int cmd_add(int argc, char **argv);
int cmd_blender(int argc, char **argv);
int cmd_cancel(int argc, char **argv);
int cmd_clear(int argc, char **argv);
int cmd_devices(int argc, char **argv);
int cmd_drain(int argc, char **argv);
int cmd_farm(int argc, char **argv);
int cmd_hooks(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_pause(int argc, char **argv);
int cmd_priority(int argc, char **argv);
int cmd_remove(int argc, char **argv);
int cmd_render(int argc, char **argv);
int cmd_rest(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_retry(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_wake(int argc, char **argv);
int cmd_workers(int argc, char **argv);

#endif
