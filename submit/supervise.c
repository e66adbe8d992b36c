#include "submit/supervise.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/devices.h"
#include "submit/member.h"
#include "submit/program.h"
#include "submit/regroup.h"
#include "submit/say.h"

enum {
    BROKER_START_MS = 15000,
    WORKERS_START_MS = 15000,
    ATTEND_MS = 50,         /* a stop order is answered at once, the rest is of no interest */
    LOOK_MS = 2000,         /* between two looks at what others started */
    LEAVE_MS = 1000,        /* for the good-bye and the question who is left */
    ORDERED_LOOK_MS = 5000, /* is the broker still there that has told the workers? */
    NOW_GRACE_MS = 10000,   /* from `now` to KILL */
    END_GRACE_MS = 10000,   /* of inspector and broker, from TERM to KILL */
};

struct supervise {
    talk_t *talk; /* borrowed */
    const char *role;
    bool in_front;
    int epoll;
    int signals;
    int timer;
    int first_signal;
    bool ordered; /* by `dblend stop` */
    enum supervise_level level;
    bool started;  /* all that is to run has been started once */
    bool stopping; /* ends are expected: nothing is started again */
    bool only_if_none;
    bool held;               /* no workers yet */
    const struct crew *crew; /* borrowed */
    struct member **members; /* owned; broker and inspector are the first two */
    size_t count;
    json_t *devices;    /* owned; to be started when nobody else's workers are left */
    int64_t look_ms;    /* when to look again at what others started */
    regroup_t *regroup; /* of cards; NULL: they stay as they are */
    void (*news)(void *arg, const json_t *hello);
    void *news_arg;
    void (*caught)(void *arg); /* what the next INT does, or NULL */
    void *caught_arg;
    int watched; /* borrowed; -1: none */
    void (*ready)(void *arg);
    void *ready_arg;
};

static int64_t next_start_ms(const struct supervise *self)
{
    int64_t next_ms = -1;
    for (size_t i = 0; i < self->count && !self->stopping; i++) {
        int64_t at_ms = self->members[i]->start_at_ms;
        if (at_ms >= 0 && (next_ms < 0 || at_ms < next_ms)) {
            next_ms = at_ms;
        }
    }
    return next_ms;
}

static void set_timer(struct supervise *self)
{
    int64_t at_ms = next_start_ms(self);
    struct itimerspec when = { 0 };
    if (at_ms >= 0) {
        when.it_value.tv_sec = at_ms / 1000;
        when.it_value.tv_nsec = at_ms % 1000 * 1000000 + 1; /* 0 would switch it off */
    }
    (void)timerfd_settime(self->timer, TFD_TIMER_ABSTIME, &when, NULL); /* valid by construction */
}

static void watch_fd(struct supervise *self, int fd, void *about)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = about };
    (void)epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event); /* it is open and not in there yet */
}

static void raise_level(struct supervise *self, enum supervise_level level)
{
    if (level > self->level) {
        self->level = level;
    }
}

static void read_signals(struct supervise *self)
{
    struct signalfd_siginfo info;
    while (read(self->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (self->caught && info.ssi_signo == SIGINT) {
            self->caught(self->caught_arg);
            self->caught = NULL;
            continue;
        }
        self->first_signal = self->first_signal ? self->first_signal : (int)info.ssi_signo;
        raise_level(self, self->level == SUPERVISE_RUN ? SUPERVISE_SOFT : SUPERVISE_NOW);
    }
}

/* Start what is due. A broker is started only while nobody else's listens. */
static void start_due(struct supervise *self)
{
    int64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < self->count && !self->stopping; i++) {
        struct member *member = self->members[i];
        if (member->start_at_ms < 0 || member->start_at_ms > now_ms) {
            continue;
        }
        if (member->kind == MEMBER_BROKER && talk_is_broker(self->talk)) {
            member->start_at_ms = now_ms + LOOK_MS; /* somebody else's: look again later */
            continue;
        }
        if (member_start(member)) {
            watch_fd(self, child_pidfd(member->child), member);
        }
    }
}

static void bury(struct supervise *self, struct member *member)
{
    (void)epoll_ctl(self->epoll, EPOLL_CTL_DEL, child_pidfd(member->child), NULL); /* is in there */
    bool expected = self->stopping || self->level != SUPERVISE_RUN || member->retired;
    enum member_end end = member_bury(member, expected);
    if (self->regroup && !expected) {
        regroup_part(self->regroup, member, end); /* what is to follow is due later */
    }
    if (member->kind == MEMBER_BROKER && end == MEMBER_ENDED && !self->stopping) {
        raise_level(self, SUPERVISE_SOFT); /* somebody ended our broker: so ends the farm */
    }
}

static struct member *add_member(struct supervise *self, enum member_kind kind, const char *device)
{
    self->members = alloc_resize(self->members, self->count + 1, sizeof(struct member *));
    struct member *member = member_new(kind, device, talk_paths(self->talk), self->in_front);
    member->arguments = kind == MEMBER_WORKER      ? self->crew->workers.list
                        : kind == MEMBER_INSPECTOR ? self->crew->inspector.list
                                                   : NULL;
    self->members[self->count++] = member;
    return member;
}

static void add_workers(struct supervise *self, const json_t *devices)
{
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const char *device = json_string_value(json_array_get(devices, i));
        add_member(self, MEMBER_WORKER, device)->start_at_ms = 0;
    }
}

static void start_regrouped(struct supervise *self)
{
    if (!self->regroup || self->stopping || self->level != SUPERVISE_RUN) {
        return;
    }
    CLEANUP(cleanup_json)
    json_t *devices = regroup_due(self->regroup, self->members, self->count);
    if (devices) {
        self->count = regroup_drop(self->members, self->count);
        add_workers(self, devices);
    }
}

/* One round of what has happened; false if the stop level has risen. */
static bool work(void *arg)
{
    struct supervise *self = arg;
    enum supervise_level before = self->level;
    struct epoll_event events[16];
    int count = epoll_wait(self->epoll, events, 16, 0);
    for (int i = 0; i < count; i++) {
        void *about = events[i].data.ptr;
        if (about == &self->signals) {
            read_signals(self);
        } else if (about == &self->timer) {
            uint64_t times = 0;
            (void)!read(self->timer, &times, sizeof times); /* only to quiet it */
        } else if (about == &self->watched) {
            self->ready(self->ready_arg);
        } else {
            bury(self, about);
        }
    }
    start_regrouped(self);
    start_due(self);
    set_timer(self);
    return self->level <= before;
}

static bool open_descriptors(struct supervise *self)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return false;
    }
    self->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    self->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    return self->signals >= 0 && self->timer >= 0 && self->epoll >= 0;
}

void supervise_set_cards(supervise_t *self, const json_t *cards)
{
    self->regroup = regroup_new(cards);
}

void supervise_destroy(supervise_t **self_p)
{
    assert(self_p);
    struct supervise *self = *self_p;
    if (!self) {
        return;
    }
    talk_set_wake(self->talk, -1, NULL, NULL);
    talk_set_idle(self->talk, NULL, NULL);
    for (size_t i = 0; i < self->count; i++) {
        member_destroy(&self->members[i]);
    }
    free(self->members);
    json_decref(self->devices);
    regroup_destroy(&self->regroup);
    cleanup_fd(&self->epoll);
    cleanup_fd(&self->signals);
    cleanup_fd(&self->timer);
    free(self);
    *self_p = NULL;
}

static void start_now(struct supervise *self, struct member *member)
{
    if (!member->child && member->start_at_ms < 0) {
        member->start_at_ms = 0;
    }
    (void)work(self); /* a level that rises is seen by the caller */
}

/* Wait until a broker listens, ours or somebody else's. */
static int await_broker(struct supervise *self)
{
    int64_t deadline_ms = clock_mono_ms() + BROKER_START_MS;
    struct member *broker = self->members[0];
    while (!talk_is_broker(self->talk)) {
        if (talk_wait_fd(self->talk, -1, 20) == CLIENT_INTERRUPTED) {
            return COMMAND_FAILED;
        }
        if (!broker->child && broker->start_at_ms < 0) {
            return COMMAND_FAILED; /* it cannot run, and has been told why */
        }
        if (clock_mono_ms() > deadline_ms || broker->deaths > 1) {
            say_error("no broker comes up; see %s", broker->log ? broker->log : "above");
            return COMMAND_FAILED;
        }
    }
    broker->served = broker->child != NULL;
    return COMMAND_DONE;
}

static void start_workers(struct supervise *self)
{
    if (!self->in_front) {
        devices_tell(self->devices);
    }
    add_workers(self, self->devices);
    json_decref(self->devices);
    self->devices = NULL; /* each is started once; from then on it is a member */
    (void)work(self);     /* as in start_now */
}

/* Start what others do not have running (any more). */
static void complete(struct supervise *self)
{
    CLEANUP(cleanup_json) json_t *hello = NULL;
    if (self->level != SUPERVISE_RUN || talk_hello(self->talk, 5000, &hello) != CLIENT_OK) {
        return;
    }
    if (msg_int_or(hello, "inspectors", 0) == 0) {
        start_now(self, self->members[1]);
    }
    if (self->devices && !self->held &&
        (!self->only_if_none || msg_int_or(hello, "workers", 0) == 0)) {
        start_workers(self);
    }
    if (self->news) {
        self->news(self->news_arg, hello);
    }
}

static json_t *attend_request(const struct supervise *self)
{
    json_t *request = msg_new("ATTEND");
    msg_set_str(request, "role", self->role);
    msg_set_int(request, "pid", getpid());
    if (self->regroup && regroup_refuses(self->regroup)) {
        msg_set_bool(request, "groups", false);
    }
    return request;
}

/* The jobs that wait want groups of so many cards; 0: of whatever there is. */
static void regroup(struct supervise *self, int64_t size)
{
    CLEANUP(cleanup_json) json_t *workers = NULL;
    if (self->regroup && (size > 0 || regroup_any(self->members + 2, self->count - 2)) &&
        talk_workers(self->talk, &workers) == CLIENT_OK) {
        regroup_begin(self->regroup, self->members + 2, self->count - 2, workers, size);
    }
}

/* Say that we are here and hear whether to stop. */
static void say_here(struct supervise *self)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    int64_t group = 0;
    if (talk_ask(self->talk, attend_request(self), ATTEND_MS, &answer) == CLIENT_OK) {
        const char *stop = msg_str_or(answer, "stop", "");
        if (*stop) {
            self->ordered = true;
            raise_level(self, strcmp(stop, "now") == 0 ? SUPERVISE_NOW : SUPERVISE_SOFT);
        }
        group = msg_int_or(answer, "group", 0);
    }
    regroup(self, group);
}

void supervise_hold_workers(supervise_t *self)
{
    self->held = true;
}

void supervise_release_workers(supervise_t *self, const json_t *devices)
{
    self->held = false;
    if (self->devices) {
        json_decref(self->devices);
        self->devices = json_deep_copy(devices);
        complete(self);
    }
}

void supervise_notice(supervise_t *self, const char *text)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = attend_request(self);
    msg_set_str(request, "notice", text);
    (void)talk_ask(self->talk, request, LEAVE_MS, &answer); /* our own words say it, too */
}

void supervise_set_news(supervise_t *self, void (*news)(void *arg, const json_t *hello), void *arg)
{
    self->news = news;
    self->news_arg = arg;
}

void supervise_catch(supervise_t *self, void (*caught)(void *arg), void *arg)
{
    self->caught = caught;
    self->caught_arg = arg;
}

void supervise_watch(supervise_t *self, int fd, void (*ready)(void *arg), void *arg)
{
    if (self->watched >= 0) {
        (void)epoll_ctl(self->epoll, EPOLL_CTL_DEL, self->watched, NULL); /* it is in there */
    }
    self->watched = fd;
    self->ready = ready;
    self->ready_arg = arg;
    if (fd >= 0) {
        watch_fd(self, fd, &self->watched);
    }
}

/* About once a second, in the waits of the talk. */
static bool idle(void *arg)
{
    struct supervise *self = arg;
    enum supervise_level before = self->level;
    if (!self->started || self->stopping) {
        return true;
    }
    say_here(self);
    if (clock_mono_ms() >= self->look_ms && self->level == SUPERVISE_RUN) {
        self->look_ms = clock_mono_ms() + LOOK_MS;
        complete(self);
    }
    return self->level <= before;
}

supervise_t *supervise_new(talk_t *talk, const char *role, const struct crew *crew, bool in_front)
{
    supervise_t *self = alloc_zero(1, sizeof *self);
    self->talk = talk;
    self->crew = crew;
    self->role = role;
    self->in_front = in_front;
    self->epoll = self->signals = self->timer = self->watched = -1;
    if (!open_descriptors(self)) {
        say_error("signals and timers cannot be watched: %s", strerror(errno));
        supervise_destroy(&self);
        return NULL;
    }
    watch_fd(self, self->signals, &self->signals);
    watch_fd(self, self->timer, &self->timer);
    (void)add_member(self, MEMBER_BROKER, NULL);
    (void)add_member(self, MEMBER_INSPECTOR, NULL);
    talk_set_wake(talk, self->epoll, work, self);
    talk_set_idle(talk, idle, self);
    talk_set_quiet(talk, true);
    return self;
}

void supervise_stay(supervise_t *self)
{
    while (self->level == SUPERVISE_RUN) {
        (void)talk_wait_fd(self->talk, -1, LOOK_MS); /* the level says why it ended */
    }
}

int supervise_start(supervise_t *self, const json_t *devices, bool only_if_none)
{
    self->devices = json_deep_copy(devices);
    self->only_if_none = only_if_none;
    start_now(self, self->members[0]);
    int status = await_broker(self);
    if (status != COMMAND_DONE) {
        return status;
    }
    CLEANUP(cleanup_json) json_t *hello = NULL;
    if (talk_hello(self->talk, BROKER_START_MS, &hello) != CLIENT_OK) {
        return self->level == SUPERVISE_RUN ? talk_complain(self->talk, false) : COMMAND_FAILED;
    }
    say_here(self); /* before the workers, so that the broker knows whose they are */
    complete(self);
    self->look_ms = clock_mono_ms() + LOOK_MS;
    self->started = true;
    return COMMAND_DONE;
}

enum supervise_level supervise_level(const supervise_t *self)
{
    return self->level;
}

int supervise_signal(const supervise_t *self)
{
    return self->first_signal;
}

size_t supervise_workers(const supervise_t *self)
{
    size_t running = 0;
    for (size_t i = 2; i < self->count; i++) {
        running += self->members[i]->child != NULL;
    }
    return running;
}

/* How many of our workers the broker does not know yet; 0 also where it does not say. */
static size_t missing_workers(struct supervise *self)
{
    CLEANUP(cleanup_json) json_t *workers = NULL;
    size_t missing = 0;
    if (talk_workers(self->talk, &workers) != CLIENT_OK) {
        return 0;
    }
    for (size_t i = 2; i < self->count; i++) {
        bool died = !self->members[i]->child; /* that was told */
        missing += !died && !member_worker(self->members[i], workers);
    }
    return missing;
}

void supervise_await_workers(supervise_t *self)
{
    int64_t deadline_ms = clock_mono_ms() + WORKERS_START_MS;
    while (self->level == SUPERVISE_RUN && missing_workers(self) > 0 &&
           clock_mono_ms() < deadline_ms) {
        (void)talk_wait_fd(self->talk, -1, 50); /* a pause; what ends it is looked at */
    }
}

/* Wait until no member from..to runs, or the time (-1: none) is over, or the level rises. */
static bool await_end(struct supervise *self, size_t from, size_t to, int64_t timeout_ms)
{
    int64_t deadline_ms = timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
    for (;;) {
        size_t running = 0;
        for (size_t i = from; i < to; i++) {
            running += self->members[i]->child != NULL;
        }
        if (running == 0) {
            return true;
        }
        int64_t left_ms = deadline_ms < 0 ? 1000 : deadline_ms - clock_mono_ms();
        if (left_ms <= 0 || talk_wait_fd(self->talk, -1, left_ms) == CLIENT_INTERRUPTED) {
            return false;
        }
    }
}

static void signal_members(struct supervise *self, size_t from, size_t to, int number)
{
    for (size_t i = from; i < to; i++) {
        if (self->members[i]->child) {
            child_terminate(self->members[i]->child, number);
        }
    }
}

/* Say good-bye to the broker; true if another farm or render attends it still. */
static bool leave(struct supervise *self)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    CLEANUP(cleanup_json) json_t *hello = NULL;
    json_t *request = attend_request(self);
    msg_set_bool(request, "leave", true);
    return talk_ask(self->talk, request, LEAVE_MS, &answer) == CLIENT_OK &&
           talk_hello(self->talk, LEAVE_MS, &hello) == CLIENT_OK &&
           msg_int_or(hello, "attendants", 0) > 0;
}

/*
 * The end of the owner pipe means `at once`. A second TERM would mean it too, but two that are
 * pending at the same time are one.
 */
static void stop_at_once(struct supervise *self, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        cleanup_fd(&self->members[i]->owner);
    }
}

/*
 * A rise of the level makes workers that finish their frames give them back. Where `dblend stop`
 * is what stops us the broker tells them itself, and a TERM on top of that would be their second
 * order.
 */
static void stop_workers(struct supervise *self)
{
    while (self->ordered && self->level < SUPERVISE_NOW && talk_is_broker(self->talk)) {
        if (await_end(self, 2, self->count, ORDERED_LOOK_MS)) {
            return;
        }
    }
    signal_members(self, 2, self->count, SIGTERM);
    while (self->level < SUPERVISE_NOW) {
        if (await_end(self, 2, self->count, -1)) {
            return;
        }
    }
    stop_at_once(self, 2, self->count);
    int64_t deadline_ms = clock_mono_ms() + NOW_GRACE_MS;
    while (!await_end(self, 2, self->count, NOW_GRACE_MS) && clock_mono_ms() < deadline_ms) {
    }
    signal_members(self, 2, self->count, SIGKILL);
    (void)await_end(self, 2, self->count, END_GRACE_MS); /* a killed one ends */
}

void supervise_stop(supervise_t *self)
{
    self->stopping = true;
    set_timer(self);
    stop_workers(self);
    bool others = talk_is_broker(self->talk) && leave(self) && self->members[0]->child &&
                  !self->ordered && self->level < SUPERVISE_NOW;
    for (size_t i = 2; i-- > 0;) { /* the inspector first: it leaves with a last word */
        if (others && self->members[i]->child) {
            (void)epoll_ctl(self->epoll, EPOLL_CTL_DEL, child_pidfd(self->members[i]->child), NULL);
            member_disown(self->members[i]);
            continue;
        }
        signal_members(self, i, i + 1, SIGTERM);
        if (!await_end(self, i, i + 1, END_GRACE_MS)) {
            signal_members(self, i, i + 1, SIGKILL);
            (void)await_end(self, i, i + 1, END_GRACE_MS); /* a killed one ends */
        }
    }
}
