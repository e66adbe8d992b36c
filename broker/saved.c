#include "broker/saved.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"

enum { LOOKS = 256, TASKS_MOST = 64 };

/* One look. The list turns: what fell out of it is looked at anew. */
struct look {
    int64_t job;
    int64_t at_ms;
    int64_t same_mtime_ns; /* so young a file was found to have the submitted bytes; 0: none */
};

struct saved {
    struct look looks[LOOKS];
    size_t next;
};

saved_t *saved_new(void)
{
    return alloc_zero(1, sizeof(struct saved));
}

void saved_destroy(saved_t **self_p)
{
    assert(self_p);
    free(*self_p);
    *self_p = NULL;
}

static struct look *find(saved_t *self, int64_t job)
{
    for (size_t i = 0; i < LOOKS; i++) {
        if (self->looks[i].job == job) {
            return &self->looks[i];
        }
    }
    return NULL;
}

static struct look *find_or_make(saved_t *self, int64_t job)
{
    struct look *look = find(self, job);
    if (!look) {
        look = &self->looks[self->next++ % LOOKS];
        *look = (struct look){ .job = job, .at_ms = INT64_MIN / 2 };
    }
    return look;
}

static bool is_told(const json_t *warnings)
{
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        if (strcmp(msg_str_or(json_array_get(warnings, i), "code", ""), "saved-again") == 0) {
            return true;
        }
    }
    return false;
}

static void add_task(saved_t *self, json_t *tasks, struct queue_now now,
                     const struct job_view *view)
{
    static const char *const keys[] = { "size", "mtime_ns", "hash" };
    const json_t *spec = view->row->spec;
    if (job_state_ended(view->row->state) || is_told(view->row->warnings)) {
        return;
    }
    struct look *look = find_or_make(self, view->row->job);
    if (now.ms - look->at_ms < SAVED_LOOK_MS) {
        return;
    }
    look->at_ms = now.ms;
    json_t *task = json_object();
    msg_set_int(task, "job", view->row->job);
    msg_set_str(task, "file", view->file);
    msg_set_int(task, "same_mtime_ns", look->same_mtime_ns);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        msg_set(task, keys[i], json_incref(json_object_get(spec, keys[i])));
    }
    json_array_append_new(tasks, task);
}

json_t *saved_tasks(saved_t *self, queue_t *queue, struct queue_now now, int64_t job)
{
    json_t *tasks = json_array();
    int64_t at = job ? job : queue_job_next(queue, 0);
    while (at != 0 && json_array_size(tasks) < TASKS_MOST) {
        struct job_view view;
        if (queue_job(queue, now, at, &view) == QUEUE_OK) {
            add_task(self, tasks, now, &view);
        }
        at = job ? 0 : queue_job_next(queue, at);
    }
    if (json_array_size(tasks) == 0) {
        json_decref(tasks);
        return NULL;
    }
    return tasks;
}

void saved_take(saved_t *self, queue_t *queue, struct queue_now now, const json_t *results)
{
    size_t index = 0;
    json_t *result = NULL;
    json_array_foreach(results, index, result)
    {
        int64_t job = msg_int_or(result, "job", 0);
        const char *is = msg_str_or(result, "is", "");
        struct look *look = find(self, job);
        if (look && strcmp(is, "same") == 0) {
            look->same_mtime_ns = msg_int_or(result, "mtime_ns", 0);
        }
        struct job_view view;
        if (strcmp(is, "saved") == 0 && queue_job(queue, now, job, &view) == QUEUE_OK) {
            CLEANUP(cleanup_free)
            char *text = alloc_format(
                "%s: saved again since; add it again to render the new version", view.file);
            queue_warn(queue, job, "saved-again", text);
        }
    }
}
