#include "proto/child_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/child.h"

/* After KILL: how long to wait for what does not die (a task in an uninterruptible sleep). */
#define GIVE_UP_MS 10000
#define LOOK_MS 20

struct keeper {
    pid_t program;
    int lifeline; /* -1 after its end */
    int signals;  /* signalfd of SIGCHLD */
    bool reaped;  /* the program itself has ended */
    int status;   /* of waitpid, once reaped */
};

static int64_t now_ms(void)
{
    struct timespec now = { 0 };
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void kill_group(const struct keeper *self, int number)
{
    (void)kill(-self->program, number); /* ESRCH: already gone */
}

/* Reap whatever has ended. True while there are children. */
static bool reap(struct keeper *self)
{
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0) {
            return true;
        }
        if (pid < 0 && errno != EINTR) {
            return false;
        }
        if (pid == self->program) {
            self->reaped = true;
            self->status = status;
        }
    }
}

/* Forget what the signalfd has to say: waitpid knows better. */
static void drain_signals(const struct keeper *self)
{
    struct signalfd_siginfo info;
    while (read(self->signals, &info, sizeof info) > 0) {
    }
}

/* A byte is a signal for the group, the end is the end of whoever started us. */
static void read_lifeline(struct keeper *self)
{
    unsigned char byte = 0;
    ssize_t size = read(self->lifeline, &byte, 1);
    if (size == 1) {
        if (!self->reaped) {
            kill_group(self, byte);
        }
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        (void)close(self->lifeline);
        self->lifeline = -1;
    }
}

static void wait_for_news(const struct keeper *self, int timeout_ms)
{
    struct pollfd items[] = {
        { .fd = self->signals, .events = POLLIN },
        { .fd = self->lifeline, .events = POLLIN }, /* poll ignores -1 */
    };
    (void)poll(items, 2, timeout_ms); /* whatever it says, both are looked at without waiting */
}

/* Send a signal to each number in text, a list with a blank after each. */
static void kill_numbers(const char *text, size_t size, int number)
{
    pid_t pid = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            pid = pid * 10 + (text[i] - '0');
        } else if (pid > 1) {
            (void)kill(pid, number);
            pid = 0;
        }
    }
}

/*
 * Our children, which nobody but us reaps, so no number can be another's. Who left the group
 * became our child when its parent died, for we are a subreaper. A list that is cut loses its
 * end only, and the next look finds that. False when the kernel has no such list.
 */
static bool kill_children(int number)
{
    char text[4096];
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t size = read(fd, text, sizeof text);
    if (size > 0) {
        kill_numbers(text, (size_t)size, number);
    }
    (void)close(fd);
    return true;
}

/* While the leader is not reaped the group's number is its own; later only by mischance not. */
static void kill_all(const struct keeper *self, int number)
{
    bool listed = kill_children(number);
    if (!self->reaped || !listed) {
        kill_group(self, number);
    }
}

/* Wait until no child is left, at most until the time. */
static bool wait_for_none(struct keeper *self, int64_t until_ms)
{
    while (reap(self)) {
        int64_t left_ms = until_ms - now_ms();
        if (left_ms <= 0) {
            return false;
        }
        wait_for_news(self, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
        drain_signals(self);
    }
    return true;
}

/* TERM, after the grace KILL, generation by generation: orphans come to us. */
static void end_all(struct keeper *self)
{
    if (!reap(self)) {
        return;
    }
    self->lifeline = -1; /* nothing more is heard */
    kill_all(self, SIGTERM);
    kill_all(self, SIGCONT); /* a stopped one would not see the TERM */
    if (wait_for_none(self, now_ms() + CHILD_GRACE_MS)) {
        return;
    }
    int64_t give_up_ms = now_ms() + GIVE_UP_MS;
    while (now_ms() < give_up_ms) {
        kill_all(self, SIGKILL);
        if (wait_for_none(self, now_ms() + LOOK_MS)) {
            return;
        }
    }
}

/* End as the program did, without a second core file. */
static void __attribute__((noreturn)) end_like(int status)
{
    if (WIFSIGNALED(status)) {
        const struct rlimit none = { 0, 0 };
        (void)setrlimit(RLIMIT_CORE, &none);
        struct sigaction action = { .sa_handler = SIG_DFL };
        (void)sigaction(WTERMSIG(status), &action, NULL); /* KILL cannot be set: good */
        sigset_t mask; /* this one alone: others may be pending */
        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, WTERMSIG(status));
        (void)sigprocmask(SIG_UNBLOCK, &mask, NULL);
        (void)kill(getpid(), WTERMSIG(status));
        _exit(128 + WTERMSIG(status)); /* a signal whose default is to go on */
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

void child_keep(pid_t program, int lifeline)
{
    struct keeper self = { .program = program, .lifeline = lifeline };
    struct sigaction action = { .sa_handler = SIG_DFL };
    (void)sigaction(SIGCHLD, &action, NULL); /* ignored, it would take the status from us */
    sigset_t mask;
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGCHLD);
    self.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    (void)reap(&self); /* what ended before the signalfd was there */
    while (!self.reaped && self.lifeline >= 0) {
        /* without a signalfd (no descriptor left) look now and then */
        wait_for_news(&self, self.signals < 0 ? LOOK_MS : -1);
        drain_signals(&self);
        (void)reap(&self);
        read_lifeline(&self);
    }
    end_all(&self);
    end_like(self.status);
}
