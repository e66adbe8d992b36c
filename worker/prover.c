#include "worker/prover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/lines.h"
#include "proto/log.h"
#include "worker/pulse.h"
#include "worker/watch.h"

enum { CHILD_FD = 3 };

enum state {
    STATE_OFF,
    STATE_STARTING, /* hello is not answered yet */
    STATE_READY,
    STATE_CLOSING, /* its socket is closed by us */
    STATE_HUNG,    /* killed, since it did not answer */
    STATE_BROKEN,
};

/* A prover that KILL did not end: the kernel waits for a disk. */
struct ghost {
    child_t *child;
    struct ghost *next;
};

struct prover {
    zloop_t *loop;
    struct prover_setup setup;
    struct prover_calls calls;
    char farm[17];
    enum state state;
    size_t python; /* index of the interpreter in use */
    bool proven;   /* this interpreter has answered once */
    bool wanted;   /* somebody asked for it while it was off */
    child_t *child;
    int fd;                     /* our end of the socketpair, -1 when closed */
    lines_t *lines;             /* what it answers */
    lines_t *output;            /* what it prints: faults of its own, for the log */
    int64_t start_ms, pause_ms; /* not before; the next pause after a death */
    int64_t deadline_ms;        /* of hello, or of its end */
    int owed;                   /* requests that it has not answered */
    struct pulse pulse;         /* while it owes us answers */
    bool killed;                /* KILL was sent */
    struct ghost *ghosts;
    int64_t used_ms; /* last request, answer, or tick with claims held */
};

prover_t *prover_new(zloop_t *loop, const struct prover_setup *setup,
                     const struct prover_calls *calls)
{
    prover_t *self = alloc_zero(1, sizeof *self);
    self->loop = loop;
    self->setup = *setup;
    self->calls = *calls;
    self->fd = -1;
    self->pause_ms = PROVER_PAUSE_MIN_MS;
    return self;
}

static void close_socket(prover_t *self)
{
    if (self->fd >= 0) {
        watch_end(self->loop, self->fd);
        lines_destroy(&self->lines);
        cleanup_fd(&self->fd);
    }
}

static void end_child(child_t **child_p)
{
    struct child_end end;
    child_terminate(*child_p, SIGKILL);
    if (child_wait(*child_p, PROVER_END_MS, &end) == CHILD_RUNNING) {
        child_release(child_p);
    } else {
        child_destroy(child_p);
    }
}

static void release(prover_t *self)
{
    close_socket(self);
    if (self->child) {
        if (self->output) {
            watch_end(self->loop, child_output(self->child));
            lines_destroy(&self->output);
        }
        watch_end(self->loop, child_pidfd(self->child));
        end_child(&self->child);
    }
    self->owed = 0;
    self->killed = false;
}

static void on_ghost(void *arg)
{
    prover_t *self = arg;
    struct child_end end;
    struct ghost **at = &self->ghosts;
    while (*at) {
        struct ghost *ghost = *at;
        if (child_reap(ghost->child, &end) == CHILD_RUNNING) {
            at = &ghost->next;
            continue;
        }
        log_info("the prover that hung has ended: pid=%d", (int)child_pid(ghost->child));
        watch_end(self->loop, child_pidfd(ghost->child));
        child_destroy(&ghost->child);
        *at = ghost->next;
        free(ghost);
    }
}

/* It stays in the kernel's hands; we only want to know when it ends. */
static void leave_behind(prover_t *self)
{
    struct ghost *ghost = alloc_zero(1, sizeof *ghost);
    log_error("the prover cannot be ended: pid=%d: its disk does not answer",
              (int)child_pid(self->child));
    *ghost = (struct ghost){ .child = self->child, .next = self->ghosts };
    self->ghosts = ghost;
    watch_end(self->loop, child_pidfd(self->child));
    if (self->output) {
        watch_end(self->loop, child_output(self->child));
        lines_destroy(&self->output);
    }
    self->child = NULL;
    watch_fd(self->loop, child_pidfd(ghost->child), on_ghost, self);
}

void prover_destroy(prover_t **self_p)
{
    if (*self_p) {
        release(*self_p);
        while ((*self_p)->ghosts) {
            struct ghost *gone = (*self_p)->ghosts;
            (*self_p)->ghosts = gone->next;
            watch_end((*self_p)->loop, child_pidfd(gone->child));
            child_release(&gone->child);
            free(gone);
        }
        free(*self_p);
        *self_p = NULL;
    }
}

void prover_set_farm(prover_t *self, const char *farm)
{
    if (self->farm[0] && strcmp(self->farm, farm) != 0) {
        prover_close(self, clock_mono_ms()); /* another ledger: nothing of the old one is ours */
    }
    (void)snprintf(self->farm, sizeof self->farm, "%s", farm);
}

bool prover_running(const prover_t *self)
{
    return self->child != NULL;
}

static void go_off(prover_t *self, enum state state)
{
    release(self);
    self->state = state;
}

/* It ended, or we ended it since it is of no use. Which interpreter next, and when? */
static void after_death(prover_t *self, int64_t now_ms, const char *why)
{
    bool hung = self->state == STATE_HUNG;
    bool was_ready = self->state == STATE_READY || hung;
    go_off(self, STATE_OFF);
    if (!self->proven && self->setup.pythons[self->python + 1]) {
        log_debug("pass over interpreter: path=\"%s\": %s", self->setup.pythons[self->python], why);
        self->python++;
        self->wanted = true;
        self->start_ms = now_ms;
        return;
    }
    if (!self->proven) {
        self->state = STATE_BROKEN;
        self->calls.broken(self->calls.ctx);
        return;
    }
    log_warning("prover ended: %s; next start in %lld ms", why, (long long)self->pause_ms);
    self->start_ms = now_ms + self->pause_ms;
    self->pause_ms *= 2;
    self->pause_ms = self->pause_ms > PROVER_PAUSE_MAX_MS ? PROVER_PAUSE_MAX_MS : self->pause_ms;
    if (was_ready) {
        self->calls.died(self->calls.ctx, why, hung);
    }
}

static void handle_answer(prover_t *self, const json_t *answer)
{
    const char *is = json_string_value(json_object_get(answer, "is"));
    self->used_ms = clock_mono_ms();
    if (self->state == STATE_STARTING && is && strcmp(is, "hello") == 0) {
        self->state = STATE_READY;
        self->proven = true;
        self->wanted = false;
        self->calls.ready(self->calls.ctx);
        return;
    }
    self->pause_ms = PROVER_PAUSE_MIN_MS;
    self->owed -= self->owed > 0;
    pulse_beat(&self->pulse, self->used_ms);
    self->calls.answer(self->calls.ctx, answer);
}

static void on_socket(void *arg)
{
    prover_t *self = arg;
    struct lines_line line;
    int rc = LINES_OK;
    while (self->lines && (rc = lines_next(self->lines, &line)) == LINES_OK) {
        CLEANUP(cleanup_json)
        json_t *answer = line.cut ? NULL : json_loadb(line.text, line.size, 0, NULL);
        if (!json_is_object(answer)) {
            after_death(self, clock_mono_ms(), "it spoke what is no JSON object");
            return;
        }
        handle_answer(self, answer);
    }
    if (self->lines && rc != LINES_AGAIN) {
        /* Its end is closed: the process follows, or is ended by the deadline. */
        close_socket(self);
        self->deadline_ms = clock_mono_ms() + PROVER_END_MS;
    }
}

static void on_output(void *arg)
{
    prover_t *self = arg;
    struct lines_line line;
    int rc = LINES_OK;
    while ((rc = lines_next(self->output, &line)) == LINES_OK) {
        if (self->proven) {
            log_warning("prover says: %s", line.text);
        } else {
            log_debug("prover says: %s", line.text);
        }
    }
    if (rc != LINES_AGAIN) {
        watch_end(self->loop, child_output(self->child));
        lines_destroy(&self->output);
    }
}

static void on_end(void *arg)
{
    prover_t *self = arg;
    struct child_end end;
    char text[64];
    on_socket(self); /* answers that came before its end count */
    if (!self->child || child_reap(self->child, &end) != 0) {
        return;
    }
    child_end_text(&end, text, sizeof text);
    if (self->state == STATE_CLOSING) {
        go_off(self, STATE_OFF);
        return;
    }
    if (self->output) {
        on_output(self);
    }
    after_death(self, clock_mono_ms(), text);
}

static int spawn(prover_t *self, int fd)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%d", CHILD_FD);
    const char *argv[] = { self->setup.pythons[self->python], self->setup.script, "--fd", number,
                           NULL };
    struct child_pass pass = { .fd = fd, .as = CHILD_FD };
    struct child_spec spec = {
        .argv = argv,
        .env = self->setup.env,
        .pass = &pass,
        .pass_count = 1,
        .output = true,
        .own_group = true, /* an INT from a terminal is for us: it must finish its proofs */
    };
    return child_spawn(&spec, &self->child);
}

static json_t *hello(const prover_t *self)
{
    return json_pack("{s:s, s:i, s:s, s:s, s:i, s:I}", "do", "hello", "id", 0, "farm", self->farm,
                     "host", self->setup.host, "pid", (int)getpid(), "start",
                     (json_int_t)self->setup.start);
}

static void start(prover_t *self, int64_t now_ms)
{
    int pair[2];
    int rc = child_socketpair(pair);
    if (rc == 0) {
        rc = spawn(self, pair[1]);
        cleanup_fd(&pair[1]);
        self->fd = pair[0];
    }
    if (rc != 0) {
        cleanup_fd(&self->fd);
        after_death(self, now_ms, strerror(-rc));
        return;
    }
    self->state = STATE_STARTING;
    self->deadline_ms = now_ms + PROVER_START_MS;
    self->used_ms = now_ms;
    self->lines = lines_new(self->fd, LINES_CAP);
    self->output = lines_new(child_output(self->child), 65536);
    watch_fd(self->loop, self->fd, on_socket, self);
    watch_fd(self->loop, child_output(self->child), on_output, self);
    watch_fd(self->loop, child_pidfd(self->child), on_end, self);
    CLEANUP(cleanup_json) json_t *greeting = hello(self);
    (void)lines_send(self->fd, greeting, 0); /* a child that does not read shows by its silence */
}

bool prover_ready(prover_t *self, int64_t now_ms)
{
    if (self->state == STATE_OFF && self->farm[0]) {
        self->wanted = true;
        (void)prover_tick(self, true,
                          now_ms); /* the deadline is asked for again after each event */
    }
    return self->state == STATE_READY && self->fd >= 0;
}

void prover_ask(prover_t *self, json_t **request_p, int64_t stall_ms, int64_t now_ms)
{
    CLEANUP(cleanup_json) json_t *request = *request_p;
    *request_p = NULL;
    self->used_ms = now_ms;
    if (self->owed++ == 0) {
        const struct pulse_limits limits = { .stall_ms = stall_ms };
        pulse_begin(&self->pulse, child_pid(self->child), &limits, now_ms);
    }
    int rc = lines_send(self->fd, request, 0);
    if (rc != 0) {
        log_warning("ask prover: %s", strerror(-rc));
        child_terminate(self->child, SIGKILL); /* its end comes by the pidfd */
    }
}

void prover_close(prover_t *self, int64_t now_ms)
{
    self->wanted = false;
    if (self->child && self->state != STATE_CLOSING) {
        close_socket(self);
        self->state = STATE_CLOSING;
        self->deadline_ms = now_ms + PROVER_END_MS;
    }
}

/* Its end comes by the pidfd; if it does not, we go on without it. */
static int64_t tick_ending(prover_t *self, int64_t now_ms)
{
    if (now_ms < self->deadline_ms) {
        return self->deadline_ms;
    }
    if (!self->killed) {
        self->killed = true;
        child_terminate(self->child, SIGKILL);
        self->deadline_ms = now_ms + PROVER_END_MS;
        return self->deadline_ms;
    }
    bool closing = self->state == STATE_CLOSING;
    leave_behind(self);
    if (closing) {
        go_off(self, STATE_OFF);
    } else {
        after_death(self, now_ms, "no answer");
    }
    return now_ms;
}

static int64_t tick_ready(prover_t *self, int64_t now_ms)
{
    if (self->owed == 0) {
        return self->used_ms + PROVER_IDLE_MS;
    }
    if (pulse_check(&self->pulse, now_ms) == PULSE_ALIVE) {
        int64_t due = pulse_due_ms(&self->pulse);
        return due < self->used_ms + PROVER_IDLE_MS ? due : self->used_ms + PROVER_IDLE_MS;
    }
    log_error("the prover does not answer, and shows no sign of life, for %lld s: pid=%d",
              (long long)(self->pulse.limits.stall_ms / 1000), (int)child_pid(self->child));
    close_socket(self);
    self->state = STATE_HUNG;
    self->killed = false;
    self->deadline_ms = now_ms;
    return tick_ending(self, now_ms);
}

int64_t prover_tick(prover_t *self, bool held, int64_t now_ms)
{
    self->used_ms = held ? now_ms : self->used_ms;
    switch (self->state) {
    case STATE_OFF:
        if (!self->wanted) {
            return INT64_MAX;
        }
        if (now_ms < self->start_ms) {
            return self->start_ms;
        }
        start(self, now_ms);
        return self->state == STATE_STARTING ? self->deadline_ms : now_ms;
    case STATE_READY:
        if (self->fd >= 0 && now_ms < self->used_ms + PROVER_IDLE_MS) {
            return tick_ready(self, now_ms);
        }
        if (self->fd >= 0) {
            prover_close(self, now_ms);
        }
        break;
    case STATE_STARTING:
    case STATE_CLOSING:
    case STATE_HUNG:
        break;
    case STATE_BROKEN:
        return INT64_MAX;
    }
    return tick_ending(self, now_ms);
}
