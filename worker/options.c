#include "worker/options.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_DEVICE = 'd',
    KEY_CONNECT = 'c',
    KEY_BLENDER = 'b',
    KEY_VERBOSE = 'v',
    KEY_EXIT_WHEN_IDLE = 256,
    KEY_FACTORY,
    KEY_RECYCLE,
    KEY_OWNER_FD,
    KEY_STALL,
    KEY_MAX_TEMPERATURE,
    KEY_LIST,
    KEY_DEVICE_TYPE,
    KEY_BPY,
    KEY_REGROUPS,
};

enum { STALL_S = 300, SECONDS_MAX = 31536000 };

static const struct argp_option table[] = {
    { "device", KEY_DEVICE, "DEVICE", 0,
      "What to render on: gpu:0, gpu:0+1 (a group), gpu:0+cpu, pci:ADDRESS, a GPU's UUID, cpu, "
      "cpu:0-3, none (an inspector). Default: the first GPU that works, else cpu",
      0 },
    { "connect", KEY_CONNECT, "ADDRESS", 0, "The broker's worker socket. Default: this user's", 0 },
    { "blender", KEY_BLENDER, "PATH", 0,
      "Use this Blender; may be given several times. Default: every one that is found", 0 },
    { "bpy", KEY_BPY, "PYTHON", 0,
      "Use the Blender that this Python can import (the module bpy), and where no --blender is "
      "given "
      "no other; may be given several times",
      0 },
    { "exit-when-idle", KEY_EXIT_WHEN_IDLE, "SECONDS", 0, "Leave after so long without work", 0 },
    { "factory", KEY_FACTORY, NULL, 0, "Blender without the user's preferences and add-ons", 0 },
    { "recycle", KEY_RECYCLE, "N", 0, "A new Blender after every N frames", 0 },
    { "stall", KEY_STALL, "SECONDS", 0,
      "A Blender that shows no sign of life for so long, or for four frames' time, is hung, where "
      "the job does not say it. Default: 300",
      0 },
    { "device-type", KEY_DEVICE_TYPE, "TYPES", 0,
      "How Cycles is to use the GPU: the first of these that it can, and no other: optix, cuda, "
      "hip, "
      "oneapi, with commas between. Default: what the card can, OptiX before CUDA",
      0 },
    { "max-temperature", KEY_MAX_TEMPERATURE, "C", 0,
      "A card that is hotter rests until it is 10 degrees cooler than that. Default: none", 0 },
    { "owner-fd", KEY_OWNER_FD, "N", 0, "Stop at once at the end of this descriptor", 0 },
    { "regroups", KEY_REGROUPS, "N", OPTION_HIDDEN,
      "Its owner ends and starts idle workers so that N cards work in the groups that suit the "
      "jobs",
      0 },
    { "list", KEY_LIST, "WHAT", 0,
      "Print `devices' (of LIST), `cards' or `blenders' as JSON, and end", 0 },
    { "verbose", KEY_VERBOSE, NULL, 0, "Log every message", 0 },
    { NULL, 0, NULL, 0, NULL, 0 },
};

static int number(struct argp_state *state, const char *text, long min, long max)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end || value < min || value > max) {
        argp_error(state, "%s: a number from %ld to %ld is needed", text, min, max);
    }
    return (int)value;
}

/* list has room for one more than there may be. */
static void add_path(struct argp_state *state, const char **list, const char *path)
{
    size_t count = 0;
    while (list[count]) {
        count++;
    }
    if (count == OPTIONS_BLENDERS_MAX) {
        argp_error(state, "at most %d --blender, and as many --bpy", OPTIONS_BLENDERS_MAX);
    }
    list[count] = path;
}

static enum options_list list_word(struct argp_state *state, const char *word)
{
    if (strcmp(word, "devices") == 0) {
        return OPTIONS_LIST_DEVICES;
    }
    if (strcmp(word, "cards") == 0) {
        return OPTIONS_LIST_CARDS;
    }
    if (strcmp(word, "blenders") != 0) {
        argp_error(state, "--list %s: devices, cards or blenders", word);
    }
    return OPTIONS_LIST_BLENDERS;
}

static void read_types(struct argp_state *state, const char *text, struct options *out)
{
    char *error_text = NULL;
    if (device_types_parse(text, &out->device_types, &error_text) != 0) {
        argp_error(state, "--device-type %s", error_text);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *out = state->input;
    switch (key) {
    case KEY_DEVICE:
        out->device = arg;
        break;
    case KEY_CONNECT:
        out->connect = arg;
        break;
    case KEY_BLENDER:
        add_path(state, out->blenders, arg);
        break;
    case KEY_EXIT_WHEN_IDLE:
        out->exit_when_idle_s = number(state, arg, 0, SECONDS_MAX);
        break;
    case KEY_FACTORY:
        out->factory = true;
        break;
    case KEY_RECYCLE:
        out->recycle = number(state, arg, 1, 1000000000);
        break;
    case KEY_OWNER_FD:
        out->owner_fd = number(state, arg, 3, 65535);
        break;
    case KEY_MAX_TEMPERATURE:
        out->max_temperature_c = number(state, arg, 30, 150);
        break;
    case KEY_REGROUPS:
        out->regroups = number(state, arg, 0, 1024);
        break;
    case KEY_STALL:
        out->stall_s = number(state, arg, 1, SECONDS_MAX);
        break;
    case KEY_LIST:
        out->list = list_word(state, arg);
        break;
    case KEY_BPY:
        add_path(state, out->bpys, arg);
        break;
    case KEY_DEVICE_TYPE:
        read_types(state, arg, out);
        break;
    case KEY_VERBOSE:
        out->verbose = true;
        break;
    case ARGP_KEY_ARG:
        if (out->list != OPTIONS_LIST_DEVICES || out->list_text) {
            argp_error(state, "%s: what is this?", arg);
        }
        out->list_text = arg;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

void options_parse(int argc, char **argv, struct options *out)
{
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "[--list devices LIST]",
        .doc =
            "Render frames for a broker, on one device, in one warm Blender.\v"
            "TERM: finish what renders, then leave. A second TERM: give it back at once. "
            "Exit status: 0 it left in order, 1 a fault, 2 usage, 4 another worker holds the "
            "device, 5 a card is not there or does not work.",
    };
    argp_program_version = "dblend-worker " DBLEND_VERSION;
    argp_err_exit_status = 2;
    *out = (struct options){ .exit_when_idle_s = -1, .owner_fd = -1, .stall_s = STALL_S };
    (void)argp_parse(&argp, argc, argv, 0, NULL, out); /* exits by itself on an error */
    const char *python = getenv("DBLEND_BPY"); /* so that `farm', `render' and `add' know it, too */
    if (python && *python && !out->blenders[0] && !out->bpys[0]) {
        out->bpys[0] = python;
    }
}
