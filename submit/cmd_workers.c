/*
 * dblend workers - print the workers
 */

#include <argp.h>
#include <stdio.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/command.h"
#include "submit/gauge.h"
#include "submit/objects.h"
#include "submit/progress.h"
#include "submit/say.h"
#include "submit/table.h"
#include "submit/talk.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
    (void)arg; /* there are no arguments */
    switch (key) {
    case COMMAND_KEY_JSON:
        *(bool *)state->input = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "workers takes no argument");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* "3, 4" or "3.4.1, 2.93.0" of an array of numbers or strings. */
static char *join(const json_t *list)
{
    char *out = alloc_text("");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        CLEANUP(cleanup_free) char *before = out;
        const char *comma = i > 0 ? ", " : "";
        out = json_is_string(item)
                  ? alloc_format("%s%s%s", before, comma, json_string_value(item))
                  : alloc_format("%s%s%lld", before, comma, (long long)json_integer_value(item));
    }
    return out;
}

static bool any_card(const json_t *workers)
{
    bool any = false;
    for (size_t i = 0; i < json_array_size(workers) && !any; i++) {
        CLEANUP(cleanup_free) char *text = gauge_text(json_array_get(workers, i));
        any = *text != '\0';
    }
    return any;
}

static void print_table(const json_t *workers)
{
    static const struct table_column columns[] = {
        { "WORKER", TABLE_SHRINKS }, { "STATE", TABLE_STATE },   { "JOB", TABLE_RIGHT },
        { "FRAMES", TABLE_LEFT },    { "PHASE", TABLE_SHRINKS }, { "DONE", TABLE_RIGHT },
        { "BLENDER", TABLE_LEFT },   { "CARD", TABLE_LEFT },
    };
    const size_t all = sizeof columns / sizeof *columns;
    bool cards = any_card(workers); /* most farms of CPUs never need that column */
    CLEANUP(table_destroy) table_t *table = table_new(columns, cards ? all : all - 1);
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        int64_t job = objects_int(worker, "job");
        table_cell(table, alloc_text(objects_str(worker, "worker")));
        table_cell(table, alloc_text(objects_str(worker, "state")));
        table_cell(table, job > 0 ? alloc_format("%lld", (long long)job) : alloc_text("-"));
        table_cell(table, join(json_object_get(worker, "frames")));
        table_cell(table, progress_worker_phase(worker));
        table_cell(table, alloc_format("%lld", (long long)objects_int(worker, "done")));
        table_cell(table, join(json_object_get(worker, "blender")));
        if (cards) {
            table_cell(table, gauge_text(worker));
        }
    }
    table_print(table, stdout);
}

int cmd_workers(int argc, char **argv)
{
    static const struct argp_option options[] = { COMMAND_OPTION_JSON, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Print the workers of the farm, and what each of them does.",
    };
    bool json = false;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &json); /* ends the program on an error */
    CLEANUP(cleanup_json) json_t *workers = NULL;
    CLEANUP(talk_destroy) talk_t *talk = talk_new();
    if (!talk) {
        return COMMAND_FAILED;
    }
    if (talk_workers(talk, &workers) != CLIENT_OK) {
        return talk_complain(talk, json);
    }
    for (size_t i = 0; json && i < json_array_size(workers); i++) {
        CLEANUP(cleanup_json) json_t *line = objects_worker(json_array_get(workers, i));
        say_json(line);
    }
    if (!json && json_array_size(workers) == 0) {
        say_note("no worker; `dblend farm' starts one on each device");
    } else if (!json) {
        print_table(workers);
        talk_tell_pause(talk);
    }
    return COMMAND_DONE;
}
