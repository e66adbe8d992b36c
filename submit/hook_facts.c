#include "submit/hook_facts.h"

#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/messages.h"
#include "submit/objects.h"

static void set(json_t *facts, const char *key, char *text /* taken */)
{
    json_t *value = json_string(text);
    json_object_set_new(facts, key, value ? value : json_string("")); /* not UTF-8 */
    cleanup_free(&text);
}

static void set_int(json_t *facts, const char *key, int64_t value)
{
    set(facts, key, alloc_format("%lld", (long long)value));
}

/* "0000:65:00.0 0000:b3:00.0" of the device id of cards, "" of cores. */
static char *pci_of(const char *device)
{
    char *out = alloc_text("");
    for (const char *at = strstr(device, "pci:"); at; at = strstr(at, "pci:")) {
        at += strlen("pci:");
        CLEANUP(cleanup_free) char *before = out;
        out = alloc_format("%s%s%.*s", before, *before ? " " : "", (int)strcspn(at, "+"), at);
    }
    return out;
}

json_t *hook_facts(const char *role, pid_t owner, const json_t *event)
{
    json_t *facts = json_object();
    char now[CLOCK_TEXT_SIZE];
    const char *worker = msg_str_or(event, "worker", "");
    clock_rfc3339(clock_wall_ms(), now);
    set(facts, "role", alloc_text(role));
    set_int(facts, "farm_pid", owner);
    set(facts, "time", alloc_text(msg_str_or(event, "time", now)));
    if (*worker) {
        const char *slash = strchr(worker, '/');
        const char *device = slash ? slash + 1 : "";
        set(facts, "worker", alloc_text(worker));
        set(facts, "device", alloc_text(device));
        set(facts, "pci", pci_of(device));
    }
    return facts;
}

static void add_frame(json_t *facts, talk_t *talk, int64_t job, int64_t number)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new("FRAMES");
    msg_set_int(request, "job", job);
    msg_set_int(request, "after", number - 1);
    msg_set_int(request, "limit", 1);
    set_int(facts, "frame", number);
    if (talk_ask(talk, request, -1, &answer) != CLIENT_OK) {
        return;
    }
    const json_t *frame = json_array_get(json_object_get(answer, "frames"), 0);
    const json_t *files = json_object_get(frame, "files");
    char *paths = alloc_text("");
    for (size_t i = 0; i < json_array_size(files); i++) {
        CLEANUP(cleanup_free) char *before = paths;
        paths = alloc_format("%s%s%s", before, i > 0 ? "\n" : "",
                             objects_str(json_array_get(files, i), "path"));
    }
    set(facts, "picture", paths);
    set_int(facts, "ms", objects_int(frame, "ms"));
}

void hook_facts_job(json_t *facts, talk_t *talk, const json_t *event)
{
    static const char *const texts[] = { "name", "file", "scene", "state", "output" };
    static const char *const counts[] = { "total", "done", "kept", "failed" };
    CLEANUP(cleanup_json) json_t *job = NULL;
    int64_t number = objects_int(event, "job");
    const json_t *frame = json_object_get(event, "frame");
    set_int(facts, "job", number);
    if (json_is_integer(frame)) {
        add_frame(facts, talk, number, json_integer_value(frame));
    }
    if (talk_job(talk, number, &job, NULL) != CLIENT_OK) {
        return;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        set(facts, texts[i], alloc_text(objects_str(job, texts[i])));
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        CLEANUP(cleanup_free) char *key = alloc_format("frames_%s", counts[i]);
        int64_t count = objects_frames(job, counts[i]);
        set_int(facts, key, count > 0 ? count : 0);
    }
}
