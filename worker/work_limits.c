#include <stdio.h>
#include <stdlib.h>

#include "proto/messages.h"
#include "worker/work_parts.h"

enum { STALL_MEDIANS = 4, SECONDS_MAX = 31536000 };

static int ascending(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* What the broker knows of the job may be old: our own last frames count as well. */
static int64_t median_ms(const work_t *self, const struct task *task)
{
    int64_t sorted[WORK_RECENT_MAX];
    size_t count = task->job == self->recent_job ? self->recent_count : 0;
    count = count < WORK_RECENT_MAX ? count : WORK_RECENT_MAX;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = self->recent_ms[i];
    }
    qsort(sorted, count, sizeof *sorted, ascending);
    int64_t ours = count > 0 ? sorted[count / 2] : 0;
    int64_t told = msg_int_or(task->about, "median_ms", 0);
    return ours > told ? ours : told;
}

void limits_note(work_t *self, const struct task *task)
{
    if (self->recent_job != task->job) {
        self->recent_job = task->job;
        self->recent_count = 0;
    }
    self->recent_ms[self->recent_count++ % WORK_RECENT_MAX] = task->render_ms;
}

static int64_t seconds_option(const struct task *task, const char *key)
{
    int64_t seconds = msg_int_or(msg_map_or_null(task->about, "options"), key, 0);
    return seconds > 0 && seconds <= SECONDS_MAX ? seconds : 0;
}

struct pulse_limits limits_of(const work_t *self, const struct task *task)
{
    int64_t given = seconds_option(task, "stall_s") * 1000;
    int64_t usual = STALL_MEDIANS * median_ms(self, task);
    int64_t least = self->setup.stall_ms;
    return (struct pulse_limits){
        .stall_ms = given > 0       ? given
                    : usual > least ? usual
                                    : least,
        .most_ms = seconds_option(task, "max_frame_time_s") * 1000,
    };
}

json_t *limits_too_fast(const struct task *task)
{
    const json_t *options = msg_map_or_null(task->about, "options");
    int64_t least_ms = msg_int_or(options, "min_frame_time_ms", 0);
    char text[160];
    if (task->render_ms >= least_ms) {
        return NULL;
    }
    (void)snprintf(text, sizeof text, "frame %d took %g s, less than the %g s of --min-frame-time",
                   (int)task->frame, (double)task->render_ms / 1000, (double)least_ms / 1000);
    return json_pack("{s:s, s:s, s:s}", "code", "too-fast", "text", text, "hint",
                     "look at the picture: is everything in it?");
}
