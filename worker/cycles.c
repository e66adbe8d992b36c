#include "worker/cycles.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "worker/card.h"

enum { PLACE_SIZE = 10 }; /* "0000:65:00": Cycles tells no function of most cards */

static bool card_has(const struct card *card, const char *word)
{
    for (size_t i = 0; card->types[i]; i++) {
        if (strcmp(card->types[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static bool all_have(const struct device *device, const char *word)
{
    for (size_t i = 0; i < device->card_count; i++) {
        if (!card_has(device->cards[i], word)) {
            return false;
        }
    }
    return device->card_count > 0;
}

struct device_types cycles_types(const struct device *device, const struct device_types *prefer)
{
    struct device_types found = { .count = 0 };
    const char *const *words = prefer->count > 0        ? prefer->words
                               : device->card_count > 0 ? device->cards[0]->types
                                                        : found.words;
    for (; *words; words++) {
        if (all_have(device, *words) && found.count < DEVICE_TYPES_MAX) {
            found.words[found.count++] = *words;
        }
    }
    return found;
}

static json_t *words_json(const struct device_types *types)
{
    json_t *list = json_array();
    for (size_t i = 0; i < types->count; i++) {
        json_array_append_new(list, json_string(types->words[i]));
    }
    return list;
}

json_t *cycles_types_json(const struct device *device, const struct device_types *prefer)
{
    const struct device_types types = cycles_types(device, prefer);
    return words_json(&types);
}

/* The job's order, of what the worker does at all. */
static struct device_types types_for(const struct device *device, const struct device_types *worker,
                                     const json_t *options)
{
    CLEANUP(cleanup_free) char *error_text = NULL;
    struct device_types ours = cycles_types(device, worker);
    struct device_types wanted = { .count = 0 };
    struct device_types found = { .count = 0 };
    const char *text = msg_str_or(options, "device_type", NULL);
    if (!text || device_types_parse(text, &wanted, &error_text) != 0) {
        return ours;
    }
    for (size_t i = 0; i < wanted.count; i++) {
        if (device_types_has(&ours, wanted.words[i])) {
            found.words[found.count++] = wanted.words[i];
        }
    }
    return found;
}

json_t *cycles_request(const struct device *device, const struct device_types *worker,
                       const json_t *options)
{
    const struct device_types types = types_for(device, worker, options);
    json_t *places = json_array();
    for (size_t i = 0; i < device->card_count; i++) {
        json_array_append_new(places, json_string(device->cards[i]->pci));
    }
    return json_pack("{s:s, s:o, s:o, s:b, s:b}", "kind", device->card_count > 0 ? "gpu" : "cpu",
                     "types", words_json(&types), "pci", places, "cpu", device->with_cpu,
                     "allow_cpu", msg_bool_or(options, "allow_cpu", false));
}

char *cycles_told(const json_t *answer)
{
    const json_t *used = json_object_get(answer, "used");
    char *list = alloc_format("%s (", msg_str_or(answer, "type", "nothing"));
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(used, i, one)
    {
        char *longer = alloc_format("%s%s%s", list, i > 0 ? ", " : "", msg_str_or(one, "id", "?"));
        free(list);
        list = longer;
    }
    char *closed = alloc_format("%s)", list);
    free(list);
    return closed;
}

static bool same_place(const char *wanted, const char *is)
{
    size_t size = strlen(wanted) > strlen(is) ? strlen(is) : strlen(wanted);
    return size >= PLACE_SIZE && strncasecmp(wanted, is, size) == 0;
}

/* Is the used device one of those that were asked for? One that tells no address is, where Cycles'
 * ids of that type have none. */
static bool is_wanted(const json_t *places, const json_t *one)
{
    const char *is = msg_str_or(one, "pci", "");
    const char *type = msg_str_or(one, "type", "");
    size_t i = 0;
    json_t *place = NULL;
    if (!*is) {
        return strcmp(type, "ONEAPI") == 0 || strcmp(type, "METAL") == 0;
    }
    json_array_foreach(places, i, place)
    {
        if (same_place(json_string_value(place), is)) {
            return true;
        }
    }
    return false;
}

/* All cards that were asked for and no other, of a type that was; the CPU as was wished. */
static bool matches(const json_t *request, const json_t *answer)
{
    const json_t *places = json_object_get(request, "pci");
    const char *type = msg_str_or(answer, "type", "NONE");
    size_t cards = 0;
    size_t cpus = 0;
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(json_object_get(answer, "used"), i, one)
    {
        if (strcmp(msg_str_or(one, "type", ""), "CPU") == 0) {
            cpus++;
        } else if (strcmp(msg_str_or(one, "type", ""), type) != 0 || !is_wanted(places, one)) {
            return false;
        } else {
            cards++;
        }
    }
    bool on_cpu = strcmp(type, "NONE") == 0 && cards == 0;
    if (strcmp(msg_str_or(request, "kind", "cpu"), "cpu") == 0) {
        return on_cpu;
    }
    if (on_cpu) {
        return msg_bool_or(request, "allow_cpu", false);
    }
    bool type_asked = false;
    json_array_foreach(json_object_get(request, "types"), i, one)
    {
        type_asked = type_asked || strcmp(json_string_value(one), type) == 0;
    }
    return type_asked && cards == json_array_size(places) &&
           (cpus > 0) == msg_bool_or(request, "cpu", false);
}

int cycles_check(const json_t *request, const json_t *answer, char **text)
{
    if (json_is_object(answer) &&
        (!msg_bool_or(answer, "cycles", true) || matches(request, answer))) {
        return CYCLES_OK;
    }
    CLEANUP(cleanup_free) char *is = cycles_told(answer);
    CLEANUP(cleanup_free) char *places = json_dumps(json_object_get(request, "pci"), JSON_COMPACT);
    CLEANUP(cleanup_free)
    char *types = json_dumps(json_object_get(request, "types"), JSON_COMPACT);
    *text = alloc_format("Cycles says that it uses %s; this worker is %s %s as %s", is,
                         msg_str_or(request, "kind", "cpu"), places, types);
    return CYCLES_OTHER;
}
