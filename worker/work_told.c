#include "worker/work_parts.h"

int work_count(const work_t *self, bool (*is)(const struct task *))
{
    int count = 0;
    for (const struct task *task = self->tasks; task; task = task->next) {
        count += is(task);
    }
    return count;
}

static int count_all(const work_t *self)
{
    int count = 0;
    for (const struct task *task = self->tasks; task; task = task->next) {
        count++;
    }
    return count;
}

int64_t work_job(const work_t *self)
{
    return self->job;
}

json_t *work_holding(const work_t *self)
{
    json_t *out = json_array();
    for (const struct task *task = self->tasks; task; task = task->next) {
        json_array_append_new(out, json_pack("{s:I, s:s}", "claim", (json_int_t)task->claim,
                                             "phase", task_phase(task)));
    }
    return out;
}

int work_want(const work_t *self)
{
    int held = count_all(self);
    int most = self->setup.inspector ? 1 : WORK_UNPROVEN_MAX;
    int busy = self->setup.inspector ? held : work_count(self, task_for_blender);
    if (self->draining || self->resting || self->give_back || self->blender_fails || busy >= most ||
        held >= WORK_HOLD_MAX) {
        return 0;
    }
    return most - busy < WORK_HOLD_MAX - held ? most - busy : WORK_HOLD_MAX - held;
}

const char *work_state(const work_t *self)
{
    if (self->draining) {
        return "draining";
    }
    if (work_rests(self)) {
        return "resting";
    }
    for (const struct task *task = self->tasks; task; task = task->next) {
        if (task->state == TASK_RENDERING || task->state == TASK_TAKING) {
            return "rendering";
        }
    }
    if (self->opening != OPENING_NONE && self->opening != OPENING_DONE) {
        return "opening";
    }
    enum blender_state state = self->ports.blender_state(self->ports.ctx);
    bool warming = state == BLENDER_STARTING || state == BLENDER_OFF;
    return warming && !self->setup.inspector ? "starting" : "idle";
}

int64_t work_progress_claim(const work_t *self)
{
    for (const struct task *task = self->tasks; task; task = task->next) {
        if (task->state == TASK_RENDERING || task->state == TASK_INSPECTING) {
            return task->claim;
        }
    }
    bool opening = self->opening != OPENING_NONE && self->opening != OPENING_DONE;
    return opening && work_task(self, self->opening_claim) ? self->opening_claim : 0;
}

bool work_empty(const work_t *self)
{
    return self->tasks == NULL;
}

int64_t work_busy_ms(const work_t *self)
{
    return self->busy_ms;
}
