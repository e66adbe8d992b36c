/*
 * dblend blender - print the Blenders that workers would use
 */

#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/program.h"
#include "submit/say.h"
#include "submit/table.h"

enum { TIMEOUT_MS = 120000 }; /* each Blender is started once to ask what it can do */

static void print_json(const json_t *blenders)
{
    for (size_t i = 0; i < json_array_size(blenders); i++) {
        CLEANUP(cleanup_json) json_t *line = json_object();
        json_object_set_new(line, "type", json_string("blender"));
        json_object_update_missing(line, json_array_get(blenders, i));
        say_json(line);
    }
}

static void print_table(const json_t *blenders)
{
    static const struct table_column columns[] = { { "VERSION", TABLE_LEFT },
                                                   { "DENOISER", TABLE_LEFT },
                                                   { "PATH", TABLE_SHRINKS } };
    CLEANUP(table_destroy) table_t *table = table_new(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < json_array_size(blenders); i++) {
        const json_t *blender = json_array_get(blenders, i);
        bool denoiser = json_is_true(json_object_get(blender, "denoiser"));
        table_cell(table, alloc_text(objects_str(blender, "version")));
        table_cell(table, alloc_text(denoiser ? "yes" : "no"));
        table_cell(table, alloc_text(objects_str(blender, "path")));
    }
    table_print(table, stdout);
}

int cmd_blender(int argc, char **argv)
{
    static const struct argp_option options[] = { COMMAND_OPTION_JSON, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = command_parse_json,
        .doc =
            "Print the Blenders on this machine that workers would use, newest first: those in "
            "PATH, /opt, the home folder and desktop entries.",
    };
    bool json = false;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &json); /* ends the program on an error */
    CLEANUP(cleanup_json) json_t *blenders = NULL;
    int status = program_list("blenders", TIMEOUT_MS, &blenders);
    if (status != COMMAND_DONE) {
        return status;
    }
    if (json_array_size(blenders) == 0) {
        say_error(
            "no Blender found in PATH, /opt, the home folder or desktop entries; install "
            "one, or name it with `dblend-worker --blender PATH'");
        return COMMAND_FAILED;
    }
    if (json) {
        print_json(blenders);
    } else {
        print_table(blenders);
    }
    return COMMAND_DONE;
}
