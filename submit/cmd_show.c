/*
 * dblend show - print all about one job
 */

#include <argp.h>
#include <stdio.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/given.h"
#include "submit/objects.h"
#include "submit/options.h"
#include "submit/say.h"
#include "submit/summary.h"
#include "submit/table.h"
#include "submit/target.h"
#include "submit/text.h"

static void print_field(const char *title, const char *text)
{
    if (text && *text) {
        say_data("%-10s %s", title, text);
    }
}

static void print_counts(const json_t *job, const json_t *detail)
{
    static const char *const states[] = { "done",  "kept",   "claimed",  "waiting",
                                          "taken", "failed", "cancelled" };
    CLEANUP(cleanup_free) char *frames = summary_frames(job, detail);
    char counts[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        int64_t count = objects_frames(job, states[i]);
        if (count > 0 && used < sizeof counts) {
            used += (size_t)snprintf(counts + used, sizeof counts - used, "%s%lld %s",
                                     used > 0 ? ", " : ": ", (long long)count, states[i]);
        }
    }
    say_data("%-10s %s%s", "frames", frames, counts);
    if (objects_frames(job, "taken") > 0) {
        print_field("taken",
                    "by somebody else: looked at again until whole, or abandoned for "
                    "--placeholder-timeout");
    }
}

static void print_found(const json_t *detail)
{
    const json_t *found = json_object_get(detail, "found");
    if (!json_is_object(found)) {
        return;
    }
    say_data("%-10s %s, camera %s", "scene", objects_str(found, "scene"),
             objects_str(found, "camera"));
    say_data("%-10s %lldx%lld %s, %s, Blender %s", "picture",
             (long long)objects_int(found, "width"), (long long)objects_int(found, "height"),
             objects_str(found, "format"), objects_str(found, "engine"),
             objects_str(found, "blender"));
    if (msg_bool_or(found, "ordered", false)) {
        print_field("physics", "not baked: rendered in order, one worker at a time");
    }
}

/* What one worker must have to take the job, as far as its frames have shown it. */
static void print_memory(const json_t *job)
{
    static const struct {
        const char *key, *words;
    } peaks[] = {
        { "gpu_peak_bytes", "of a card" },
        { "gpu_rss_peak_bytes", "of the host for a GPU worker" },
        { "cpu_rss_peak_bytes", "of the host for a CPU worker" },
    };
    const json_t *memory = json_object_get(job, "memory");
    CLEANUP(cleanup_free) char *line = alloc_text("");
    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++) {
        const json_t *peak = json_object_get(memory, peaks[i].key);
        if (json_is_integer(peak)) {
            CLEANUP(cleanup_free) char *before = line;
            CLEANUP(cleanup_free) char *size = text_bytes(json_integer_value(peak));
            line = alloc_format("%s%s%s %s", before, *before ? ", " : "", size, peaks[i].words);
        }
    }
    print_field("memory", line);
}

static void print_job(const json_t *job, const json_t *detail)
{
    CLEANUP(cleanup_free) char *movie = summary_movie(detail);
    CLEANUP(cleanup_free)
    char *given = given_text(json_object_get(json_object_get(detail, "spec"), "options"));
    say_data("%-10s %lld, %s", "job", (long long)objects_int(job, "job"), objects_str(job, "name"));
    print_field("file", objects_str(job, "file"));
    say_data("%-10s %s, priority %lld", "state", objects_str(job, "state"),
             (long long)objects_int(job, "priority"));
    print_counts(job, detail);
    print_found(detail);
    print_memory(job);
    print_field("output", objects_str(job, "output"));
    print_field("submitted", objects_str(job, "submitted"));
    print_field("finished", objects_str(job, "finished"));
    print_field("movie", movie);
    print_field("options", given);
    const json_t *warnings = json_object_get(job, "warnings");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        print_field("warning", objects_str(json_array_get(warnings, i), "text"));
    }
}

/* Workers that leave the job to others, as it failed on them. */
static void print_blocked(const json_t *detail)
{
    const json_t *blocked = json_object_get(detail, "blocked");
    for (size_t i = 0; i < json_array_size(blocked); i++) {
        const json_t *one = json_array_get(blocked, i);
        const char *until = objects_str(one, "until");
        CLEANUP(cleanup_free) char *when = text_time(until, false);
        CLEANUP(cleanup_free)
        char *line = alloc_format("%s leaves it to others: %s%s%s", objects_str(one, "worker"),
                                  objects_str(one, "code"), *until ? ", until " : "", when);
        print_field("blocked", line);
    }
}

/* What it waits for or why it failed, and the way out. */
static void print_trouble(const json_t *job, const json_t *detail)
{
    const json_t *error = json_object_get(job, "error");
    const json_t *questions = json_object_get(detail, "questions");
    for (size_t i = 0; i < json_array_size(questions); i++) {
        const json_t *question = json_array_get(questions, i);
        const char *flags = options_flags_of(objects_str(question, "code"));
        print_field("question", objects_str(question, "text"));
        print_field("answer", *flags ? flags : objects_str(question, "hint"));
    }
    if (json_array_size(questions) == 0 && json_is_object(error)) {
        print_field("reason", objects_str(error, "text"));
        print_field("remedy", objects_str(error, "hint"));
    }
}

static void add_frame(table_t *table, const json_t *frame)
{
    const json_t *ms = json_object_get(frame, "ms");
    const json_t *file = json_array_get(json_object_get(frame, "files"), 0);
    const json_t *error = json_object_get(frame, "error");
    const char *text =
        *objects_str(error, "text") ? objects_str(error, "text") : objects_str(file, "path");
    table_cell(table, alloc_format("%lld", (long long)objects_int(frame, "frame")));
    table_cell(table, alloc_text(objects_str(frame, "state")));
    table_cell(table, alloc_format("%lld", (long long)objects_int(frame, "attempts")));
    table_cell(table,
               json_is_integer(ms) ? text_duration(json_integer_value(ms)) : alloc_text("-"));
    table_cell(table, alloc_text(objects_str(frame, "worker")));
    table_cell(table, alloc_text(text));
}

static int print_frames(talk_t *talk, int64_t job, bool json)
{
    static const struct table_column columns[] = {
        { "FRAME", TABLE_RIGHT }, { "STATE", TABLE_STATE },    { "TRIES", TABLE_RIGHT },
        { "TIME", TABLE_RIGHT },  { "WORKER", TABLE_SHRINKS }, { "FILE", TABLE_SHRINKS },
    };
    CLEANUP(table_destroy) table_t *table = table_new(columns, sizeof columns / sizeof *columns);
    bool more = true;
    bool first = true;
    for (int64_t after = 0; more; first = false) {
        CLEANUP(cleanup_json) json_t *answer = NULL;
        json_t *request = msg_new("FRAMES");
        msg_set_int(request, "job", job);
        if (!first) {
            msg_set_int(request, "after", after);
        }
        if (talk_ask(talk, request, -1, &answer) != CLIENT_OK) {
            return talk_complain(talk, json);
        }
        const json_t *frames = json_object_get(answer, "frames");
        for (size_t i = 0; i < json_array_size(frames); i++) {
            const json_t *frame = json_array_get(frames, i);
            CLEANUP(cleanup_json) json_t *line = json ? objects_frame(frame) : NULL;
            if (json) {
                say_json(line);
            } else {
                add_frame(table, frame);
            }
            after = objects_int(frame, "frame");
        }
        more = msg_bool_or(answer, "more", false) && json_array_size(frames) > 0;
    }
    table_print(table, stdout);
    return COMMAND_DONE;
}

static int show(const struct targets *targets, talk_t *talk, int64_t number)
{
    CLEANUP(cleanup_json) json_t *job = NULL;
    CLEANUP(cleanup_json) json_t *detail = NULL;
    if (talk_job(talk, number, &job, &detail) != CLIENT_OK) {
        return talk_complain(talk, targets->json);
    }
    if (targets->json) {
        CLEANUP(cleanup_json) json_t *line = objects_job(job);
        say_json(line);
    } else {
        print_job(job, detail);
        print_blocked(detail);
        print_trouble(job, detail);
    }
    return targets->flag ? print_frames(talk, number, targets->json) : COMMAND_DONE;
}

int cmd_show(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "frames", 'f', NULL, 0, "Each frame too", 0 },
        { 0 },
    };
    static const struct argp_child children[] = { { &target_argp, 0, NULL, 0 }, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = target_parse_flag,
        .args_doc = "JOB|FILE",
        .doc =
            "Print all about one job: what was found in the file, where its frames go, what "
            "they wait for, and why some failed.",
        .children = children,
    };
    struct targets targets = { .need = TARGET_ONE, .choice = TARGET_NEWEST, .flag_key = 'f' };
    CLEANUP(cleanup_json) json_t *jobs = NULL;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &targets); /* ends the program on an error */
    CLEANUP(talk_destroy) talk_t *talk = target_open(&targets, &jobs);
    return talk ? show(&targets, talk, json_integer_value(json_array_get(jobs, 0)))
                : COMMAND_FAILED;
}
