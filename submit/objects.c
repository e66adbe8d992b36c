#include "submit/objects.h"

#include <stddef.h>

/* Copies the named keys from wire, in order, null for what is not there. */
static json_t *pick(const char *type, const json_t *wire, const char *const *keys)
{
    json_t *out = json_object();
    if (type) {
        json_object_set_new(out, "type", json_string(type));
    }
    for (; *keys; keys++) {
        json_t *value = json_object_get(wire, *keys);
        json_object_set_new(out, *keys, value ? json_incref(value) : json_null());
    }
    return out;
}

/* Replaces object[key] by what pick makes of it, if it is an object; null otherwise. */
static void pick_inside(json_t *object, const char *key, const char *const *keys)
{
    const json_t *value = json_object_get(object, key);
    json_object_set_new(object, key, json_is_object(value) ? pick(NULL, value, keys) : json_null());
}

static void pick_each(json_t *object, const char *key, const char *const *keys)
{
    const json_t *list = json_object_get(object, key);
    json_t *out = json_array();
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach(list, i, item)
    {
        json_array_append_new(out, pick(NULL, item, keys));
    }
    json_object_set_new(object, key, out);
}

static const char *const error_keys[] = { "code", "text", "hint", NULL };

json_t *objects_job(const json_t *wire)
{
    static const char *const keys[] = { "job",      "name",   "file",   "scene",    "state",
                                        "priority", "output", "frames", "warnings", "submitted",
                                        "finished", "eta_s",  "memory", "error",    NULL };
    static const char *const frames[] = { "total", "waiting", "claimed",   "done", "kept",
                                          "taken", "failed",  "cancelled", NULL };
    static const char *const memory[] = { "gpu_peak_bytes", "gpu_rss_peak_bytes",
                                          "cpu_rss_peak_bytes", NULL };
    json_t *out = pick("job", wire, keys);
    if (!json_is_object(json_object_get(out, "frames"))) {
        json_object_set_new(out, "frames", json_object());
    }
    pick_inside(out, "frames", frames);
    if (!json_is_object(json_object_get(out, "memory"))) { /* a broker that knows none */
        json_object_set_new(out, "memory", json_object());
    }
    pick_inside(out, "memory", memory);
    pick_each(out, "warnings", error_keys);
    pick_inside(out, "error", error_keys);
    return out;
}

json_t *objects_frame(const json_t *wire)
{
    static const char *const keys[] = { "job", "frame", "state", "attempts", "worker",
                                        "ms",  "files", "error", NULL };
    static const char *const file[] = { "path", "bytes", "width", "height", "view", NULL };
    json_t *out = pick("frame", wire, keys);
    pick_each(out, "files", file);
    pick_inside(out, "error", error_keys);
    return out;
}

json_t *objects_worker(const json_t *wire)
{
    static const char *const keys[] = { "worker",      "device",    "host",    "pid",  "state",
                                        "job",         "frames",    "blender", "done", "error",
                                        "rests_until", "telemetry", NULL };
    json_t *out = pick("worker", wire, keys);
    pick_inside(out, "error", error_keys);
    return out;
}

json_t *objects_event(const json_t *wire)
{
    static const char *const keys[] = { "time", "event", "job", "frame", "worker", "text", NULL };
    return pick("event", wire, keys);
}

json_t *objects_error(const char *code, const char *file, int64_t job, const char *text,
                      const char *hint)
{
    json_t *out = json_object();
    json_object_set_new(out, "type", json_string("error"));
    json_object_set_new(out, "code", code ? json_string(code) : json_null());
    json_object_set_new(out, "file", file ? json_string(file) : json_null());
    json_object_set_new(out, "job", job > 0 ? json_integer(job) : json_null());
    json_object_set_new(out, "text", text ? json_string(text) : json_null());
    json_object_set_new(out, "hint", hint ? json_string(hint) : json_null());
    return out;
}

const char *objects_str(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

int64_t objects_int(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

int64_t objects_frames(const json_t *job, const char *state)
{
    const json_t *count = json_object_get(json_object_get(job, "frames"), state);
    return json_is_integer(count) ? json_integer_value(count) : -1;
}
