/*
 * Asks worker/card what a line of its standard input says, and answers with a line of JSON:
 *
 *     cards           how many there are, and what is wrong with a driver
 *     sample N        {"rc", "used", "total", "load", "temperature", "power"}
 *     processes N     {"rc", "processes": [[pid, bytes, graphics]...]}
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/card.h"
#include "worker/device.h"

enum { PROCESSES = 8 };

static json_t *ask_sample(cards_t *cards, size_t index)
{
    struct card_sample now = { 0 };
    int rc = cards_sample(cards, index, &now);
    return json_pack("{s:i, s:I, s:I, s:i, s:i, s:i}", "rc", rc, "used",
                     (json_int_t)now.memory_used_bytes, "total", (json_int_t)now.memory_total_bytes,
                     "load", now.load_percent, "temperature", now.temperature_c, "power",
                     now.power_mw);
}

static json_t *ask_processes(cards_t *cards, size_t index)
{
    struct card_process found[PROCESSES];
    size_t count = 0;
    int rc = cards_processes(cards, index, found, PROCESSES, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("[i, I, b]", found[i].pid, (json_int_t)found[i].bytes,
                                              (int)found[i].graphics));
    }
    return json_pack("{s:i, s:o}", "rc", rc, "processes", list);
}

static json_t *answer(cards_t *cards, const char *line)
{
    size_t index = strtoul(line + strcspn(line, " "), NULL, 10);
    if (strncmp(line, "sample ", 7) == 0) {
        return ask_sample(cards, index);
    }
    if (strncmp(line, "processes ", 10) == 0) {
        return ask_processes(cards, index);
    }
    return json_pack("{s:I, s:s?}", "count", (json_int_t)cards_count(cards), "trouble",
                     cards_trouble(cards));
}

int main(void)
{
    hwloc_topology_t topology = NULL;
    cards_t *cards = NULL;
    char line[256];
    if (device_topology(&topology) != 0 || cards_open(topology, &cards) != 0) {
        return EXIT_FAILURE;
    }
    while (fgets(line, sizeof line, stdin)) {
        json_t *object = answer(cards, line);
        char *text = json_dumps(object, JSON_COMPACT);
        puts(text ? text : "{}");
        (void)fflush(stdout); /* whoever reads it is gone: then so are we, soon */
        free(text);
        json_decref(object);
    }
    cards_destroy(&cards);
    hwloc_topology_destroy(topology);
    return EXIT_SUCCESS;
}
