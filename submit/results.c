#include "submit/results.h"

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

static void tell_done(const struct results_change *change, const json_t *answer)
{
    const json_t *results = json_object_get(answer, "results");
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        int64_t job = objects_int(result, "job");
        if (json_is_true(json_object_get(result, "ok")) && job > 0) {
            say_note("job %lld: %s", (long long)job, change->done);
        }
    }
}

static int send_change(talk_t *talk, const struct results_change *change, json_t *extra,
                       json_t *jobs, bool json)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new(change->type);
    if (extra) {
        json_object_update(request, extra);
    }
    msg_set(request, "jobs", jobs);
    if (talk_change(talk, request, &answer) != CLIENT_OK) {
        return talk_complain(talk, json);
    }
    if (!json) {
        tell_done(change, answer);
    }
    return results_tell(answer, json) ? COMMAND_DONE : COMMAND_FAILED;
}

int results_run(const struct results_change *change, json_t *extra, char *const *names,
                size_t count, bool json)
{
    CLEANUP(cleanup_json) json_t *keys = extra;
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    json_t *jobs = NULL;
    if (!talk) {
        return COMMAND_FAILED;
    }
    int found = target_find(talk, names, count, change->choice, json, &jobs);
    if (found < 0) {
        return COMMAND_FAILED;
    }
    if (json_array_size(jobs) == 0 && !(count == 0 && change->whole_farm)) {
        json_decref(jobs); /* an empty list would mean the whole farm */
        return COMMAND_FAILED;
    }
    bool everything = count == 0;
    int status = send_change(talk, change, keys, jobs, json);
    if (status == COMMAND_DONE && everything && !json) {
        say_note("%s", change->farm);
    }
    return found != 0 ? COMMAND_FAILED : status;
}
