#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "proto/ranges.h"
#include "worker/work_parts.h"

static void ranges_free(struct ranges *self)
{
    ranges_clear(self);
}

/* The report of an inspection, from what Blender and the prover found. */
static json_t *inspected_report(const struct task *task)
{
    static const char *const lists[] = { "questions", "warnings" };
    json_t *report = report_new(task->claim, "inspected");
    json_t *found = json_object_get(task->found, "found");
    json_object_set_new(report, "found", found ? json_incref(found) : json_object());
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        json_t *list = json_object_get(task->found, lists[i]);
        json_object_set_new(report, lists[i],
                            json_is_array(list) ? json_incref(list) : json_array());
    }
    return report;
}

static void end_inspection(work_t *self, struct task *task)
{
    work_end(self, task, inspected_report(task));
}

static void add_remark(json_t *answer, const char *list, const char *code, const char *text,
                       const char *hint)
{
    json_t *array = json_object_get(answer, list);
    if (!json_is_array(array)) {
        array = json_array();
        json_object_set_new(answer, list, array);
    }
    json_array_append_new(array, msg_error(code, text, hint));
}

/* Asked to denoise, in a build that cannot, while another Blender here can? */
static bool try_denoiser(work_t *self, struct task *task, const json_t *answer, int64_t now_ms)
{
    if (task->need_denoiser || strcmp(msg_str_or(answer, "code", ""), "denoiser-missing") != 0) {
        return false;
    }
    for (size_t i = 0; i < self->setup.blenders->count; i++) {
        if (self->setup.blenders->items[i].denoiser) {
            task->need_denoiser = true;
            work_move(self, task, TASK_NEW, now_ms);
            return true;
        }
    }
    return false;
}

void inspect_found(work_t *self, struct task *task, const json_t *answer, int64_t now_ms)
{
    if (strcmp(msg_str_or(answer, "event", ""), "inspected") != 0) {
        struct blender_end why = { .code = msg_str_or(answer, "code", "script-error"),
                                   .text = msg_str_or(answer, "text", ""),
                                   .hint = msg_str_or(answer, "hint", "") };
        if (!try_denoiser(self, task, answer, now_ms)) {
            work_fail(self, task, &why, msg_bool_or(answer, "fatal", false), now_ms);
        }
        return;
    }
    task->found = json_deep_copy(answer);
    if (self->remark) {
        add_remark(task->found, "warnings", "blender-version", self->remark, "");
    }
    bool answered = work_option(task->about, "keep") || work_option(task->about, "overwrite");
    const json_t *found = json_object_get(task->found, "found");
    if (answered || json_array_size(json_object_get(found, "outputs")) == 0) {
        end_inspection(self, task);
        return;
    }
    free(task->digest);
    task->digest = work_digest(found, self->chosen);
    work_move(self, task, TASK_SURVEYING, now_ms);
}

/* The frames of the job as the broker will resolve them: flat integers, NULL when they are wrong.
 */
static json_t *resolve_frames(const struct task *task, const json_t *found)
{
    const json_t *options = msg_map_or_null(task->about, "options");
    CLEANUP(ranges_free) struct ranges given = { .items = NULL };
    CLEANUP(ranges_free) struct ranges frames = { .items = NULL };
    struct ranges_scene scene = {
        .current = (int32_t)msg_int_or(found, "frame_current", 1),
        .start = (int32_t)msg_int_or(found, "frame_start", 1),
        .end = (int32_t)msg_int_or(found, "frame_end", 1),
        .step = (int32_t)msg_int_or(found, "frame_step", 1),
    };
    if (ranges_from_json(json_object_get(options, "frames"),
                         json_object_get(options, "frame_words"), &given) != 0 ||
        ranges_resolve(&given, &scene, &frames) != 0) {
        return NULL;
    }
    return ranges_to_json(&frames);
}

void inspect_survey(work_t *self, struct task *task)
{
    json_t *found = json_object_get(task->found, "found");
    json_t *frames = resolve_frames(task, found);
    if (!frames) {
        end_inspection(self, task); /* the broker says what is wrong with them */
        return;
    }
    json_t *request =
        json_pack("{s:s, s:o, s:O, s:s, s:b, s:I, s:I, s:I}", "do", "survey", "frames", frames,
                  "outputs", json_object_get(found, "outputs"), "digest", task->digest, "stamped",
                  msg_bool_or(found, "stamped", false), "blend_mtime_ns",
                  (json_int_t)msg_int_or(task->about, "mtime_ns", 0), "width",
                  (json_int_t)msg_int_or(found, "width", 0), "height",
                  (json_int_t)msg_int_or(found, "height", 0));
    work_ask(self, task, request);
}

static void ask_about_pictures(struct task *task, const json_t *answer)
{
    int64_t unknown = msg_int_or(answer, "unknown", 0);
    if (unknown > 0) {
        CLEANUP(cleanup_free)
        char *text =
            alloc_format("%lld pictures of unknown origin are there already, the first is %.1000s",
                         (long long)unknown, msg_str_or(answer, "first", "?"));
        add_remark(task->found, "questions", "pictures", text,
                   "--keep takes them as they are, --overwrite renders over them");
    }
}

void inspect_prover_answer(work_t *self, struct task *task, const json_t *answer, int64_t now_ms)
{
    bool error = strcmp(msg_str_or(answer, "is", ""), "error") == 0;
    struct blender_end why = { .code = msg_str_or(answer, "code", "output-unwritable"),
                               .text = msg_str_or(answer, "text", ""),
                               .hint = msg_str_or(answer, "hint", "") };
    if (error) {
        work_fail(self, task, &why, true, now_ms);
    } else if (task->state == TASK_SURVEYING) {
        ask_about_pictures(task, answer);
        end_inspection(self, task);
    }
}
