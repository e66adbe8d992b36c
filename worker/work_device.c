/* What the open job renders on: asked for when its file is opened, compared with the answer. */

#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"
#include "proto/log.h"
#include "proto/messages.h"
#include "worker/cycles.h"
#include "worker/work_parts.h"

json_t *device_request(work_t *self, const struct task *task)
{
    if (!self->setup.device) {
        return json_null();
    }
    json_decref(self->device);
    self->device = cycles_request(self->setup.device, &self->setup.device_types,
                                  json_object_get(task->about, "options"));
    return json_incref(self->device);
}

bool device_agrees(work_t *self, struct task *task, const json_t *answer, int64_t now_ms)
{
    CLEANUP(cleanup_free) char *text = NULL;
    const json_t *device = json_object_get(answer, "device");
    if (!self->setup.device) {
        return true;
    }
    if (cycles_check(self->device, device, &text) == CYCLES_OK) {
        json_decref(self->device_warnings);
        self->device_warnings = json_incref(json_object_get(device, "warnings"));
        self->on_card = strcmp(msg_str_or(device, "type", "NONE"), "NONE") != 0;
        if (msg_bool_or(device, "cycles", false)) {
            CLEANUP(cleanup_free) char *told = cycles_told(device);
            log_info("cycles uses %s", told);
        }
        return true;
    }
    struct blender_end why = { .code = "device-mismatch",
                               .text = text,
                               .hint = "nothing was rendered; look at the worker's log" };
    self->dirty = "it would render on another device";
    self->opening = OPENING_NONE;
    work_take_log(self, task);
    work_fail(self, task, &why, false, now_ms);
    return false;
}

void device_watch_begin(work_t *self)
{
    if (self->ports.watch_begin) {
        self->ports.watch_begin(self->ports.ctx, self->on_card);
    }
}

void device_watch_end(work_t *self, struct task *task)
{
    if (self->ports.watch_end) {
        json_decref(task->elsewhere);
        task->elsewhere = self->ports.watch_end(self->ports.ctx);
    }
    if (task->elsewhere) {
        log_warning("claim %lld: %s", (long long)task->claim,
                    msg_str_or(task->elsewhere, "text", "?"));
    }
}

void device_add_warnings(const work_t *self, const struct task *task, json_t *warnings)
{
    if (task->elsewhere) {
        json_array_append(warnings, task->elsewhere);
    }
    if (json_is_array(self->device_warnings)) {
        (void)json_array_extend(warnings, self->device_warnings); /* fails for no array */
    }
}

void device_forget(work_t *self)
{
    json_decref(self->device);
    json_decref(self->device_warnings);
    self->device = self->device_warnings = NULL;
    self->on_card = false;
}
