#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "worker/work_parts.h"

/* Deaths of provers over one request: what kills each of them must not be asked for ever. */
enum { DEATHS_MAX = 3 };

void work_ask(work_t *self, struct task *task, json_t *request)
{
    task->request = ++self->requests;
    json_object_set_new(request, "id", json_integer(task->request));
    json_object_set_new(request, "claim", json_integer(task->claim));
    self->ports.prover_ask(self->ports.ctx, request, limits_of(self, task).stall_ms);
}

void work_prover_answer(work_t *self, const json_t *answer, int64_t now_ms)
{
    int64_t id = msg_int_or(answer, "id", 0);
    struct task *task = self->tasks;
    while (task && task->request != id && task->proof != id) {
        task = task->next;
    }
    if (!task || id == 0) {
        return; /* its claim has ended meanwhile */
    }
    if (task->request == id) {
        task->request = 0;
    }
    if (task->kind == TASK_RENDER) {
        frame_prover_answer(self, task, answer, now_ms);
    } else if (task->kind == TASK_INSPECT) {
        inspect_prover_answer(self, task, answer, now_ms);
    } else {
        sweep_answer(self, task, answer);
    }
}

/* The picture that the prover was at: it proves one after the other, in the order of the requests.
 */
static const struct task *at_proof(const work_t *self)
{
    const struct task *first = NULL;
    for (const struct task *task = self->tasks; task; task = task->next) {
        bool asked = task->state == TASK_PROVING && task->proof != 0;
        if (asked && (!first || task->proof < first->proof)) {
            first = task;
        }
    }
    return first;
}

static void blame(work_t *self, struct task *task, const char *how, int64_t now_ms)
{
    CLEANUP(cleanup_free)
    char *text = alloc_format("the prover, not Blender, ended (%s) while it was at %s", how,
                              task->state == TASK_PROVING ? "the new picture"
                                                          : "the pictures that are there");
    struct blender_end why = {
        .code = "crashed",
        .text = text,
        .hint = "look at the worker's log; somebody killed it, or a picture does"
    };
    work_fail(self, task, &why, false, now_ms);
}

/* It was only asked: ask the next one, but not for ever. */
static void ask_again(work_t *self, struct task *task, const char *how, int64_t now_ms)
{
    if (++task->deaths < DEATHS_MAX) {
        if (task->state != TASK_SURVEYING) {
            work_move(self, task, TASK_NEW, now_ms);
        }
    } else {
        blame(self, task, how, now_ms);
    }
}

/* Its disk hangs: the frame's attempt ends here, whatever the prover was at. */
static void blame_disk(work_t *self, struct task *task, int64_t now_ms)
{
    const json_t *found =
        msg_map_or_null(task->kind == TASK_INSPECT ? task->found : task->about, "found");
    const json_t *output = json_array_get(json_object_get(found, "outputs"), 0);
    const char *head = msg_str_or(output, "head", "");
    const char *slash = strrchr(head, '/');
    CLEANUP(cleanup_free)
    char *text = alloc_format("%.*s: the output folder does not answer",
                              slash ? (int)(slash - head) : 0, head);
    struct blender_end why = { .code = "output-unwritable",
                               .text = text,
                               .hint = "look at that disk or its network" };
    work_fail(self, task, &why, false, now_ms);
}

/* With it the descriptor is lost that a frame is published by: what it held is `returned`, which
 * charges no attempt. Not so the picture that it was at: one that kills each prover would be
 * rendered for ever, so that one is an attempt. Nor what a hung one owed us. */
void work_prover_died(work_t *self, const char *how, bool hung, int64_t now_ms)
{
    const struct task *guilty = at_proof(self);
    struct task *next = NULL;
    for (struct task *task = self->tasks; task; task = next) {
        bool asked = task->request != 0 && task->state != TASK_GIVING_UP;
        next = task->next;
        task->request = 0;
        task->without_prover =
            task->without_prover || work_has_files(task) || task->state == TASK_GIVING_UP;
        if (hung && asked) {
            blame_disk(self, task, now_ms);
        } else if (task == guilty) {
            blame(self, task, how, now_ms);
        } else if (work_has_files(task)) {
            work_give_up(self, task, report_new(task->claim, "returned"), now_ms);
        } else if (asked) {
            ask_again(self, task, how, now_ms);
        }
    }
}
