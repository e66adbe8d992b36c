#include "worker/blender.h"

#include <errno.h>
#include <signal.h>
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
#include "worker/complaint.h"
#include "worker/oom.h"
#include "worker/pin.h"
#include "worker/proc.h"
#include "worker/scratch.h"
#include "worker/watch.h"

enum {
    CHILD_FD = 3,
    LAST_LINES = 50,
    LAST_BYTES = 2500,
    PRINTS_A_TURN = 2000, /* lines: one that prints without end must not keep us from the rest */
    PRINTS_AT_ANSWER = 70000, /* a whole pipe of empty lines */
    PRINTS_REST_MS = 100,     /* between two looks at what it prints, */
    PRINTS_MANY = 16384,      /* bytes: unless it printed so much that its pipe may be full soon */
};

#define BIT(state) (1U << (state))
#define ALIVE_NEXT (BIT(BLENDER_CLOSING) | BIT(BLENDER_OFF))

static const unsigned moves[] = {
    [BLENDER_OFF] = BIT(BLENDER_STARTING),
    [BLENDER_STARTING] = BIT(BLENDER_IDLE) | ALIVE_NEXT,
    [BLENDER_IDLE] =
        BIT(BLENDER_OPENING) | BIT(BLENDER_INSPECTING) | BIT(BLENDER_RENDERING) | ALIVE_NEXT,
    [BLENDER_OPENING] = BIT(BLENDER_IDLE) | ALIVE_NEXT,
    [BLENDER_INSPECTING] = BIT(BLENDER_IDLE) | ALIVE_NEXT,
    [BLENDER_RENDERING] = BIT(BLENDER_IDLE) | ALIVE_NEXT,
    [BLENDER_CLOSING] = BIT(BLENDER_OFF),
};
_Static_assert(sizeof moves / sizeof *moves == BLENDER_STATES, "one row a state");

static const char *const state_names[] = {
    "off", "starting", "idle", "opening", "inspecting", "rendering", "closing",
};
_Static_assert(sizeof state_names / sizeof *state_names == BLENDER_STATES, "one name a state");

struct blender {
    zloop_t *loop;
    struct blender_setup setup;
    struct blender_calls calls;
    enum blender_state state;
    const struct blender_info *wanted;  /* NULL: none */
    const struct blender_info *running; /* of the process */
    child_t *child;
    char *folder;    /* its TMPDIR */
    int fd;          /* our end of the socketpair, -1 when closed */
    lines_t *events; /* what autorender says */
    lines_t *prints; /* what Blender prints; NULL after its end */
    output_t *output;
    struct phase phase;
    struct pulse pulse;
    enum blender_state during; /* before it began to close, for blender_end */
    const char *verdict;       /* why we ended it: a code, or NULL when nothing was wrong */
    char verdict_text[160];
    bool killed;       /* KILL was sent after TERM */
    int64_t oom_kills; /* when its process began */
    int64_t command;   /* id of the last command */
    int64_t prints_ms; /* when what it prints is read next */
    int64_t start_ms, pause_ms;
    int64_t deadline_ms; /* of "ready", or of KILL */
};

blender_t *blender_new(zloop_t *loop, const struct blender_setup *setup,
                       const struct blender_calls *calls)
{
    blender_t *self = alloc_zero(1, sizeof *self);
    self->loop = loop;
    self->setup = *setup;
    self->calls = *calls;
    self->fd = -1;
    self->output = output_new();
    self->pause_ms = BLENDER_PAUSE_MIN_MS;
    return self;
}

static void move(blender_t *self, enum blender_state to)
{
    if (!(moves[self->state] & BIT(to))) {
        log_error("blender: no move from %s to %s", state_names[self->state], state_names[to]);
        abort(); /* ours alone: no input leads here */
    }
    log_debug("blender: %s -> %s", state_names[self->state], state_names[to]);
    self->state = to;
}

static void close_events(blender_t *self)
{
    if (self->fd >= 0) {
        watch_end(self->loop, self->fd);
        lines_destroy(&self->events);
        cleanup_fd(&self->fd);
    }
}

static void release(blender_t *self)
{
    close_events(self);
    if (self->child) {
        lines_destroy(&self->prints);
        watch_end(self->loop, child_pidfd(self->child));
        child_destroy(&self->child);
    }
    scratch_remove(&self->folder);
}

void blender_destroy(blender_t **self_p)
{
    if (*self_p) {
        release(*self_p);
        output_destroy(&(*self_p)->output);
        free(*self_p);
        *self_p = NULL;
    }
}

/* TERM now, KILL later; code NULL: nothing was wrong with it. */
static void end_it(blender_t *self, const char *code, const char *text, int64_t now_ms)
{
    if (!self->child || self->state == BLENDER_CLOSING) {
        return;
    }
    self->during = self->state;
    self->verdict = code;
    (void)snprintf(self->verdict_text, sizeof self->verdict_text, "%s", text);
    self->killed = false;
    move(self, BLENDER_CLOSING);
    close_events(self);
    child_terminate(self->child, SIGTERM);
    self->deadline_ms = now_ms + BLENDER_GRACE_MS;
}

void blender_want(blender_t *self, const struct blender_info *info, int64_t now_ms)
{
    self->wanted = info;
    if (self->child && self->running != info) {
        end_it(self, NULL, "another one is wanted", now_ms);
    }
}

void blender_restart(blender_t *self, const char *reason, int64_t now_ms)
{
    if (self->child && self->state != BLENDER_CLOSING) {
        log_info("end blender: pid=%d: %s", (int)child_pid(self->child), reason);
        end_it(self, NULL, reason, now_ms);
    }
}

/* Returns how many bytes it had printed. */
static size_t read_prints(blender_t *self, int most)
{
    struct lines_line line;
    size_t bytes = 0;
    int rc = LINES_OK;
    while (most-- > 0 && (rc = lines_next(self->prints, &line)) == LINES_OK) {
        bytes += line.size + 1;
        output_add(self->output, line.text, line.size);
        pulse_beat(&self->pulse, clock_mono_ms());
        if (self->state == BLENDER_RENDERING && phase_parse(line.text, &self->phase)) {
            self->calls.changed(self->calls.ctx);
        }
    }
    if (rc != LINES_OK && rc != LINES_AGAIN) {
        lines_destroy(&self->prints);
    }
    return bytes;
}

/* On a timer, not line by line: a small frame prints ten lines, and to wake for each would take the
 * core away from Blender. What belongs to an attempt is read before its answer is handled. */
static int64_t tick_prints(blender_t *self, int64_t now_ms)
{
    if (self->prints && now_ms >= self->prints_ms) {
        bool many = read_prints(self, PRINTS_A_TURN) >= PRINTS_MANY;
        self->prints_ms = now_ms + (many ? 1 : PRINTS_REST_MS);
    }
    return self->prints && self->state != BLENDER_IDLE ? self->prints_ms : INT64_MAX;
}

static void handle_answer(blender_t *self, const json_t *answer, const char *event)
{
    if (strcmp(event, "ready") == 0 && self->state == BLENDER_STARTING) {
        move(self, BLENDER_IDLE);
        log_info("blender is ready: pid=%d version=%s", (int)child_pid(self->child),
                 self->running->version);
        self->calls.changed(self->calls.ctx);
        return;
    }
    bool busy = self->state == BLENDER_OPENING || self->state == BLENDER_INSPECTING ||
                self->state == BLENDER_RENDERING;
    if (!busy || json_integer_value(json_object_get(answer, "id")) != self->command) {
        return; /* an answer that nobody waits for */
    }
    if (self->prints) {
        (void)read_prints(self,
                          PRINTS_AT_ANSWER); /* what it printed before belongs to this attempt */
    }
    move(self, BLENDER_IDLE);
    self->calls.answer(self->calls.ctx, answer);
}

static void on_events(void *arg)
{
    blender_t *self = arg;
    struct lines_line line;
    int rc = LINES_OK;
    while (self->events && (rc = lines_next(self->events, &line)) == LINES_OK) {
        CLEANUP(cleanup_json)
        json_t *answer = line.cut ? NULL : json_loadb(line.text, line.size, 0, NULL);
        const char *event = json_string_value(json_object_get(answer, "event"));
        pulse_beat(&self->pulse, clock_mono_ms());
        if (!event) {
            log_warning("blender: a line on its socket is no event");
            end_it(self, "crashed", "its script sent what nobody understands", clock_mono_ms());
            return;
        }
        handle_answer(self, answer, event);
    }
    if (self->events && rc != LINES_AGAIN) {
        close_events(self);
        if (self->state != BLENDER_CLOSING) {
            /* Without its script it is of no use; most likely its end is on the way. */
            self->deadline_ms = clock_mono_ms() + BLENDER_GRACE_MS;
            pulse_stop(&self->pulse, self->deadline_ms);
        }
    }
}

/* A code for an end that nobody wished for. */
static void judge(blender_t *self, const struct child_end *end, struct blender_end *out)
{
    static char text[4096];
    char how[64];
    struct complaint complaint;
    CLEANUP(cleanup_free) char *last = output_last(self->output, LAST_LINES, LAST_BYTES);
    child_end_text(end, how, sizeof how);
    out->during = self->during;
    complaint_of_end(end, oom_kills() > self->oom_kills, last, &complaint);
    out->code = self->verdict ? self->verdict : complaint.code;
    out->hint = complaint.hint;
    (void)snprintf(text, sizeof text, "Blender %s: %s%s%s%s", self->running->version,
                   self->verdict ? self->verdict_text : "it ended with ", self->verdict ? "" : how,
                   last[0] ? "; its last lines:\n" : "", last);
    out->text = text;
}

static void plan_next(blender_t *self, bool orderly, int64_t now_ms)
{
    self->start_ms = now_ms;
    if (!orderly) {
        self->start_ms += self->pause_ms;
        self->pause_ms *= 2;
        self->pause_ms =
            self->pause_ms > BLENDER_PAUSE_MAX_MS ? BLENDER_PAUSE_MAX_MS : self->pause_ms;
    }
}

static void on_end(void *arg)
{
    blender_t *self = arg;
    struct child_end end;
    struct blender_end told = { .code = NULL };
    if (self->events) {
        on_events(self); /* an answer that came before its end counts */
    }
    if (child_reap(self->child, &end) != 0) {
        return;
    }
    if (self->prints) {
        (void)read_prints(self, PRINTS_AT_ANSWER);
    }
    bool orderly = self->state == BLENDER_CLOSING && !self->verdict;
    if (self->state != BLENDER_CLOSING) {
        self->during = self->state;
        self->verdict = NULL;
    }
    if (!orderly) {
        judge(self, &end, &told);
        log_warning("blender ended: pid=%d during=%s code=%s", (int)child_pid(self->child),
                    state_names[told.during], told.code);
    }
    release(self);
    move(self, BLENDER_OFF);
    plan_next(self, orderly, clock_mono_ms());
    if (!orderly) {
        self->calls.ended(self->calls.ctx, &told);
    }
    self->calls.changed(self->calls.ctx);
}

/* The arguments of a Blender program, or of a Python that imports bpy. */
static void list_arguments(const blender_t *self, const char *threads, const char *number,
                           const char **argv)
{
    size_t count = 0;
    argv[count++] = self->wanted->path;
    if (!self->wanted->module) {
        argv[count++] = "--background";
        if (self->setup.factory) {
            argv[count++] = "--factory-startup";
        }
        if (self->setup.threads > 0) {
            argv[count++] = "-t";
            argv[count++] = threads;
        }
        argv[count++] = "--disable-autoexec";
        argv[count++] = "--python-exit-code";
        argv[count++] = "9";
        argv[count++] = "--python";
    }
    argv[count++] = self->setup.script;
    argv[count++] = "--";
    argv[count++] = "--fd";
    argv[count++] = number;
    argv[count] = NULL;
}

static int spawn(blender_t *self, int fd)
{
    char number[16];
    char threads[16];
    char thread_env[32];
    const char *argv[20];
    const char *env[16];
    size_t extras = 0;
    CLEANUP(cleanup_free) char *temp = alloc_format("TMPDIR=%s", self->folder);
    CLEANUP(cleanup_free) char *pass_env = alloc_format("DBLEND_FD=%d", CHILD_FD);
    (void)snprintf(number, sizeof number, "%d", CHILD_FD);
    (void)snprintf(threads, sizeof threads, "%d", self->setup.threads);
    (void)snprintf(thread_env, sizeof thread_env, "DBLEND_THREADS=%d", self->setup.threads);
    list_arguments(self, threads, number, argv);
    env[extras++] = temp;
    env[extras++] = pass_env;
    env[extras++] = self->wanted->module ? thread_env : "DBLEND_THREADS"; /* else removed */
    for (size_t i = 0; self->setup.env && self->setup.env[i] && extras < 15; i++) {
        env[extras++] = self->setup.env[i];
    }
    env[extras] = NULL;
    struct child_pass pass = { .fd = fd, .as = CHILD_FD };
    struct child_spec spec = {
        .argv = argv,
        .env = env,
        .pass = &pass,
        .pass_count = 1,
        .output = true,
        .keeper = true,
        .nice = PIN_NICE,
    };
    return child_spawn(&spec, &self->child);
}

static int start_child(blender_t *self)
{
    int pair[2];
    int rc = scratch_make(&self->folder);
    if (rc != 0) {
        return rc;
    }
    rc = child_socketpair(pair);
    if (rc != 0) {
        return rc;
    }
    rc = spawn(self, pair[1]);
    cleanup_fd(&pair[1]);
    if (rc != 0) {
        cleanup_fd(&pair[0]);
        return rc;
    }
    self->fd = pair[0];
    return 0;
}

static void start(blender_t *self, int64_t now_ms)
{
    int rc = start_child(self);
    if (rc != 0) {
        log_error("start blender: path=\"%s\": %s", self->wanted->path, strerror(-rc));
        scratch_remove(&self->folder);
        self->pause_ms = BLENDER_PAUSE_MAX_MS;
        plan_next(self, false, now_ms);
        return;
    }
    self->running = self->wanted;
    self->verdict = NULL;
    self->oom_kills = oom_kills();
    output_clear(self->output);
    phase_set(&self->phase, "");
    move(self, BLENDER_STARTING);
    self->deadline_ms = now_ms + BLENDER_START_MS;
    self->events = lines_new(self->fd, LINES_CAP);
    self->prints = lines_new(child_output(self->child), BLENDER_LINE_BYTES);
    watch_fd(self->loop, self->fd, on_events, self);
    watch_fd(self->loop, child_pidfd(self->child), on_end, self);
    log_debug("start blender: pid=%d path=\"%s\"", (int)child_pid(self->child),
              self->running->path);
}

static enum blender_state state_of_command(const json_t *command)
{
    const char *word = json_string_value(json_object_get(command, "do"));
    if (word && strcmp(word, "render") == 0) {
        return BLENDER_RENDERING;
    }
    return word && strcmp(word, "inspect") == 0 ? BLENDER_INSPECTING : BLENDER_OPENING;
}

void blender_command(blender_t *self, json_t **command_p, const struct pulse_limits *limits,
                     int64_t now_ms)
{
    CLEANUP(cleanup_json) json_t *command = *command_p;
    *command_p = NULL;
    json_object_set_new(command, "id", json_integer(++self->command));
    move(self, state_of_command(command));
    phase_set(&self->phase, self->state == BLENDER_OPENING      ? "opening"
                            : self->state == BLENDER_INSPECTING ? "inspecting"
                                                                : "rendering");
    pulse_begin(&self->pulse, child_pid(self->child), limits, now_ms);
    int rc = self->fd >= 0 ? lines_send(self->fd, command, 0) : -EPIPE;
    if (rc != 0) {
        log_warning("command blender: %s", strerror(-rc));
        end_it(self, "crashed", "it does not take commands any more", now_ms);
    }
}

enum blender_state blender_state(const blender_t *self)
{
    return self->state;
}

const char *blender_state_name(enum blender_state state)
{
    return state_names[state];
}

const struct blender_info *blender_info(const blender_t *self)
{
    return self->child ? self->running : self->wanted;
}

bool blender_off(const blender_t *self)
{
    return self->child == NULL;
}

output_t *blender_output(blender_t *self)
{
    return self->output;
}

void blender_mark(blender_t *self)
{
    output_clear(self->output);
}

const struct phase *blender_phase(const blender_t *self)
{
    return &self->phase;
}

pid_t blender_pid(const blender_t *self)
{
    return self->child ? child_pid(self->child) : 0;
}

void blender_works(blender_t *self, int64_t at_ms)
{
    if (at_ms > self->pulse.beat_ms) {
        pulse_beat(&self->pulse, at_ms);
    }
}

int64_t blender_rss_bytes(const blender_t *self)
{
    return self->child ? proc_rss_bytes(child_pid(self->child)) : 0;
}

void blender_praise(blender_t *self)
{
    self->pause_ms = BLENDER_PAUSE_MIN_MS;
}

static int64_t tick_closing(blender_t *self, int64_t now_ms)
{
    if (self->killed) {
        return INT64_MAX;
    }
    if (now_ms < self->deadline_ms) {
        return self->deadline_ms;
    }
    self->killed = true;
    child_terminate(self->child, SIGKILL);
    return INT64_MAX;
}

static int64_t tick_busy(blender_t *self, int64_t now_ms)
{
    char text[160];
    const struct pulse_limits *limits = &self->pulse.limits;
    switch (pulse_check(&self->pulse, now_ms)) {
    case PULSE_ALIVE:
        return pulse_due_ms(&self->pulse);
    case PULSE_TOO_LONG:
        (void)snprintf(text, sizeof text, "the frame took longer than the %lld s of its limit",
                       (long long)(limits->most_ms / 1000));
        end_it(self, "too-long", text, now_ms);
        break;
    case PULSE_STALLED:
        (void)snprintf(text, sizeof text, "no line, no processor time and no I/O for %lld s",
                       (long long)(limits->stall_ms / 1000));
        end_it(self, self->fd >= 0 ? "stalled" : "crashed",
               self->fd >= 0 ? text : "its script is gone", now_ms);
        break;
    }
    return self->deadline_ms;
}

static int64_t tick_state(blender_t *self, int64_t now_ms)
{
    switch (self->state) {
    case BLENDER_OFF:
        if (!self->wanted) {
            return INT64_MAX;
        }
        if (now_ms < self->start_ms) {
            return self->start_ms;
        }
        start(self, now_ms);
        return self->state == BLENDER_OFF ? self->start_ms : self->deadline_ms;
    case BLENDER_STARTING:
        if (now_ms < self->deadline_ms) {
            return self->deadline_ms;
        }
        end_it(self, "stalled", "it did not get ready in time", now_ms);
        return self->deadline_ms;
    case BLENDER_IDLE:
        if (self->fd >= 0) {
            return INT64_MAX;
        }
        if (now_ms >= self->deadline_ms) {
            end_it(self, "crashed", "its script is gone", now_ms);
        }
        return self->deadline_ms;
    case BLENDER_OPENING:
    case BLENDER_INSPECTING:
    case BLENDER_RENDERING:
        return tick_busy(self, now_ms);
    case BLENDER_CLOSING:
        return tick_closing(self, now_ms);
    case BLENDER_STATES:
        break;
    }
    return INT64_MAX;
}

int64_t blender_tick(blender_t *self, int64_t now_ms)
{
    int64_t prints = tick_prints(self, now_ms);
    int64_t state = tick_state(self, now_ms);
    return prints < state ? prints : state;
}
