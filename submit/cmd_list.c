/*
 * dblend list - print the jobs
 */

#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/progress.h"
#include "submit/say.h"
#include "submit/table.h"
#include "submit/talk.h"
#include "submit/target.h"
#include "submit/text.h"

struct arguments {
    bool all;
    bool json;
    bool quiet;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)arg; /* no option has an argument */
    switch (key) {
    case 'a':
        arguments->all = true;
        return 0;
    case 'q':
        arguments->quiet = true;
        return 0;
    case COMMAND_KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "list takes no argument; `dblend show JOB' prints one job");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static char *frames_cell(const json_t *job)
{
    int64_t total = objects_frames(job, "total");
    if (total < 0) {
        return alloc_text("-");
    }
    long long ready = objects_frames(job, "done") + objects_frames(job, "kept");
    int64_t failed = objects_frames(job, "failed");
    return failed > 0
               ? alloc_format("%lld/%lld, %lld failed", ready, (long long)total, (long long)failed)
               : alloc_format("%lld/%lld", ready, (long long)total);
}

static char *left_cell(const json_t *job)
{
    const json_t *eta = json_object_get(job, "eta_s");
    bool active = strcmp(objects_str(job, "state"), "active") == 0;
    return active && json_is_number(eta) ? text_duration((int64_t)(json_number_value(eta) * 1000))
                                         : alloc_text("-");
}

static char *note_cell(const json_t *job)
{
    const json_t *error = json_object_get(job, "error");
    size_t warnings = json_array_size(json_object_get(job, "warnings"));
    if (*objects_str(error, "text")) {
        return alloc_text(objects_str(error, "text"));
    }
    CLEANUP(cleanup_free) char *taken = progress_taken(job);
    CLEANUP(cleanup_free)
    char *warned = warnings == 0
                       ? alloc_text("")
                       : alloc_format("%zu warning%s", warnings, warnings == 1 ? "" : "s");
    return alloc_format("%s%s%s", taken, *taken && *warned ? ", " : "", warned);
}

static void print_table(const json_t *jobs)
{
    static const struct table_column columns[] = {
        { "JOB", TABLE_RIGHT },    { "STATE", TABLE_STATE }, { "FRAMES", TABLE_RIGHT },
        { "LEFT", TABLE_RIGHT },   { "PRIO", TABLE_RIGHT },  { "NAME", TABLE_SHRINKS },
        { "NOTE", TABLE_SHRINKS },
    };
    CLEANUP(table_destroy) table_t *table = table_new(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        table_cell(table, alloc_format("%lld", (long long)objects_int(job, "job")));
        table_cell(table, alloc_text(objects_str(job, "state")));
        table_cell(table, frames_cell(job));
        table_cell(table, left_cell(job));
        table_cell(table, alloc_format("%lld", (long long)objects_int(job, "priority")));
        table_cell(table, alloc_text(objects_str(job, "name")));
        table_cell(table, note_cell(job));
    }
    table_print(table, stdout);
}

static void print_lines(const json_t *jobs, bool json)
{
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        if (json) {
            CLEANUP(cleanup_json) json_t *line = objects_job(job);
            say_json(line);
        } else {
            say_data("%lld", (long long)objects_int(job, "job"));
        }
    }
}

int cmd_list(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "all", 'a', NULL, 0, "All jobs that are not forgotten yet", 0 },
        { "quiet", 'q', NULL, 0, "Job numbers only", 0 },
        COMMAND_OPTION_JSON,
        { 0 },
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Print the jobs: those that have not ended, and those of the last 24 hours.",
    };
    struct arguments arguments = { 0 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* ends the program on an error */
    CLEANUP(cleanup_json) json_t *jobs = NULL;
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    if (!talk) {
        return COMMAND_FAILED;
    }
    if (talk_list(talk, arguments.all, &jobs) != CLIENT_OK) {
        return talk_complain(talk, arguments.json);
    }
    if (arguments.json || arguments.quiet) {
        print_lines(jobs, arguments.json);
    } else if (json_array_size(jobs) == 0) {
        say_note("no jobs; `dblend add FILE.blend' puts one on the list");
    } else {
        print_table(jobs);
        talk_tell_pause(talk);
    }
    return COMMAND_DONE;
}
