#include "submit/hooks.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/lines.h"
#include "proto/log.h"

enum { FACTS_MAX = 32, LINE_BYTES = 4096, LINES_A_STEP = 200, GRACE_MS = 1000 };

static const char *const names[] = { "on-farm-start",  "on-farm-stop",  "on-worker-start",
                                     "on-worker-stop", "on-frame-done", "on-job-done",
                                     "on-queue-empty" };

struct call {
    char *name;
    json_t *facts; /* owned, as is state */
    json_t *state;
    struct call *next;
};

struct hooks {
    char *folder;
    int64_t limit_ms;
    hooks_begun_fn *begun;
    void *arg;
    struct call *first; /* owned list; the first one runs while there is a child */
    struct call **end;
    size_t count;
    int epoll;
    child_t *child; /* owned; NULL: none runs */
    lines_t *lines; /* of what it prints */
    int64_t started_ms;
    int64_t due_ms;  /* of TERM, then of KILL */
    int ended_by_us; /* the last signal that it got from us, 0: none */
};

static bool is_hook(const char *folder, const char *name)
{
    struct stat about;
    CLEANUP(cleanup_free) char *path = alloc_format("%s/%s", folder, name);
    return stat(path, &about) == 0 && S_ISREG(about.st_mode) && access(path, X_OK) == 0;
}

bool hooks_any(const char *folder)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (is_hook(folder, names[i])) {
            return true;
        }
    }
    return false;
}

hooks_t *hooks_new(const char *folder, int64_t limit_ms, hooks_begun_fn *begun, void *arg)
{
    hooks_t *self = alloc_zero(1, sizeof *self);
    self->folder = alloc_text(folder);
    self->limit_ms = limit_ms;
    self->begun = begun;
    self->arg = arg;
    self->end = &self->first;
    self->epoll = epoll_create1(EPOLL_CLOEXEC); /* -1: it is looked at on time alone */
    return self;
}

static void drop_first(hooks_t *self)
{
    struct call *gone = self->first;
    self->first = gone->next;
    self->end = self->first ? self->end : &self->first;
    self->count--;
    free(gone->name);
    json_decref(gone->facts);
    json_decref(gone->state);
    free(gone);
}

static void forget_child(hooks_t *self)
{
    lines_destroy(&self->lines);
    child_destroy(&self->child); /* closing its descriptors takes them out of epoll */
}

void hooks_destroy(hooks_t **self_p)
{
    assert(self_p);
    hooks_t *self = *self_p;
    if (!self) {
        return;
    }
    forget_child(self);
    while (self->first) {
        drop_first(self);
    }
    cleanup_fd(&self->epoll);
    free(self->folder);
    free(self);
    *self_p = NULL;
}

bool hooks_has(const hooks_t *self, const char *name)
{
    return is_hook(self->folder, name);
}

void hooks_add(hooks_t *self, const char *name, json_t *facts, json_t *state)
{
    bool there = hooks_has(self, name);
    if (!there || self->count >= HOOKS_PENDING_MAX) {
        if (there) {
            log_warning("leave out %s: %zu hooks are waiting already", name, self->count);
        }
        json_decref(facts);
        json_decref(state);
        return;
    }
    struct call *call = alloc_zero(1, sizeof *call);
    call->name = alloc_text(name);
    call->facts = facts;
    call->state = state;
    *self->end = call;
    self->end = &call->next;
    self->count++;
}

/* "DBLEND_JOB=3" */
static char *make_variable(const char *key, const json_t *value)
{
    const char *text = json_string_value(value);
    char *out = alloc_format("DBLEND_%s=%s", key, text ? text : "");
    for (char *at = out; *at != '='; at++) {
        *at = (char)(toupper)((unsigned char)*at); /* not the macro, which is a page of code */
    }
    return out;
}

/* The variables of all facts; the caller frees what *env holds. */
static void make_env(json_t *facts, char *env[FACTS_MAX + 1])
{
    size_t count = 0;
    void *at = json_object_iter(facts);
    while (at && count < FACTS_MAX) {
        env[count++] = make_variable(json_object_iter_key(at), json_object_iter_value(at));
        at = json_object_iter_next(facts, at);
    }
    env[count] = NULL;
}

static void watch(const hooks_t *self, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };
    if (fd >= 0) {
        (void)epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event); /* else time will tell */
    }
}

static void start(hooks_t *self, int64_t now_ms)
{
    CLEANUP(cleanup_free) char *path = alloc_format("%s/%s", self->folder, self->first->name);
    char *env[FACTS_MAX + 1];
    const char *argv[] = { path, NULL };
    json_object_set_new(self->first->facts, "hook", json_string(self->first->name));
    make_env(self->first->facts, env);
    struct child_spec spec = { .argv = argv,
                               .env = (const char *const *)env,
                               .folder = self->folder,
                               .output = true,
                               .own_group = true };
    self->begun(self->arg, self->first->state);
    int rc = child_spawn(&spec, &self->child);
    for (size_t i = 0; env[i]; i++) {
        free(env[i]);
    }
    if (rc != 0) {
        log_error("%s cannot be run: %s", path, strerror(-rc));
        drop_first(self);
        return;
    }
    self->lines = lines_new(child_output(self->child), LINE_BYTES);
    self->started_ms = now_ms;
    self->due_ms = now_ms + self->limit_ms;
    self->ended_by_us = 0;
    watch(self, child_pidfd(self->child));
    watch(self, child_output(self->child));
}

/* At most so many lines: one that never stops printing must not keep us from its time limit. */
static void read_lines(hooks_t *self)
{
    struct lines_line line;
    int rc = LINES_OK;
    for (int i = 0; self->lines && i < LINES_A_STEP; i++) {
        rc = lines_next(self->lines, &line);
        if (rc != LINES_OK) {
            break;
        }
        log_info("%s: %s", self->first->name, line.text);
    }
    if (rc == LINES_END || rc < 0) {
        (void)epoll_ctl(self->epoll, EPOLL_CTL_DEL, child_output(self->child), NULL); /* closed */
        lines_destroy(&self->lines);
    }
}

static void tell_end(const hooks_t *self, const struct child_end *end, int64_t now_ms)
{
    char how[64];
    long long ms = (long long)(now_ms - self->started_ms);
    child_end_text(end, how, sizeof how);
    if (self->ended_by_us) {
        log_error("%s took longer than %lld s: ended", self->first->name,
                  (long long)self->limit_ms / 1000);
    } else if (end->signalled || end->code != 0) {
        log_error("%s failed: %s, %lld ms", self->first->name, how, ms);
    } else {
        log_info("%s: done, %lld ms", self->first->name, ms);
    }
}

static void check_child(hooks_t *self, int64_t now_ms)
{
    struct child_end end = { 0 };
    bool ended = child_reap(self->child, &end) == CHILD_OK;
    read_lines(self);
    if (ended) {
        tell_end(self, &end, now_ms);
        forget_child(self);
        drop_first(self);
    } else if (now_ms >= self->due_ms) {
        self->ended_by_us = self->ended_by_us ? SIGKILL : SIGTERM;
        child_terminate(self->child, self->ended_by_us);
        self->due_ms = now_ms + GRACE_MS;
    }
}

int64_t hooks_step(hooks_t *self, int64_t now_ms)
{
    if (self->child) {
        check_child(self, now_ms);
    }
    while (!self->child && self->first) {
        start(self, now_ms);
    }
    return self->child ? self->due_ms : INT64_MAX;
}

int hooks_fd(const hooks_t *self)
{
    return self->epoll;
}

bool hooks_idle(const hooks_t *self)
{
    return !self->first;
}
