/*
 * What the broker has of the outside besides sockets and the ledger: clocks, random numbers, the
 * log, the files beside the ledger, and the child that looks at .blend files. Each function takes
 * the place of the product's of the same name.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <czmq.h>

#include "broker/eventlog.h"
#include "broker/filework.h"
#include "broker/output.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/log.h"
#include "proto/messages.h"
#include "proto/process.h"
#include "proto/random.h"
#include "tests/sim/disk.h"
#include "tests/sim/hand.h"
#include "tests/sim/mutation.h"
#include "tests/sim/world.h"

/* ---- proto/clock.h ---- */

int64_t clock_mono_ms(void)
{
    return MUTATED(EXPIRE_BY_WALL_CLOCK) ? world_wall_ms() : world.now_ms;
}

int64_t clock_wall_ms(void)
{
    return world_wall_ms();
}

void clock_rfc3339(int64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
    (void)snprintf(out, CLOCK_TEXT_SIZE, "%lld", (long long)wall_ms);
}

/* ---- proto/random.h ---- */

void random_hex(char *out, size_t digits)
{
    for (size_t i = 0; i < digits; i++) {
        out[i] = "0123456789abcdef"[world_below(16)];
    }
    out[digits] = '\0';
}

uint32_t random_below(uint32_t limit)
{
    return world_below(limit);
}

/* ---- proto/process.h ---- */

int64_t process_start(pid_t pid)
{
    return hand_process_runs(pid) ? 1000 + pid : -1;
}

int64_t process_boot(void)
{
    return 1;
}

/* ---- proto/log.h ---- */

__attribute__((format(printf, 2, 0))) static void say(const char *level, const char *format,
                                                      va_list arguments)
{
    char line[1000];
    if (world.traced && !disk_dead()) {
        (void)vsnprintf(line, sizeof line, format, arguments);
        world_trace("    broker %s: %s", level, line);
    }
}

#define LEVEL(name)                                                                                \
    void log_##name(const char *format, ...)                                                       \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        say(#name, format, arguments);                                                             \
        va_end(arguments);                                                                         \
    }
LEVEL(error)
LEVEL(warning)
LEVEL(info)
LEVEL(debug)

void log_open(const char *program, bool verbose)
{
    (void)program;
    (void)verbose;
}

void log_set_debug(bool on)
{
    (void)on;
}

bool log_is_debug(void)
{
    return world.traced;
}

void zsys_shutdown(void)
{
}

/* ---- broker/eventlog.h: the rows of the ledger are the record ---- */

int eventlog_open(const char *path, eventlog_t **out)
{
    static char log;
    (void)path;
    *out = (eventlog_t *)(void *)&log;
    return 0;
}

void eventlog_close(eventlog_t **self_p)
{
    *self_p = NULL;
}

int eventlog_reopen(eventlog_t *self)
{
    (void)self;
    return 0;
}

void eventlog_write(eventlog_t *self, const struct eventlog_line *line)
{
    (void)self;
    TRACE("    event %s job=%d frame=%d worker=%s: %s", line->event, (int)line->job,
          line->frame ? *line->frame : -1, line->worker ? line->worker : "-",
          line->text ? line->text : "");
}

int eventlog_flush(eventlog_t *self)
{
    (void)self;
    return 0;
}

/* ---- broker/output.h: Blender's output is not simulated ---- */

int output_open(const char *folder, output_t **out)
{
    static char output;
    (void)folder;
    *out = (output_t *)(void *)&output;
    return 0;
}

void output_close(output_t **self_p)
{
    *self_p = NULL;
}

int output_append(output_t *self, const struct output_attempt *attempt, const char *text,
                  size_t size)
{
    (void)self;
    (void)attempt;
    (void)text;
    (void)size;
    return 0;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): output.h has it so */
int output_read(output_t *self, const struct output_place *place, char *out, size_t size,
                size_t *got)
{
    (void)self;
    (void)place;
    (void)out;
    (void)size;
    *got = 0;
    return 0;
}

int output_remove(output_t *self, int64_t job)
{
    (void)self;
    (void)job;
    return 0;
}

/* ---- broker/filework.h: a disk that answers late, and sometimes that the file has changed ---- */

struct filework {
    int fd;
    int64_t ends_at_ms;
    json_t *results;
};

static json_t *look(const json_t *task)
{
    static const char hash[] = "cc00000000000000000000000000000000000000000000000000000000000000";
    int64_t job = msg_int_or(task, "job", 0);
    bool again = msg_str_or(task, "hash", NULL) != NULL;
    uint32_t dice = world_below(8);
    if (dice == 0) {
        return json_pack("{s:I, s:s}", "job", (json_int_t)job, "is", "missing");
    }
    if (again) {
        return json_pack("{s:I, s:s, s:s}", "job", (json_int_t)job, "is",
                         dice == 1 ? "changed" : "kept", "kept", "/files/.kept.blend");
    }
    return json_pack("{s:I, s:s, s:i, s:i, s:s, s:s}", "job", (json_int_t)job, "is", "now", "size",
                     2000, "mtime_ns", 77, "hash", hash, "kept", "/files/.kept.blend");
}

int filework_start(const json_t *tasks, const char *farm_id, filework_t **out)
{
    (void)farm_id;
    if (!disk_breathe()) {
        return -EIO;
    }
    filework_t *self = alloc_zero(1, sizeof *self);
    self->fd = eventfd(0, EFD_CLOEXEC);
    self->results = json_array();
    size_t index = 0;
    json_t *task = NULL;
    json_array_foreach(tasks, index, task)
    {
        json_array_append_new(self->results, look(task));
    }
    self->ends_at_ms = world.now_ms + world_below(world_chance(50) ? 130000 : 500);
    world_add(self->ends_at_ms, EVENT_FILES, 0, NULL);
    *out = self;
    return 0;
}

void filework_destroy(filework_t **self_p)
{
    filework_t *self = *self_p;
    if (self) {
        cleanup_fd(&self->fd);
        json_decref(self->results);
        free(self);
        *self_p = NULL;
    }
}

int filework_fd(const filework_t *self)
{
    return self->fd;
}

bool filework_ended(filework_t *self)
{
    return world.now_ms >= self->ends_at_ms;
}

json_t *filework_results(filework_t *self)
{
    return filework_ended(self) ? json_incref(self->results) : json_array();
}

int filework_main(int task_fd, int result_fd, const char *farm_id)
{
    (void)task_fd;
    (void)result_fd;
    (void)farm_id;
    return 1;
}
