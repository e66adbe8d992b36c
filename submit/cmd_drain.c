/*
 * dblend drain - let workers finish their frames and leave
 */

#include <argp.h>

#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/worker_target.h"

static int drain(const struct worker_targets *targets, talk_t *talk, const json_t *names)
{
    int status = COMMAND_DONE;
    for (size_t i = 0; i < json_array_size(names); i++) {
        CLEANUP(cleanup_json) json_t *answer = NULL;
        json_t *request = msg_new("DRAIN");
        msg_set_str(request, "worker", json_string_value(json_array_get(names, i)));
        if (talk_change(talk, request, &answer) != CLIENT_OK) {
            return talk_complain(talk, targets->json);
        }
        if (!worker_target_tell(targets, answer, "finishes what it renders and leaves")) {
            status = COMMAND_FAILED;
        }
    }
    return status;
}

int cmd_drain(int argc, char **argv)
{
    static const struct argp_child children[] = { { &worker_target_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        .args_doc = "WORKER|DEVICE...",
        .doc = "Let workers finish what they render and leave. The farm does not start them again.",
        .children = children,
    };
    struct worker_targets targets = { 0 };
    CLEANUP(cleanup_json) json_t *names = NULL;
    bool missing = false;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &targets); /* an only child has our input */
    CLEANUP(talk_destroy) talk_t *talk = worker_target_open(&targets, &names, &missing);
    int status = talk ? drain(&targets, talk, names) : COMMAND_FAILED;
    return missing ? COMMAND_FAILED : status;
}
