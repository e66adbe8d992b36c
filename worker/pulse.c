#include "worker/pulse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/cleanup.h"
#include "proto/process.h"

enum { SILENT_WORK_FACTOR = 6, LOOKS = 10 };

void pulse_begin(struct pulse *self, pid_t pid, int64_t stall_ms, int64_t now_ms)
{
    *self = (struct pulse){
        .pid = pid,
        .stall_ms = stall_ms,
        .beat_ms = now_ms,
        .work_ms = now_ms,
        .cpu_ms = pulse_cpu_ms(pid),
        .check_ms = now_ms + stall_ms / LOOKS,
    };
}

void pulse_beat(struct pulse *self, int64_t now_ms)
{
    self->beat_ms = now_ms;
}

void pulse_stop(struct pulse *self, int64_t at_ms)
{
    self->stall_ms = 0;
    self->check_ms = at_ms;
}

bool pulse_check(struct pulse *self, int64_t now_ms)
{
    if (now_ms < self->check_ms) {
        return false;
    }
    int64_t span = now_ms - self->work_ms;
    int64_t cpu = pulse_cpu_ms(self->pid);
    /* Waking up now and then is no work: a hundredth of the time is. */
    if (cpu - self->cpu_ms > span / 100) {
        self->work_ms = now_ms;
        self->cpu_ms = cpu;
    }
    int64_t last = self->work_ms > self->beat_ms ? self->work_ms : self->beat_ms;
    self->check_ms = now_ms + (self->stall_ms > LOOKS ? self->stall_ms / LOOKS : 1);
    return now_ms - last >= self->stall_ms ||
           now_ms - self->beat_ms >= SILENT_WORK_FACTOR * self->stall_ms;
}

int64_t pulse_cpu_ms(pid_t pid)
{
    int64_t user = process_field(pid, 14);
    int64_t system = process_field(pid, 15);
    return user < 0 || system < 0 ? -1 : (user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

int64_t pulse_start(pid_t pid)
{
    return process_field(pid, 22);
}

int64_t pulse_rss_bytes(pid_t pid)
{
    char path[64];
    char text[128];
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
    if (!file || !fgets(text, sizeof text, file)) {
        return 0;
    }
    const char *resident = strchr(text, ' '); /* the second field, in pages */
    return resident ? strtoll(resident, NULL, 10) * sysconf(_SC_PAGESIZE) : 0;
}
