#include "worker/pulse.h"

enum { LOOKS = 10 }; /* at what it uses, in one stall time */

void pulse_begin(struct pulse *self, pid_t pid, const struct pulse_limits *limits, int64_t now_ms)
{
    *self = (struct pulse){
        .pid = pid,
        .limits = *limits,
        .begin_ms = now_ms,
        .beat_ms = now_ms,
        .work_ms = now_ms,
        .look_ms = now_ms + limits->stall_ms / LOOKS,
    };
}

void pulse_beat(struct pulse *self, int64_t now_ms)
{
    self->beat_ms = now_ms;
}

void pulse_stop(struct pulse *self, int64_t at_ms)
{
    self->limits.stall_ms = 0;
    self->look_ms = at_ms;
}

static void look(struct pulse *self, int64_t now_ms)
{
    struct proc_use use = proc_tree_use(self->pid);
    /* Waking up now and then is no work: a hundredth of the time is. */
    bool works = use.cpu_ms - self->use.cpu_ms > (now_ms - self->work_ms) / 100 ||
                 use.io_bytes > self->use.io_bytes;
    if (works || !self->looked) {
        self->work_ms = now_ms;
        self->use = use;
        self->looked = true;
    }
    self->look_ms = now_ms + (self->limits.stall_ms > LOOKS ? self->limits.stall_ms / LOOKS : 1);
}

enum pulse_verdict pulse_check(struct pulse *self, int64_t now_ms)
{
    if (self->limits.most_ms > 0 && now_ms - self->begin_ms >= self->limits.most_ms) {
        return PULSE_TOO_LONG;
    }
    if (now_ms < self->look_ms) {
        return PULSE_ALIVE;
    }
    if (self->limits.stall_ms > 0) {
        look(self, now_ms);
    }
    int64_t last = self->work_ms > self->beat_ms ? self->work_ms : self->beat_ms;
    return now_ms - last >= self->limits.stall_ms ? PULSE_STALLED : PULSE_ALIVE;
}

int64_t pulse_due_ms(const struct pulse *self)
{
    int64_t most = self->begin_ms + self->limits.most_ms;
    return self->limits.most_ms > 0 && most < self->look_ms ? most : self->look_ms;
}
