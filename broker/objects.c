#include "broker/objects.h"

#include <string.h>

#include "proto/clock.h"
#include "proto/messages.h"

/* Well below the 8 MiB and 131,072 values that a client takes (json_wire.h). */
enum { PAGE_BYTES = 4 * 1024 * 1024, PAGE_VALUES = 100000 };

static json_t *int_or_null(int64_t value, int64_t unknown)
{
    return value == unknown ? json_null() : json_integer(value);
}

static json_t *shared_or_null(json_t *value)
{
    return value ? json_incref(value) : json_null();
}

json_t *objects_time(int64_t wall_ms)
{
    if (wall_ms == 0) {
        return json_null();
    }
    char text[CLOCK_TEXT_SIZE];
    clock_rfc3339(wall_ms, text);
    return json_string(text);
}

/* Until it is inspected nobody knows how many frames a job has. */
static json_t *frame_counts(const struct job_view *view)
{
    json_t *frames = json_object();
    msg_set(frames, "total", view->counted ? json_integer(view->counts.total) : json_null());
    for (int i = 0; i < FRAME_STATES; i++) {
        const char *state = frame_state_name((enum frame_state)i);
        msg_set(frames, state,
                view->counted ? json_integer(view->counts.by_state[i]) : json_null());
    }
    return frames;
}

/* What its frames took at the most; null: nobody has seen it. */
static json_t *memory_of(const struct job_memory *memory)
{
    json_t *out = json_object();
    msg_set(out, "gpu_peak_bytes", int_or_null(memory->gpu_peak, 0));
    msg_set(out, "gpu_rss_peak_bytes", int_or_null(memory->rss_peak[DEVICE_GPU], 0));
    msg_set(out, "cpu_rss_peak_bytes", int_or_null(memory->rss_peak[DEVICE_CPU], 0));
    return out;
}

json_t *objects_job(const struct job_view *view)
{
    const struct job_row *row = view->row;
    json_t *job = json_object();
    msg_set_str(job, "type", "job");
    msg_set_int(job, "job", row->job);
    msg_set_str(job, "name", view->name);
    msg_set_str(job, "file", view->file);
    msg_set_str(job, "scene", view->scene);
    msg_set_str(job, "state", job_state_name(row->state));
    msg_set_int(job, "priority", view->priority);
    msg_set_str(job, "output", view->output);
    msg_set(job, "frames", frame_counts(view));
    msg_set(job, "warnings", row->warnings ? json_incref(row->warnings) : json_array());
    msg_set(job, "submitted", objects_time(row->submitted_at));
    msg_set(job, "finished", objects_time(row->finished_at));
    msg_set(job, "eta_s", int_or_null(view->eta_s, -1));
    msg_set(job, "memory", memory_of(&row->memory));
    msg_set(job, "error", shared_or_null(view->error));
    return job;
}

/* Files without what only the prover needs. */
static json_t *files_of(const json_t *proof)
{
    static const char *const keys[] = { "path", "bytes", "width", "height", "view" };
    if (!proof) {
        return json_null();
    }
    json_t *files = json_array();
    size_t index = 0;
    json_t *from = NULL;
    json_array_foreach(proof, index, from)
    {
        json_t *file = json_object();
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            msg_set(file, keys[i], shared_or_null(json_object_get(from, keys[i])));
        }
        if (!*msg_str_or(file, "view", "")) {
            msg_set(file, "view", json_null()); /* on the wire of workers "" says so */
        }
        json_array_append_new(files, file);
    }
    return files;
}

json_t *objects_frame(const struct frame_row *row, const json_t *proof)
{
    json_t *frame = json_object();
    msg_set_str(frame, "type", "frame");
    msg_set_int(frame, "job", row->job);
    msg_set_int(frame, "frame", row->frame);
    msg_set_str(frame, "state", frame_state_name(row->state));
    msg_set_int(frame, "attempts", row->attempts);
    msg_set_str(frame, "worker", row->worker);
    msg_set(frame, "ms", int_or_null(row->ms, -1));
    msg_set(frame, "files", files_of(proof));
    msg_set(frame, "error", shared_or_null(row->error));
    return frame;
}

json_t *objects_worker(const struct worker_view *view)
{
    json_t *worker = json_object();
    msg_set_str(worker, "type", "worker");
    msg_set_str(worker, "worker", view->worker);
    msg_set_str(worker, "device", view->device);
    msg_set_str(worker, "host", view->host);
    msg_set_int(worker, "pid", view->pid);
    msg_set_str(worker, "state", worker_state_name(view->state));
    msg_set(worker, "job", int_or_null(view->job, 0));
    json_t *frames = json_array();
    for (size_t i = 0; i < view->frame_count; i++) {
        json_array_append_new(frames, json_integer(view->frames[i]));
    }
    msg_set(worker, "frames", frames);
    msg_set(worker, "blender", view->blenders ? json_incref(view->blenders) : json_array());
    msg_set_int(worker, "done", view->done);
    msg_set(worker, "error", shared_or_null(view->error));
    msg_set(worker, "rests_until", objects_time(view->rests_until));
    msg_set(worker, "telemetry", shared_or_null(view->telemetry));
    msg_set_str(worker, "phase", view->phase);
    msg_set(worker, "phase_done", int_or_null(view->phase_total ? view->phase_done : 0, 0));
    msg_set(worker, "phase_total", int_or_null(view->phase_total, 0));
    return worker;
}

json_t *objects_blocked(const struct blocked_view *view)
{
    json_t *blocked = json_object();
    msg_set_str(blocked, "worker", view->worker);
    msg_set_str(blocked, "code", view->code);
    msg_set(blocked, "until", objects_time(view->until));
    return blocked;
}

json_t *objects_event(const struct store_event *event)
{
    json_t *object = json_object();
    msg_set_str(object, "type", "event");
    msg_set(object, "time", objects_time(event->at_ms));
    msg_set_str(object, "event", event->event);
    msg_set(object, "job", int_or_null(event->job, 0));
    msg_set(object, "frame", int_or_null(event->frame, EVENT_NO_FRAME));
    msg_set_str(object, "worker", event->worker);
    msg_set_str(object, "text", event->text);
    msg_set_int(object, "id", event->id);
    return object;
}

/* Nesting is at most that of a wire message, so this recursion is shallow. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static void weigh(json_t *value, struct objects_page *out)
{
    out->values++;
    out->bytes += 9;
    if (json_is_string(value)) {
        out->bytes += json_string_length(value);
    }
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(value, index, item)
    {
        weigh(item, out);
    }
    const char *key = NULL;
    json_object_foreach(value, key, item)
    {
        out->bytes += strlen(key) + 3;
        out->values++;
        weigh(item, out);
    }
}

bool objects_page_add(struct objects_page *page, json_t *array, json_t *item)
{
    struct objects_page weight = *page;
    weigh(item, &weight);
    bool fits = weight.bytes <= PAGE_BYTES && weight.values <= PAGE_VALUES;
    if (!fits && json_array_size(array) > 0) {
        json_decref(item);
        return false;
    }
    *page = weight;
    json_array_append_new(array, item);
    return true;
}
