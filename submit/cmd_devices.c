/*
 * dblend devices - print the graphics cards of this machine
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
#include "submit/text.h"

enum { TIMEOUT_MS = 90000 }; /* a driver that hangs is waited for, and its card told of */

static char *id_cell(const json_t *card)
{
    const char *id = objects_str(card, "device");
    return json_is_true(json_object_get(card, "mig"))
               ? alloc_format("%s of %s", id, objects_str(card, "pci"))
               : alloc_text(id);
}

static char *number_cell(const json_t *card, const char *key)
{
    const json_t *value = json_object_get(card, key);
    return json_is_integer(value) ? alloc_format("%lld", (long long)json_integer_value(value))
                                  : alloc_text("-");
}

static char *memory_cell(const json_t *card)
{
    const json_t *value = json_object_get(card, "memory_bytes");
    bool shared = json_is_true(json_object_get(card, "integrated"));
    return json_is_integer(value) ? text_bytes(json_integer_value(value))
                                  : alloc_text(shared ? "shared" : "-");
}

static char *types_cell(const json_t *card)
{
    const json_t *types = json_object_get(card, "types");
    char *out = alloc_text(json_array_size(types) > 0 ? "" : "-");
    for (size_t i = 0; i < json_array_size(types); i++) {
        CLEANUP(cleanup_free) char *before = out;
        const char *type = json_string_value(json_array_get(types, i));
        out = alloc_format("%s%s%s", before, i > 0 ? ", " : "", type ? type : "?");
    }
    return out;
}

static char *worker_cell(const json_t *card)
{
    const char *fault = json_string_value(json_object_get(card, "fault"));
    const char *worker = json_string_value(json_object_get(card, "worker"));
    CLEANUP(cleanup_free)
    char *text =
        fault ? alloc_format("cannot be used: %s", fault) : alloc_text(worker ? worker : "-");
    return text_clean(text);
}

static void print_table(const json_t *cards)
{
    static const struct table_column columns[] = {
        { "GPU", TABLE_LEFT },     { "ID", TABLE_LEFT },        { "NAME", TABLE_SHRINKS },
        { "MEMORY", TABLE_RIGHT }, { "NODE", TABLE_RIGHT },     { "DISPLAY", TABLE_LEFT },
        { "CYCLES", TABLE_LEFT },  { "WORKER", TABLE_SHRINKS },
    };
    CLEANUP(table_destroy) table_t *table = table_new(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < json_array_size(cards); i++) {
        const json_t *card = json_array_get(cards, i);
        bool display = json_is_true(json_object_get(card, "display"));
        table_cell(table, alloc_format("gpu:%lld", (long long)objects_int(card, "index")));
        table_cell(table, id_cell(card));
        table_cell(table, text_clean(objects_str(card, "name")));
        table_cell(table, memory_cell(card));
        table_cell(table, number_cell(card, "numa"));
        table_cell(table, alloc_text(display ? "yes" : "no"));
        table_cell(table, types_cell(card));
        table_cell(table, worker_cell(card));
    }
    table_print(table, stdout);
}

static void print_json(const json_t *cards)
{
    for (size_t i = 0; i < json_array_size(cards); i++) {
        CLEANUP(cleanup_json) json_t *line = json_object();
        json_object_set_new(line, "type", json_string("device"));
        json_object_update_missing(line, json_array_get(cards, i));
        say_json(line);
    }
}

/* A line that tells of no card tells what is wrong with a driver. */
static void take_trouble(json_t *cards)
{
    for (size_t i = json_array_size(cards); i > 0; i--) {
        const char *trouble =
            json_string_value(json_object_get(json_array_get(cards, i - 1), "trouble"));
        if (trouble) {
            CLEANUP(cleanup_free) char *text = text_clean(trouble);
            say_error("%s", text);
            json_array_remove(cards, i - 1);
        }
    }
}

int cmd_devices(int argc, char **argv)
{
    static const struct argp_option options[] = { COMMAND_OPTION_JSON, { 0 } };
    static const struct argp argp = {
        .options = options,
        .parser = command_parse_json,
        .doc =
            "Print the graphics cards of this machine that were given to us, usable or not: what "
            "--devices calls them, what Cycles can do with them, and which worker has them.",
    };
    bool json = false;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &json); /* ends the program on an error */
    CLEANUP(cleanup_json) json_t *cards = NULL;
    int status = program_list("cards", TIMEOUT_MS, &cards);
    if (status != COMMAND_DONE) {
        return status;
    }
    take_trouble(cards);
    if (json) {
        print_json(cards);
    } else if (json_array_size(cards) == 0) {
        say_note("no GPU is here; `dblend farm' renders on the CPU");
    } else {
        print_table(cards);
    }
    return COMMAND_DONE;
}
