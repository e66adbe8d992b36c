#include "submit/worker_target.h"

#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/program.h"
#include "submit/say.h"

enum { TARGETS_MAX = 256, HOST_BYTES = 256 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct worker_targets *targets = state->input;
    (void)arg; /* no option has an argument */
    switch (key) {
    case COMMAND_KEY_JSON:
        targets->json = true;
        return 0;
    case ARGP_KEY_ARGS:
        targets->names = state->argv + state->next;
        targets->count = (size_t)(state->argc - state->next);
        if (targets->count > TARGETS_MAX) {
            argp_error(state, "%d workers at most", TARGETS_MAX);
        }
        for (size_t i = 0; i < targets->count; i++) {
            command_check_text(state, "WORKER", targets->names[i]);
        }
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which worker? `dblend workers' prints their names");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = { COMMAND_OPTION_JSON, { 0 } };
const struct argp worker_target_argp = { .options = options, .parser = parse };

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
static bool add_device(json_t *names, const json_t *workers, const char *text, bool json)
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
    say_problem(json, NULL, "no-such-worker", why, "`dblend workers' prints the names");
    return false;
}

talk_t *worker_target_open(const struct worker_targets *targets, json_t **out, bool *missing)
{
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    CLEANUP(cleanup_json) json_t *workers = NULL;
    CLEANUP(cleanup_json) json_t *names = json_array();
    *missing = false;
    *out = NULL;
    if (!talk) {
        return NULL;
    }
    if (talk_workers(talk, &workers) != CLIENT_OK) {
        (void)talk_complain(talk, targets->json); /* no talk says it, too */
        return NULL;
    }
    for (size_t i = 0; i < targets->count; i++) {
        const char *name = targets->names[i];
        if (is_worker(workers, name)) {
            json_array_append_new(names, json_string(name));
        } else {
            *missing = !add_device(names, workers, name, targets->json) || *missing;
        }
    }
    if (json_array_size(names) == 0) {
        return NULL;
    }
    talk_t *found = talk;
    *out = names;
    talk = NULL;
    names = NULL;
    return found;
}

bool worker_target_tell(const struct worker_targets *targets, const json_t *answer,
                        const char *words)
{
    bool good = true;
    const json_t *results = json_object_get(answer, "results");
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        if (!json_is_true(json_object_get(result, "ok"))) {
            say_trouble(targets->json, NULL, 0, json_object_get(result, "error"));
            good = false;
        } else if (!targets->json) {
            say_note("%s %s", objects_str(result, "worker"), words);
        }
    }
    return good;
}
