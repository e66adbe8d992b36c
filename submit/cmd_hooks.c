/*
 * dblend hooks - the process that runs the hooks; `farm' and `render' start it (steward.h)
 *
 * It follows the event log from its own start on and ends when the pipe from its owner does.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/log.h"
#include "proto/messages.h"
#include "proto/process.h"
#include "submit/command.h"
#include "submit/handover.h"
#include "submit/hook_facts.h"
#include "submit/hooks.h"
#include "submit/program.h"
#include "submit/settings.h"
#include "submit/talk.h"

enum {
    LIMIT_S = 30,
    LOOK_MS = 100,  /* for a broker, or for the end of another steward */
    PARK_MS = 5000, /* a LOG without news */
    ASK_MS = 2000,  /* whatever is asked once the owner has gone */
    PATIENCE_MS = 10000,
    PAGE = 500,
    LOOK_BACK = 200,       /* events before our first look at the log may be of our time, */
    LOOK_BACK_MAX = 10000, /* and so many if we had to wait */
};

struct steward {
    const char *role;
    pid_t owner;
    int64_t owner_start; /* see proto/process */
    talk_t *talk;
    hooks_t *hooks;
    int epoll;
    char since[CLOCK_TEXT_SIZE]; /* older events are not ours */
    int64_t last;                /* event; -1: the log was not looked at yet */
    int64_t before;  /* the last event that the steward before us has handled; 0: none */
    json_t *workers; /* names that were told to have started */
    json_t *saved;   /* what the next steward would find */
    bool open;       /* the end of the farm is still to come */
    bool busy;       /* the queue was not empty since the last on-queue-empty */
    bool empty;      /* it was seen to be so; was that the newest there is? */
    bool look;       /* that was not looked at since we took over */
    bool over;       /* the owner has gone */
    bool orderly;    /* it said so */
};

static json_t *facts_of(const struct steward *self, const json_t *event)
{
    return hook_facts(self->role, self->owner, event);
}

/* What the next steward is to find, had everything until now begun: handover.h. */
static json_t *state_of(const struct steward *self)
{
    return json_pack("{s:s, s:I, s:I, s:s, s:I, s:O, s:b, s:b}", "role", self->role, "owner",
                     (json_int_t)self->owner, "owner_start", (json_int_t)self->owner_start, "since",
                     self->since, "last", (json_int_t)(self->last >= 0 ? self->last : self->before),
                     "workers", self->workers, "busy", self->busy, "open", self->open);
}

static void add(struct steward *self, const char *name, json_t *facts)
{
    hooks_add(self->hooks, name, facts, state_of(self));
}

static void save(void *arg, const json_t *state)
{
    struct steward *self = arg;
    if (json_equal(state, self->saved)) {
        return;
    }
    int rc = handover_write(talk_paths(self->talk), state);
    if (rc != 0) {
        log_warning("hooks.json cannot be written: %s", strerror(-rc));
    }
    json_decref(self->saved);
    self->saved = json_deep_copy(state);
}

/* Nothing waits: all that has happened is behind us, also where there is no hook for it. */
static void save_all(struct steward *self)
{
    if (hooks_idle(self->hooks)) {
        CLEANUP(cleanup_json) json_t *state = state_of(self);
        save(self, state);
    }
}

static void owner_speaks(struct steward *self)
{
    char byte = 0;
    ssize_t size = read(PROGRAM_OWNER_FD, &byte, 1);
    self->orderly = self->orderly || (size == 1 && byte == 'e');
    if (size == 0 || (size < 0 && errno != EINTR && errno != EAGAIN)) {
        self->over = true;
        (void)epoll_ctl(self->epoll, EPOLL_CTL_DEL, PROGRAM_OWNER_FD, NULL); /* it is in there */
    }
}

/* What waits while the broker is asked: the owner and the hook that runs. */
static bool wake(void *arg)
{
    struct steward *self = arg;
    struct epoll_event events[2];
    bool before = self->over;
    int count = epoll_wait(self->epoll, events, 2, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == PROGRAM_OWNER_FD) {
            owner_speaks(self);
        }
    }
    (void)hooks_step(self->hooks, clock_mono_ms()); /* its deadline is kept by the idle call */
    return self->over == before;
}

/* An inspector has no device: it is no worker for people. */
static bool is_inspector(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash && strcmp(slash, "/none") == 0;
}

static void add_worker(struct steward *self, const json_t *event, bool there)
{
    const char *name = msg_str_or(event, "worker", "");
    if (is_inspector(name)) {
        return;
    }
    bool known = json_object_get(self->workers, name) != NULL;
    if (there == known) {
        return;
    }
    json_t *workers = json_copy(self->workers); /* states that wait hold the old one */
    if (there) {
        json_object_set_new(workers, name, json_true());
    } else {
        (void)json_object_del(workers, name); /* it is in there */
    }
    json_decref(self->workers);
    self->workers = workers;
    add(self, there ? "on-worker-start" : "on-worker-stop", facts_of(self, event));
}

/* Those of a job are asked of the broker, so only for a hook that is there. */
static void add_about(struct steward *self, const char *name, const json_t *event)
{
    if (hooks_has(self->hooks, name)) {
        json_t *facts = facts_of(self, event);
        hook_facts_job(facts, self->talk, event);
        add(self, name, facts);
    }
}

static void handle(struct steward *self, const json_t *event)
{
    const char *word = msg_str_or(event, "event", "");
    if (strcmp(word, "worker-started") == 0) {
        add_worker(self, event, true);
    } else if (strcmp(word, "worker-stopped") == 0 || strcmp(word, "worker-lost") == 0) {
        add_worker(self, event, false);
    } else if (strcmp(word, "frame-done") == 0) {
        add_about(self, "on-frame-done", event);
    } else if (strcmp(word, "job-done") == 0 || strcmp(word, "job-failed") == 0) {
        add_about(self, "on-job-done", event);
    }
}

/*
 * Something happened to a job, or (jobs false) nothing more since the queue was seen empty: only
 * then, for what the list says is newer than the events that were read.
 */
static void check_queue(struct steward *self, bool jobs)
{
    size_t left = 0;
    if (!jobs && self->empty) {
        self->busy = self->empty = false;
        add(self, "on-queue-empty", facts_of(self, NULL));
    } else if (jobs && hooks_has(self->hooks, "on-queue-empty") &&
               talk_work_left(self->talk, &left) == CLIENT_OK) {
        self->busy = self->busy || left > 0;
        self->empty = self->busy && left == 0;
    }
}

static void take_events(struct steward *self, const json_t *events)
{
    bool jobs = self->look;
    self->look = false;
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        const char *word = msg_str_or(event, "event", "");
        self->last = msg_int_or(event, "id", self->last);
        if (strcmp(msg_str_or(event, "time", ""), self->since) < 0) {
            continue;
        }
        handle(self, event);
        jobs = jobs || strncmp(word, "job-", 4) == 0;
        self->busy = self->busy || strcmp(word, "job-added") == 0;
    }
    check_queue(self, jobs);
}

/* One LOG; false: no broker answered, or the owner has gone. */
static bool ask_log(struct steward *self, int64_t wait_ms)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new("LOG");
    msg_set_int(request, "after", self->last);
    msg_set_int(request, "limit", PAGE);
    msg_set_int(request, "wait_ms", wait_ms);
    if (talk_ask(self->talk, request, wait_ms + ASK_MS, &answer) != CLIENT_OK) {
        return false;
    }
    take_events(self, msg_array_or_null(answer, "events"));
    self->last = msg_int_or(answer, "last", self->last);
    return true;
}

/*
 * Where to begin: our start may lie some events before the log's end of now, and what happened
 * while we waited for our turn may have been handled.
 */
static bool begin(struct steward *self)
{
    int64_t end = 0;
    if (talk_log_end(self->talk, &end) != CLIENT_OK) {
        return false;
    }
    bool follows = self->before <= end && end - self->before <= LOOK_BACK_MAX;
    self->last = follows ? self->before : end > LOOK_BACK ? end - LOOK_BACK : 0;
    return true;
}

static void follow(struct steward *self)
{
    while (!self->over) {
        bool asked = talk_is_broker(self->talk) && (self->last >= 0 || begin(self)) &&
                     ask_log(self, self->empty || self->look ? 0 : PARK_MS);
        if (!asked && !self->over) {
            (void)talk_wait_fd(self->talk, -1, LOOK_MS); /* a pause */
        }
        (void)hooks_step(self->hooks, clock_mono_ms()); /* as in wake */
        save_all(self);
    }
}

/* The end of a farm: ours, or one that ended without its steward. */
static void add_end(struct steward *self, const char *reason)
{
    CLEANUP(cleanup_json) json_t *left = self->workers;
    const char *name = NULL;
    json_t *value = NULL;
    json_incref(left);
    json_object_foreach(left, name, value)
    {
        CLEANUP(cleanup_json) json_t *event = json_pack("{s:s}", "worker", name);
        add_worker(self, event, false);
    }
    json_t *facts = facts_of(self, NULL);
    msg_set_str(facts, "reason", reason);
    self->open = false;
    add(self, "on-farm-stop", facts);
}

/* The broker may have had no time to tell us all. */
static void finish(struct steward *self)
{
    if (talk_is_broker(self->talk) && (self->last >= 0 || begin(self))) {
        bool asked = ask_log(self, 0); /* what it does not say any more is added here */
        if (asked && self->empty) {
            (void)ask_log(self, 0); /* the same */
        }
    }
    check_queue(self, false);
    add_end(self, self->orderly ? "stopped" : "died");
}

/* Run what is left. */
static void run_out(struct steward *self)
{
    while (!hooks_idle(self->hooks)) {
        int64_t due_ms = hooks_step(self->hooks, clock_mono_ms());
        int64_t left_ms = due_ms == INT64_MAX ? LOOK_MS : due_ms - clock_mono_ms();
        struct epoll_event event;
        if (!hooks_idle(self->hooks)) {
            (void)epoll_wait(hooks_fd(self->hooks), &event, 1,
                             left_ms > LOOK_MS ? LOOK_MS
                             : left_ms < 0     ? 0
                                               : (int)left_ms);
        }
    }
}

static bool idle(void *arg)
{
    struct steward *self = arg;
    (void)hooks_step(self->hooks, clock_mono_ms()); /* it is called about once a second */
    return true;
}

/* Its farm runs still: nobody shall see that another has the turn now. */
static void go_on(struct steward *self, const json_t *state)
{
    const json_t *workers = msg_map_or_null(state, "workers");
    (void)snprintf(self->since, sizeof self->since, "%s",
                   msg_str_or(state, "since", "")); /* fits */
    self->busy = msg_bool_or(state, "busy", false);
    self->look = self->busy;
    if (workers) {
        json_decref(self->workers);
        self->workers = json_deep_copy(workers);
    }
}

/* It has gone as its steward has: what its hooks have switched on is switched off first. */
static void end_theirs(const struct steward *self, const json_t *state)
{
    struct steward theirs = *self;
    theirs.role = msg_str_or(state, "role", "farm");
    theirs.owner = (pid_t)msg_int_or(state, "owner", 0);
    theirs.workers = json_deep_copy(msg_map_or_null(state, "workers"));
    add_end(&theirs, "died");
    json_decref(theirs.workers);
}

/* Our turn: of whom, and how far did they come? False: nothing is left to do. */
static bool take_over(struct steward *self)
{
    CLEANUP(cleanup_json) json_t *state = handover_read(talk_paths(self->talk));
    pid_t owner = (pid_t)msg_int_or(state, "owner", 0);
    bool open = msg_bool_or(state, "open", false);
    int64_t start = process_start(owner);
    bool lives = start >= 0 && start == msg_int_or(state, "owner_start", -1);
    self->before = msg_int_or(state, "last", 0);
    if (!open && lives && owner == self->owner) {
        return false; /* the one before us died in the last of its hooks */
    }
    self->open = true;
    if (open && lives) {
        go_on(self, state);
        return true;
    }
    if (open) {
        end_theirs(self, state);
    }
    add(self, "on-farm-start", facts_of(self, NULL));
    return true;
}

/* Only one of a home runs the hooks: wait until it is us, or the owner has gone. */
static int await_turn(struct steward *self)
{
    CLEANUP(cleanup_free)
    char *path = alloc_format("%s/hooks.lock", talk_paths(self->talk)->run);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        log_error("%s cannot be made: %s", path, strerror(errno));
        return -1;
    }
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)talk_wait_fd(self->talk, -1, LOOK_MS); /* a pause */
        if (self->over) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

static void watch(const struct steward *self, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        log_error("descriptor %d cannot be watched: %s", fd, strerror(errno));
    }
}

/* A signal for all processes of a session that ends must not keep us from the hooks of the end. */
static void ignore_signals(void)
{
    (void)signal(SIGINT, SIG_IGN); /* valid numbers */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
}

int cmd_hooks(int argc, char **argv)
{
    CLEANUP(talk_destroy) talk_t *talk = NULL;
    struct steward self = { .last = -1, .owner = getppid() };
    self.owner_start = process_start(self.owner);
    if (argc != 2 || fcntl(PROGRAM_OWNER_FD, F_SETFD, FD_CLOEXEC) != 0) {
        return COMMAND_USAGE; /* a person has nothing to do with it */
    }
    self.role = argv[1];
    ignore_signals();
    log_open("dblend-hooks", false);
    talk = talk_new();
    self.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!talk || self.epoll < 0) {
        return COMMAND_FAILED;
    }
    self.talk = talk;
    self.workers = json_object();
    self.hooks = hooks_new(talk_paths(talk)->config,
                           settings_ms(talk_paths(talk), "hook-limit", LIMIT_S, 1), save, &self);
    clock_rfc3339(clock_wall_ms(), self.since);
    watch(&self, PROGRAM_OWNER_FD);
    watch(&self, hooks_fd(self.hooks));
    talk_set_quiet(talk, true);
    talk_set_patience(talk, PATIENCE_MS);
    talk_set_wake(talk, self.epoll, wake, &self);
    talk_set_idle(talk, idle, &self);
    int lock = await_turn(&self);
    if (lock >= 0) {
        if (take_over(&self)) {
            follow(&self);
            finish(&self);
            run_out(&self);
            save_all(&self);
        }
    }
    cleanup_fd(&lock);
    cleanup_fd(&self.epoll);
    hooks_destroy(&self.hooks);
    json_decref(self.workers);
    json_decref(self.saved);
    return COMMAND_DONE;
}
