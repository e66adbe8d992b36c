/* The device is its owner's for a while: no claims, and no Blender. */

#include "proto/log.h"
#include "worker/work_parts.h"

void work_rest(work_t *self, bool rest, bool at_once, int64_t now_ms)
{
    const struct blenders *blenders = self->setup.blenders;
    if (rest != self->resting) {
        log_info("%s", !rest     ? "go on: the device is ours again"
                       : at_once ? "rest: the device is given back at once"
                                 : "rest: the device is given back when what renders is finished");
        self->resting = rest;
        self->ports.tell(self->ports.ctx);
        if (!rest && !self->setup.inspector && blenders->count > 0) {
            self->ports.blender_want(self->ports.ctx, &blenders->items[0]); /* warm again */
        }
    }
    if (!rest) {
        return;
    }
    work_return_ahead(self, true, now_ms);
    struct task *next = NULL;
    for (struct task *task = self->tasks; at_once && task; task = next) {
        next = task->next;
        if (task_for_blender(task)) { /* what is in proof needs no device */
            work_give_up(self, task, report_new(task->claim, "returned"), now_ms);
        }
    }
}

bool work_rests(const work_t *self)
{
    return self->resting && !self->tasks &&
           self->ports.blender_state(self->ports.ctx) == BLENDER_OFF;
}

void rest_step(work_t *self)
{
    bool needed = work_count(self, task_for_blender) > 0;
    if (self->resting && !needed && self->ports.blender_info(self->ports.ctx)) {
        open_forget(self);
        self->frames = 0;
        self->ports.blender_want(self->ports.ctx, NULL);
    }
    if (work_rests(self) != self->rested) {
        self->rested = !self->rested;
        self->ports.tell(self->ports.ctx);
    }
}
