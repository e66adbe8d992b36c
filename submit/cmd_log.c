/*
 * dblend log - print what happened, or Blender's output of a frame
 */

#include <argp.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "proto/ranges.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/say.h"
#include "submit/summary.h"
#include "submit/target.h"
#include "submit/text.h"

enum { PARK_MS = 2000, PAGE = 500 };

struct arguments {
    struct targets targets; /* none: all jobs */
    bool has_frame;
    int64_t frame;
    bool follow;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->targets;
        return 0;
    case 'f':
        arguments->follow = true;
        return 0;
    case 'F':
        arguments->frame =
            command_number(state, "--frame", arg, -RANGES_FRAME_MAX, RANGES_FRAME_MAX);
        arguments->has_frame = true;
        return 0;
    case ARGP_KEY_SUCCESS:
        if (arguments->has_frame && arguments->targets.count == 0) {
            argp_error(state, "--frame: of which job?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* time | EVENT | what, as in the log file. */
static void print_event(const json_t *event)
{
    const json_t *frame = json_object_get(event, "frame");
    const char *worker = objects_str(event, "worker");
    const char *text = objects_str(event, "text");
    int64_t job = objects_int(event, "job");
    CLEANUP(cleanup_free) char *when = text_time(objects_str(event, "time"), true);
    CLEANUP(cleanup_free)
    char *about_job = job > 0 ? alloc_format(" job %lld", (long long)job) : alloc_text("");
    CLEANUP(cleanup_free)
    char *about_frame = json_is_integer(frame)
                            ? alloc_format(" frame %lld", (long long)json_integer_value(frame))
                            : alloc_text("");
    CLEANUP(cleanup_free) char *by = *worker ? alloc_format(" %s", worker) : alloc_text("");
    bool about = *about_job || *about_frame || *by;
    say_data("%s | %-15s |%s%s%s%s%s", when, objects_str(event, "event"), about_job, about_frame,
             by, *text ? about ? ": " : " " : "", text);
}

static void print_events(const json_t *events, bool json)
{
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        if (json) {
            CLEANUP(cleanup_json) json_t *line = objects_event(event);
            say_json(line);
        } else {
            print_event(event);
        }
    }
}

static int follow_events(const struct arguments *arguments, talk_t *talk, int64_t job)
{
    int64_t last = 0;
    bool at_end = false;
    while (!at_end || arguments->follow) {
        CLEANUP(cleanup_json) json_t *answer = NULL;
        json_t *request = msg_new("LOG");
        msg_set_int(request, "after", last);
        msg_set_int(request, "limit", PAGE);
        if (job > 0) {
            msg_set_int(request, "job", job);
        }
        if (arguments->has_frame) {
            msg_set_int(request, "frame", arguments->frame);
        }
        if (at_end) {
            msg_set_int(request, "wait_ms", PARK_MS);
        }
        if (talk_ask(talk, request, -1, &answer) != CLIENT_OK) {
            return talk_complain(talk, arguments->targets.json);
        }
        const json_t *events = json_object_get(answer, "events");
        print_events(events, arguments->targets.json);
        at_end = json_array_size(events) == 0;
        size_t count = json_array_size(events);
        /* the last event that we were given: `last' may already be beyond this page */
        last = count > 0 ? objects_int(json_array_get(events, count - 1), "id")
                         : msg_int_or(answer, "last", last);
    }
    return COMMAND_DONE;
}

static int print_output(const struct arguments *arguments, talk_t *talk, int64_t job)
{
    int64_t offset = 0;
    size_t printed = 0;
    for (bool more = true; more;) {
        CLEANUP(cleanup_json) json_t *answer = NULL;
        json_t *request = msg_new("OUTPUT");
        msg_set_int(request, "job", job);
        msg_set_int(request, "frame", arguments->frame);
        msg_set_int(request, "offset", offset);
        if (talk_ask(talk, request, -1, &answer) != CLIENT_OK) {
            return talk_complain(talk, arguments->targets.json);
        }
        const json_t *lines = json_object_get(answer, "lines");
        for (size_t i = 0; i < json_array_size(lines); i++, printed++) {
            const char *line = json_string_value(json_array_get(lines, i));
            say_data("%s", line ? line : "");
        }
        int64_t next = msg_int_or(answer, "next", -1);
        more = next > offset;
        offset = next;
    }
    if (printed == 0) {
        say_error(
            "job %lld frame %lld: no output of Blender is kept; it is there once the frame "
            "has been rendered",
            (long long)job, (long long)arguments->frame);
        return COMMAND_FAILED;
    }
    return COMMAND_DONE;
}

/* Is there such a job, and frame of it? Better said than nothing printed. */
static bool is_there(const struct arguments *arguments, talk_t *talk, int64_t number)
{
    CLEANUP(cleanup_json) json_t *job = NULL;
    CLEANUP(cleanup_json) json_t *detail = NULL;
    if (talk_job(talk, number, &job, &detail) != CLIENT_OK) {
        return talk_complain(talk, arguments->targets.json) == COMMAND_DONE;
    }
    if (arguments->has_frame && !summary_has_frame(detail, arguments->frame)) {
        say_error("job %lld has no frame %lld", (long long)number, (long long)arguments->frame);
        return false;
    }
    return true;
}

int cmd_log(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "frame", 'F', "N", 0,
          "Blender's output of that frame (with --json or --follow: its "
          "events)",
          0 },
        { "follow", 'f', NULL, 0, "Wait for what comes, until interrupted", 0 },
        { 0 },
    };
    static const struct argp_child children[] = { { &target_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[JOB|FILE]",
        .doc =
            "Print what happened on the farm or to one job, or what Blender said while it "
            "rendered a frame.",
        .children = children,
    };
    struct arguments arguments = {
        .targets = { .need = TARGET_ONE_OR_NONE, .choice = TARGET_NEWEST },
    };
    CLEANUP(cleanup_json) json_t *jobs = NULL;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    CLEANUP(talk_destroy) talk_t *talk = target_open(&arguments.targets, &jobs);
    if (!talk) {
        return COMMAND_FAILED;
    }
    int64_t job = json_integer_value(json_array_get(jobs, 0));
    if (job > 0 && !is_there(&arguments, talk, job)) {
        return COMMAND_FAILED;
    }
    if (arguments.has_frame && !arguments.targets.json && !arguments.follow) {
        return print_output(&arguments, talk, job);
    }
    return follow_events(&arguments, talk, job);
}
