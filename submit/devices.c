#include "submit/devices.h"

#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/program.h"
#include "submit/say.h"
#include "submit/text.h"

enum {
    TIMEOUT_MS = 60000, /* a driver that hangs is waited for, and its card told of */
    NAMES_MAX = 4,      /* of devices, in a line */
};

static bool is_gpu(const char *device)
{
    return strncmp(device, "cpu", 3) != 0;
}

static const json_t *card_of(const json_t *cards, const char *device)
{
    for (size_t i = 0; i < json_array_size(cards); i++) {
        const json_t *card = json_array_get(cards, i);
        if (strcmp(objects_str(card, "device"), device) == 0) {
            return card;
        }
    }
    return NULL;
}

static void tell_left_out(const json_t *card, const char *why)
{
    CLEANUP(cleanup_free) char *name = text_clean(objects_str(card, "name"));
    CLEANUP(cleanup_free) char *reason = text_clean(why);
    say_note("left out: gpu:%lld %s (%s): %s", (long long)objects_int(card, "index"),
             objects_str(card, "device"), name, reason);
}

static void tell_faults(const json_t *cards)
{
    for (size_t i = 0; i < json_array_size(cards); i++) {
        const json_t *card = json_array_get(cards, i);
        const char *fault = json_string_value(json_object_get(card, "fault"));
        const char *trouble = json_string_value(json_object_get(card, "trouble"));
        if (trouble) {
            CLEANUP(cleanup_free) char *text = text_clean(trouble);
            say_note("no card of this driver is used: %s", text);
        } else if (fault) {
            tell_left_out(card, fault);
        }
    }
}

/* Half of the cores; all of them where there is only one. */
static int half_the_cores(json_t **out)
{
    CLEANUP(cleanup_json) json_t *all = NULL;
    int status = program_devices("cpu", &all);
    if (status != COMMAND_DONE) {
        return status;
    }
    const char *cores = json_string_value(json_array_get(all, 0));
    bool several = cores && strpbrk(cores, "-,+") != NULL;
    CLEANUP(cleanup_json) json_t *halves = NULL;
    status = program_devices(several ? "cpu/2" : "cpu", &halves);
    if (status == COMMAND_DONE) {
        *out = json_array();
        json_array_append(*out, json_array_get(halves, 0));
    }
    return status;
}

static int without_displays(const json_t *devices, const json_t *cards, json_t **out)
{
    CLEANUP(cleanup_json) json_t *left = json_array();
    for (size_t i = 0; i < json_array_size(devices); i++) {
        json_t *device = json_array_get(devices, i);
        const json_t *card = card_of(cards, json_string_value(device));
        if (card && json_is_true(json_object_get(card, "display"))) {
            tell_left_out(card, "a display is on it (--low-impact)");
        } else if (is_gpu(json_string_value(device))) {
            json_array_append(left, device);
        }
    }
    if (json_array_size(left) == 0) {
        return half_the_cores(out);
    }
    *out = left;
    left = NULL;
    return COMMAND_DONE;
}

int devices_choose(const char *list, bool low_impact, json_t **out)
{
    CLEANUP(cleanup_json) json_t *cards = NULL;
    CLEANUP(cleanup_json) json_t *devices = NULL;
    if (list && low_impact) {
        say_error("--low-impact: it chooses the devices itself; not with --devices");
        return COMMAND_USAGE;
    }
    int status = program_devices(list, &devices);
    if (status == COMMAND_DONE && !list) {
        status = program_list("cards", TIMEOUT_MS, &cards);
        tell_faults(cards);
    }
    if (status == COMMAND_DONE && low_impact) {
        return without_displays(devices, cards, out);
    }
    if (status == COMMAND_DONE) {
        *out = devices;
        devices = NULL;
    }
    return status;
}

void devices_tell(const json_t *devices)
{
    CLEANUP(cleanup_free) char *names = alloc_text("");
    size_t count = json_array_size(devices);
    for (size_t i = 0; i < count && i < NAMES_MAX; i++) {
        CLEANUP(cleanup_free) char *before = names;
        names = alloc_format("%s%s%s", before, i > 0 ? ", " : "",
                             json_string_value(json_array_get(devices, i)));
    }
    say_note("starting %zu worker%s: %s%s", count, count == 1 ? "" : "s", names,
             count > NAMES_MAX ? " ..." : "");
}

bool devices_can_group(const json_t *devices)
{
    CLEANUP(cleanup_json) json_t *cards = NULL;
    const char *vendor = NULL;
    if (json_array_size(devices) < 2 || !is_gpu(json_string_value(json_array_get(devices, 0))) ||
        program_list("cards", TIMEOUT_MS, &cards) != COMMAND_DONE) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const json_t *card = card_of(cards, json_string_value(json_array_get(devices, i)));
        const char *made_by = card ? objects_str(card, "vendor") : "";
        if (!card || json_is_true(json_object_get(card, "mig")) ||
            (vendor && strcmp(vendor, made_by) != 0)) {
            return false; /* instances of cards cannot be joined, nor cards of two drivers */
        }
        vendor = made_by;
    }
    return true;
}

json_t *devices_group(const json_t *devices, int64_t frames)
{
    size_t count = json_array_size(devices);
    size_t size = frames > 0 && (size_t)frames < count ? count / (size_t)frames : 1;
    return devices_join(devices, size);
}

json_t *devices_join(const json_t *devices, size_t size)
{
    size_t count = json_array_size(devices);
    json_t *out = json_array();
    for (size_t first = 0; first + size <= count; first += size) {
        CLEANUP(cleanup_free) char *group = alloc_text("");
        for (size_t i = first; i < first + size; i++) {
            CLEANUP(cleanup_free) char *before = group;
            group = alloc_format("%s%s%s", before, i > first ? "+" : "",
                                 json_string_value(json_array_get(devices, i)));
        }
        json_array_append_new(out, json_string(group));
    }
    return out;
}
