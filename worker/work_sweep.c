#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/kept.h"
#include "proto/log.h"
#include "proto/messages.h"
#include "worker/work_parts.h"

/* What the job's pictures are stamped with; of any Blender (nothing after the last colon) while
 * the job is not bound to one. */
static char *stamp_of(const struct task *task)
{
    return alloc_format("dblend:%s:%s",
                        msg_str_or(msg_map_or_null(task->about, "found"), "digest", ""),
                        msg_str_or(task->about, "blender", ""));
}

static json_t *look_request(const struct task *task)
{
    CLEANUP(cleanup_free) char *stamp = stamp_of(task);
    return json_pack("{s:s, s:O, s:s}", "do", "sweep", "look", task->look, "digest", stamp);
}

static json_t *clear_request(const work_t *self, const struct task *task)
{
    const char *kept = task->ends ? msg_str_or(task->about, "kept", NULL) : NULL;
    const json_t *outputs = msg_array_or_null(msg_map_or_null(task->about, "found"), "outputs");
    CLEANUP(cleanup_free) char *cache = kept ? kept_cache_link(kept) : NULL;
    json_t *request =
        json_pack("{s:s, s:s?, s:s?, s:s, s:o}", "do", "sweep", "kept", kept, "cache_link", cache,
                  "farm", self->farm, "outputs", outputs ? json_deep_copy(outputs) : json_array());
    if (json_is_array(task->live)) {
        json_object_set(request, "live", task->live);
    }
    return request;
}

void sweep_begin(work_t *self, struct task *task, int64_t now_ms)
{
    bool look = json_array_size(task->look) > 0;
    work_move(self, task, TASK_SWEEPING, now_ms);
    work_ask(self, task, look ? look_request(task) : clear_request(self, task));
}

static void log_warnings(const struct task *task, const json_t *warnings)
{
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        log_warning("sweep job %lld: %s", (long long)task->job,
                    msg_str_or(json_array_get(warnings, i), "text", "?"));
    }
}

void sweep_answer(work_t *self, struct task *task, const json_t *answer)
{
    static const char *const keys[] = { "wrong", "last" };
    if (strcmp(msg_str_or(answer, "is", ""), "error") == 0) {
        const char *code = msg_str_or(answer, "code", "output-unwritable");
        const char *text = msg_str_or(answer, "text", "");
        log_warning("sweep job %lld: %s: %s", (long long)task->job, code, text);
        work_end(self, task,
                 report_error(task->claim, code, text, msg_str_or(answer, "hint", ""), false));
        return;
    }
    json_t *report = report_new(task->claim, "swept");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *value = json_object_get(answer, keys[i]);
        if (value && !json_is_null(value)) {
            json_object_set(report, keys[i], value);
        }
    }
    log_warnings(task, msg_array_or_null(answer, "warnings"));
    work_end(self, task, report);
}
