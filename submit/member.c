#include "submit/member.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "submit/objects.h"
#include "submit/program.h"
#include "submit/say.h"

enum {
    ARGUMENTS_MAX = 128,
    EXIT_FAULT = 1,       /* of a broker that never served: its ledger cannot be used */
    EXIT_UNUSABLE = 2,    /* usage: the same command would fail again */
    EXIT_BROKER_HELD = 3, /* another broker has the ledger */
    EXIT_DEVICE_HELD = 4, /* another worker has the device */
    EXIT_DEVICE_GONE = 5, /* a card is not there or does not work, now */
    HEALTHY_MS = 60000,   /* who ran so long did not die at the start */
    SPAWN_PAUSE_MS = 60000,
};

struct member *member_new(enum member_kind kind, const char *device, const struct paths *paths,
                          bool in_front)
{
    struct member *self = alloc_zero(1, sizeof *self);
    self->kind = kind;
    self->device = alloc_text(kind == MEMBER_INSPECTOR ? "none" : device);
    self->owner = -1;
    self->start_at_ms = -1;
    if (!in_front) {
        const char *part = kind == MEMBER_BROKER      ? "broker"
                           : kind == MEMBER_INSPECTOR ? "inspector"
                                                      : device;
        self->log = program_log(paths, part);
    }
    return self;
}

void member_destroy(struct member **self_p)
{
    assert(self_p);
    if (*self_p) {
        child_destroy(&(*self_p)->child);
        cleanup_fd(&(*self_p)->owner);
        free((*self_p)->device);
        free((*self_p)->log);
        free(*self_p);
        *self_p = NULL;
    }
}

int64_t member_pause_ms(int deaths)
{
    int64_t pause_ms = MEMBER_PAUSE_FIRST_MS;
    for (int i = 1; i < deaths && pause_ms < MEMBER_PAUSE_MAX_MS; i++) {
        pause_ms *= 2;
    }
    return pause_ms < MEMBER_PAUSE_MAX_MS ? pause_ms : MEMBER_PAUSE_MAX_MS;
}

static const char *title(const struct member *self)
{
    static const char *const names[] = {
        [MEMBER_BROKER] = "the broker", [MEMBER_INSPECTOR] = "the inspector"
    };
    return self->kind == MEMBER_WORKER ? self->device : names[self->kind];
}

/* The command line of a worker or inspector. */
static void worker_arguments(const struct member *self, const char *out[ARGUMENTS_MAX])
{
    const char *const own[] = { "--device", self->device, "--owner-fd", "3" };
    size_t count = sizeof own / sizeof *own;
    memcpy(out, own, sizeof own);
    for (size_t i = 0; self->arguments && self->arguments[i] && count + 1 < ARGUMENTS_MAX; i++) {
        out[count++] = self->arguments[i];
    }
    out[count] = NULL;
}

bool member_start(struct member *self)
{
    CLEANUP(cleanup_fd) int theirs = -1;
    int ends[2] = { -1, -1 };
    const char *broker[] = { "--owner-fd", "3", NULL };
    const char *worker[ARGUMENTS_MAX];
    worker_arguments(self, worker);
    bool is_broker = self->kind == MEMBER_BROKER;
    int rc = pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno;
    theirs = ends[0];
    self->owner = ends[1];
    if (rc == 0) {
        struct program_spec spec = { is_broker ? "dblend-broker" : "dblend-worker",
                                     is_broker ? broker : worker, self->log, theirs };
        self->log_from = self->log ? program_log_end(self->log) : 0;
        rc = program_start(&spec, &self->child);
    }
    if (rc != 0) {
        say_error("%s cannot be started: %s", title(self), strerror(-rc));
        self->start_at_ms = clock_mono_ms() + SPAWN_PAUSE_MS;
        cleanup_fd(&self->owner);
        return false;
    }
    self->start_at_ms = -1;
    self->started_ms = clock_mono_ms();
    return true;
}

/* Once, however often it is tried. */
static void tell_held(struct member *self, int code, const char *words)
{
    bool held = code == EXIT_DEVICE_HELD;
    const char *why = held ? "another worker has this device" : "its card cannot be used";
    if (!self->told_held) {
        say_error("%s: %s; tried again until it %s", title(self), words ? words : why,
                  held ? "is free" : "works");
        self->told_held = true;
    }
}

static enum member_end mourn(struct member *self, const struct child_end *end)
{
    CLEANUP(cleanup_free)
    char *words = self->log ? program_last_words(self->log, self->log_from) : NULL;
    bool by_itself = !end->signalled;
    bool unusable = end->code == EXIT_UNUSABLE ||
                    (end->code == EXIT_FAULT && self->kind == MEMBER_BROKER && !self->served);
    if (by_itself && unusable) {
        say_error("%s cannot run: %s", title(self), words ? words : "wrong usage");
        self->deaths += 2; /* who waits for it need wait no longer */
        return MEMBER_UNFIT;
    }
    if (by_itself && end->code == EXIT_DEVICE_HELD && self->kind == MEMBER_INSPECTOR) {
        return MEMBER_ENDED; /* there is one already, and one is enough */
    }
    bool healthy = clock_mono_ms() - self->started_ms >= HEALTHY_MS;
    self->deaths = healthy ? 1 : self->deaths + 1;
    self->pause_ms = member_pause_ms(self->deaths);
    self->start_at_ms = clock_mono_ms() + self->pause_ms;
    bool waits = end->code == EXIT_DEVICE_HELD || end->code == EXIT_DEVICE_GONE;
    if (by_itself && waits && self->kind == MEMBER_WORKER) {
        tell_held(self, end->code, words);
    } else if (!by_itself || end->code != EXIT_BROKER_HELD || self->kind != MEMBER_BROKER) {
        char how[64];
        child_end_text(end, how, sizeof how);
        say_error("%s died (%s)%s%s; it starts again in %lld s", title(self), how,
                  words ? ": " : "", words ? words : "", (long long)self->pause_ms / 1000);
    }
    return MEMBER_DIED;
}

enum member_end member_bury(struct member *self, bool expected)
{
    struct child_end end = { 0 };
    (void)child_reap(self->child, &end); /* its pidfd says that it has ended */
    child_destroy(&self->child);
    cleanup_fd(&self->owner);
    self->start_at_ms = -1;
    if (expected || (!end.signalled && end.code == 0)) {
        self->deaths = 0;
        return MEMBER_ENDED;
    }
    return mourn(self, &end);
}

const json_t *member_worker(const struct member *self, const json_t *workers)
{
    for (size_t i = 0; self->child && i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        if (objects_int(worker, "pid") == child_pid(self->child)) {
            return worker;
        }
    }
    return NULL;
}

void member_disown(struct member *self)
{
    (void)!write(self->owner, "d",
                 1); /* a pipe takes one byte; where not, the end of it says stop */
    cleanup_fd(&self->owner);
    child_release(&self->child);
}
