#include "submit/results.h"

#include <argp.h>
#include <stddef.h>
#include <string.h>

#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/say.h"

bool results_tell(const json_t *answer, bool json)
{
    const json_t *results = json_object_get(answer, "results");
    bool fine = true;
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        if (!json_is_true(json_object_get(result, "ok"))) {
            say_trouble(json, NULL, objects_int(result, "job"), json_object_get(result, "error"));
            fine = false;
        }
    }
    return fine;
}

struct arguments {
    const struct results_change *change;
    struct targets targets;
};

static void read_arguments(struct arguments *arguments, int argc, char **argv)
{
    const struct results_change *change = arguments->change;
    const struct results_flag *flag = &change->flag;
    const struct argp_option options[] = { { flag->name, flag->key, NULL, 0, flag->doc, 0 },
                                           { 0 } };
    const struct argp_child children[] = { { &target_argp, 0, NULL, 0 }, { 0 } };
    const struct argp argp = {
        .options = flag->name ? options : NULL,
        .parser = target_parse_flag,
        .args_doc = change->farm ? "[JOB|FILE...]" : "JOB|FILE...",
        .doc = change->doc,
        .children = children,
    };
    arguments->targets.choice = change->choice;
    arguments->targets.need = change->farm ? TARGET_ANY : TARGET_SOME;
    arguments->targets.flag_key = flag->name ? flag->key : 0;
    (void)argp_parse(&argp, argc, argv, 0, NULL,
                     &arguments->targets); /* ends the program on an error */
}

/* Has nothing been put back? */
static bool is_done(talk_t *talk, int64_t number)
{
    CLEANUP(cleanup_json) json_t *job = NULL;
    return talk_job(talk, number, &job, NULL) == CLIENT_OK &&
           strcmp(objects_str(job, "state"), "done") == 0;
}

static void tell_done(talk_t *talk, const struct arguments *arguments, const json_t *answer)
{
    const struct results_change *change = arguments->change;
    const json_t *results = json_object_get(answer, "results");
    const char *done =
        arguments->targets.flag && change->flag.done ? change->flag.done : change->done;
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        int64_t job = objects_int(result, "job");
        if (json_is_true(json_object_get(result, "ok")) && job > 0) {
            bool idle = change->idle && !arguments->targets.flag && is_done(talk, job);
            say_note("job %lld: %s", (long long)job, idle ? change->idle : done);
        }
    }
}

static int send_change(talk_t *talk, const struct arguments *arguments, json_t *jobs)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new(arguments->change->type);
    bool json = arguments->targets.json;
    if (arguments->targets.flag) {
        msg_set_bool(request, arguments->change->flag.wire, true);
    }
    msg_set(request, "jobs", jobs);
    if (talk_change(talk, request, &answer) != CLIENT_OK) {
        return talk_complain(talk, json);
    }
    if (!json) {
        tell_done(talk, arguments, answer);
    }
    return results_tell(answer, json) ? COMMAND_DONE : COMMAND_FAILED;
}

int results_command(const struct results_change *change, int argc, char **argv)
{
    struct arguments arguments = { .change = change };
    read_arguments(&arguments, argc, argv);
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    json_t *jobs = NULL;
    bool everything = arguments.targets.count == 0;
    int found = talk ? target_find(talk, &arguments.targets, &jobs) : -1;
    if (found < 0) {
        return COMMAND_FAILED;
    }
    if (json_array_size(jobs) == 0 && !everything) {
        json_decref(jobs); /* an empty list would mean the whole farm */
        return COMMAND_FAILED;
    }
    int status = send_change(talk, &arguments, jobs);
    if (status == COMMAND_DONE && everything && !arguments.targets.json) {
        say_note("%s", change->farm);
    }
    return found != 0 ? COMMAND_FAILED : status;
}
