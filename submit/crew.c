#include "submit/crew.h"

#include <stdio.h>
#include <stdlib.h>

#include "submit/command.h"
#include "submit/devices.h"

enum {
    KEY_LOW_IMPACT = COMMAND_KEY_CREW,
    KEY_WHEN_DONE,
    KEY_MAX_TEMPERATURE,
    KEY_BLENDER,
    KEY_BPY,
    KEY_FACTORY,
    KEY_RECYCLE,
    DEGREES_LEAST = 30,
    DEGREES_MOST = 150,
    RECYCLE_MOST = 1000000000,
    REGROUPS_WORDS = 2, /* for which there is always room */
};

static const struct argp_option crew_options[] = {
    { NULL, 0, NULL, 0, "Who renders:", 1 },
    { "devices", 'd', "LIST", 0,
      "One worker on each: cpu, cpu/2, cpu:0-3, gpu, gpu:0,2; "
      "without: every GPU, or cpu where there is none",
      0 },
    { "low-impact", KEY_LOW_IMPACT, NULL, 0,
      "Leave out GPUs with a display; without a GPU use half of the cores", 0 },
    { "max-temperature", KEY_MAX_TEMPERATURE, "C", 0,
      "A card that is hotter rests until it is 10 degrees cooler than that", 0 },
    { "blender", KEY_BLENDER, "PATH", 0,
      "Render with this Blender; several times for several; without: every one that is found", 0 },
    { "bpy", KEY_BPY, "PYTHON", 0, "Or with the module bpy of this Python", 0 },
    { "factory", KEY_FACTORY, NULL, 0, "Blender without your preferences and add-ons", 0 },
    { "recycle", KEY_RECYCLE, "N", 0, "A new Blender after every N frames", 0 },
    { "when-done", KEY_WHEN_DONE, "WHAT", 0,
      "When nothing is left to render, after a minute's notice: suspend, poweroff, or a "
      "command for the shell",
      0 },
    { 0 },
};

static void add(struct crew_words *self, struct argp_state *state, const char *option,
                const char *value)
{
    if (self->count + 2 + REGROUPS_WORDS > CREW_WORDS_MAX) {
        argp_error(state, "%s: too many options for one worker", option);
    }
    self->list[self->count++] = option;
    if (value) {
        self->list[self->count++] = value;
    }
}

void crew_tell_workers(struct crew *self, struct argp_state *state, const char *option,
                       const char *value)
{
    add(&self->workers, state, option, value);
}

static void tell_all(struct crew *self, struct argp_state *state, const char *option,
                     const char *value)
{
    if (value) {
        command_check_text(state, option, value);
    }
    add(&self->inspector, state, option, value);
    add(&self->workers, state, option, value);
}

/* As dblend-worker takes it. */
static void check_number(struct argp_state *state, const char *option, const char *text, long least,
                         long most)
{
    char *end = NULL;
    long number = strtol(text, &end, 10);
    if (end == text || *end || number < least || number > most) {
        argp_error(state, "%s %s: a number from %ld to %ld is needed", option, text, least, most);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct crew *self = state->input;
    switch (key) {
    case 'd':
        self->devices = arg;
        return 0;
    case KEY_LOW_IMPACT:
        self->low_impact = true;
        return 0;
    case KEY_MAX_TEMPERATURE:
        check_number(state, "--max-temperature", arg, DEGREES_LEAST, DEGREES_MOST);
        crew_tell_workers(self, state, "--max-temperature", arg);
        return 0;
    case KEY_BLENDER:
        tell_all(self, state, "--blender", arg);
        return 0;
    case KEY_BPY:
        tell_all(self, state, "--bpy", arg);
        return 0;
    case KEY_FACTORY:
        tell_all(self, state, "--factory", NULL);
        return 0;
    case KEY_RECYCLE:
        check_number(state, "--recycle", arg, 1, RECYCLE_MOST);
        crew_tell_workers(self, state, "--recycle", arg);
        return 0;
    case KEY_WHEN_DONE:
        command_check_text(state, "--when-done", arg);
        self->when_done = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp crew_argp = { .options = crew_options, .parser = parse };

int crew_choose(const struct crew *self, json_t **out)
{
    return devices_choose(self->devices, self->low_impact, out);
}

bool crew_shares_out(struct crew *self, const json_t *devices)
{
    struct crew_words *words = &self->workers;
    if (self->devices || !devices_can_group(devices)) {
        return false;
    }
    (void)snprintf(self->cards, sizeof self->cards, "%zu", json_array_size(devices));
    words->list[words->count++] = "--regroups";
    words->list[words->count++] = self->cards;
    return true;
}
