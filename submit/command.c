#include "submit/command.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "proto/cleanup.h"
#include "proto/json_wire.h"
#include "submit/text.h"

enum { SHOWN_MAX = 80 }; /* of a wrong argument */

/* In the order in which --help shows them: what a person does first comes first. */
const struct command command_table[] = {
    { "render", "render files now; the farm runs for as long as needed", cmd_render },
    { "farm", "keep a farm running: a broker and a worker on each device", cmd_farm },
    { "add", "put files on the list of the farm", cmd_add },
    { "remove", "take jobs off the list", cmd_remove },
    { "list", "print the jobs", cmd_list },
    { "show", "print all about one job", cmd_show },
    { "watch", "look at the farm at work, full screen", cmd_watch },
    { "wait", "wait until jobs have ended", cmd_wait },
    { "log", "print what happened, or Blender's output of a frame", cmd_log },
    { "workers", "print the workers", cmd_workers },
    { "devices", "print the graphics cards and who has them", cmd_devices },
    { "pause", "pause jobs or the whole farm", cmd_pause },
    { "resume", "let paused jobs or the farm go on", cmd_resume },
    { "cancel", "end jobs before they are done", cmd_cancel },
    { "retry", "put failed frames back", cmd_retry },
    { "verify", "look at the pictures again: all there, all whole?", cmd_verify },
    { "priority", "let a job go before others", cmd_priority },
    { "accept", "answer the question of a held job", cmd_accept },
    { "clear", "forget the jobs that have ended", cmd_clear },
    { "drain", "let workers finish their frames and leave", cmd_drain },
    { "rest", "give a device back to its owner for a while", cmd_rest },
    { "wake", "take a device again that rests", cmd_wake },
    { "stop", "end the farm", cmd_stop },
    { "blender", "print the Blenders that workers would use", cmd_blender },
    { "hooks", NULL, cmd_hooks },
};

const size_t command_count = sizeof command_table / sizeof *command_table;

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(command_table[i].name, name) == 0) {
            return &command_table[i];
        }
    }
    return NULL;
}

error_t command_parse_json(int key, char *arg, struct argp_state *state)
{
    (void)arg; /* there are no arguments */
    switch (key) {
    case COMMAND_KEY_JSON:
        *(bool *)state->input = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "%s takes no argument", strrchr(state->name, ' ') + 1);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void end_program(int number)
{
    _exit(128 + number);
}

void command_end_on_signals(void)
{
    struct sigaction action = { .sa_handler = end_program };
    (void)sigaction(SIGINT, &action, NULL); /* cannot fail for these numbers */
    (void)sigaction(SIGTERM, &action, NULL);
}

void command_check_text(struct argp_state *state, const char *what, const char *text)
{
    json_t *string = json_string(text); /* NULL where it is not UTF-8 */
    json_decref(string);
    if (!string || !*text) {
        CLEANUP(cleanup_free) char *clean = text_clean(text);
        argp_error(state, "%s: not a text: '%s'", what, clean);
    } else if (strlen(text) > WIRE_STRING_BYTES) {
        argp_error(state, "%s: longer than %d bytes", what, WIRE_STRING_BYTES);
    }
}

long long command_number(struct argp_state *state, const char *what, const char *text,
                         long long least, long long most)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < least || value > most) {
        CLEANUP(cleanup_free) char *clean = text_clean(text);
        argp_error(state, "%s: a whole number from %lld to %lld, not '%.*s'", what, least, most,
                   SHOWN_MAX, clean);
    }
    return value;
}
