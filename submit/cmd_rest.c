/*
 * dblend rest, dblend wake - give devices back to their owner, and take them again
 */

#include <argp.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/program.h"
#include "submit/say.h"
#include "submit/talk.h"

enum { KEY_NOW = COMMAND_KEY_OWN, RESTS_MAX = 256, HOST_BYTES = 256 };

struct arguments {
    const char *names[RESTS_MAX]; /* of workers or devices */
    size_t count;
    bool now;
    bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case COMMAND_KEY_JSON:
        arguments->json = true;
        return 0;
    case KEY_NOW:
        arguments->now = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->count == RESTS_MAX) {
            argp_error(state, "%d workers at most", RESTS_MAX);
        }
        command_check_text(state, "WORKER", arg);
        arguments->names[arguments->count++] = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which worker? `dblend workers' prints their names");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Has the worker this device, alone or in a group? */
static bool has_device(const json_t *worker, const char *device)
{
    const char *own = objects_str(worker, "device");
    size_t size = strlen(device);
    bool cores = strncmp(own, "cpu", 3) == 0; /* there `+' joins cores, not devices */
    const char *at = strcmp(own, device) == 0 ? own : cores ? NULL : strstr(own, device);
    return at && (at == own || at[-1] == '+') && (at[size] == '\0' || at[size] == '+');
}

/* Add the workers of this host that have one of the devices; how many. */
static size_t add_of_devices(json_t *names, const json_t *workers, const json_t *devices)
{
    char host[HOST_BYTES] = "";
    size_t count = 0;
    (void)gethostname(host, sizeof host - 1); /* one that is too long is no name of ours either */
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        bool wanted = false;
        for (size_t d = 0; d < json_array_size(devices); d++) {
            wanted = wanted || has_device(worker, json_string_value(json_array_get(devices, d)));
        }
        if (wanted && strcmp(objects_str(worker, "host"), host) == 0) {
            json_array_append(names, json_object_get(worker, "worker"));
            count++;
        }
    }
    return count;
}

static bool is_worker(const json_t *workers, const char *name)
{
    for (size_t i = 0; i < json_array_size(workers); i++) {
        if (strcmp(objects_str(json_array_get(workers, i), "worker"), name) == 0) {
            return true;
        }
    }
    return false;
}

/* A device as `farm --devices' takes it: ours are asked which that are. */
static bool add_device(const struct arguments *arguments, json_t *names, const json_t *workers,
                       const char *text)
{
    CLEANUP(cleanup_json) json_t *devices = json_pack("[s]", text);
    CLEANUP(cleanup_json) json_t *listed = NULL;
    if (add_of_devices(names, workers, devices) > 0) {
        return true; /* by its id, which is known also of a device that is not here any more */
    }
    if (!strchr(text, '/') && program_devices(text, &listed) == COMMAND_DONE &&
        add_of_devices(names, workers, listed) > 0) {
        return true;
    }
    CLEANUP(cleanup_free) char *why = alloc_format("%s: no worker of that name or device", text);
    say_problem(arguments->json, NULL, "no-such-worker", why, "`dblend workers' prints the names");
    return false;
}

static bool tell(const struct arguments *arguments, const json_t *answer, bool rest)
{
    bool good = true;
    const json_t *results = json_object_get(answer, "results");
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        const char *name = objects_str(result, "worker");
        if (!json_is_true(json_object_get(result, "ok"))) {
            say_trouble(arguments->json, NULL, 0, json_object_get(result, "error"));
            good = false;
        } else if (!arguments->json) {
            say_note(!rest            ? "%s goes on"
                     : arguments->now ? "%s gives back what it renders and rests"
                                      : "%s finishes what it renders and rests",
                     name);
        }
    }
    return good;
}

static int change(const struct arguments *arguments, bool rest)
{
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    CLEANUP(cleanup_json) json_t *workers = NULL;
    CLEANUP(cleanup_json) json_t *answer = NULL;
    CLEANUP(cleanup_json) json_t *names = json_array();
    bool good = true;
    if (!talk) {
        return COMMAND_FAILED;
    }
    if (talk_workers(talk, &workers) != CLIENT_OK) {
        return talk_complain(talk, arguments->json);
    }
    for (size_t i = 0; i < arguments->count; i++) {
        const char *name = arguments->names[i];
        if (is_worker(workers, name)) {
            json_array_append_new(names, json_string(name));
        } else {
            good = add_device(arguments, names, workers, name) && good;
        }
    }
    if (json_array_size(names) == 0) {
        return COMMAND_FAILED;
    }
    json_t *request = msg_new("REST");
    msg_set(request, "workers", json_incref(names));
    msg_set_bool(request, "rest", rest);
    msg_set_bool(request, "now", rest && arguments->now);
    if (talk_change(talk, request, &answer) != CLIENT_OK) {
        return talk_complain(talk, arguments->json);
    }
    return tell(arguments, answer, rest) && good ? COMMAND_DONE : COMMAND_FAILED;
}

int cmd_rest(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "now", KEY_NOW, NULL, 0, "Give back at once what renders; others render it", 0 },
        COMMAND_OPTION_JSON,
        { 0 },
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "WORKER|DEVICE...",
        .doc =
            "Let workers finish what they render, end their Blender and rest until `dblend "
            "wake': the device is free for something else.",
    };
    struct arguments arguments = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    return change(&arguments, true);
}

int cmd_wake(int argc, char **argv)
{
    static const struct argp_option options[] = { COMMAND_OPTION_JSON, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "WORKER|DEVICE...",
        .doc = "Let workers go on that `dblend rest' sent to rest.",
    };
    struct arguments arguments = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    return change(&arguments, false);
}
