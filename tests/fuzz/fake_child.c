#include "tests/fuzz/fake_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "worker/scratch.h"
#include "worker/watch.h"

enum { WATCHED = 8, TURNS = 1000 };

struct child {
    int pidfd;
    int output; /* our end, -1 without */
    int print;  /* its end, -1 once closed */
    int script; /* its end of the socketpair, -1 once closed */
    bool ended;
    struct child_end end;
};

static struct child *child; /* at most one at a time */
static bool start_fails;
static int folders;
static struct {
    int fd; /* -1: free */
    watch_call handler;
    void *arg;
} watched[WATCHED];
static bool watched_ready;

/* ---- what the input does with it ---- */

static void put(int fd, const void *bytes, size_t size)
{
    if (fd >= 0) {
        ssize_t rc = write(fd, bytes, size);
        (void)rc; /* a full pipe, or nobody who reads: a child loses its words then, too */
    }
}

static void say(int fd, const char *line, size_t size)
{
    put(fd, line + 1, size - 1);
    if (line[0] == 'e' || line[0] == 'p') {
        put(fd, "\n", 1);
    }
}

static void end(uint8_t how)
{
    if (child->ended) {
        return;
    }
    child->ended = true;
    child->end = (struct child_end){ .signalled = how & 1, .code = how & 1 ? how >> 1 : how };
    cleanup_fd(&child->script);
    cleanup_fd(&child->print);
    (void)eventfd_write(child->pidfd, 1);
}

void fake_child_step(const char *line, size_t size)
{
    char what = line[0];
    if (what == 'f') {
        start_fails = strtoul(line + 1, NULL, 10) % 2 == 0;
    } else if (!child) {
        return;
    } else if (what == 'e' || what == 'E') {
        say(child->script, line, size);
    } else if (what == 'p' || what == 'P') {
        say(child->print, line, size);
    } else if (what == 'x') {
        cleanup_fd(&child->script);
    } else if (what == 'X') {
        cleanup_fd(&child->print);
    } else if (what == 'd') {
        end((uint8_t)strtoul(line + 1, NULL, 10));
    }
}

static bool readable(int fd)
{
    struct pollfd item = { .fd = fd, .events = POLLIN };
    return poll(&item, 1, 0) > 0;
}

void fake_child_turn(void)
{
    bool again = true;
    for (int turn = 0; again; turn++) {
        FUZZ_CHECK(turn < TURNS, "a descriptor stays readable");
        again = false;
        for (size_t i = 0; watched_ready && i < WATCHED && !again; i++) {
            if (watched[i].fd >= 0 && readable(watched[i].fd)) {
                watched[i].handler(watched[i].arg); /* may end any of them: begin anew */
                again = true;
            }
        }
    }
}

char *fake_child_heard(void)
{
    char bytes[16384];
    ssize_t size =
        child && child->script >= 0 ? recv(child->script, bytes, sizeof bytes, MSG_DONTWAIT) : 0;
    return size > 0 ? alloc_bytes(bytes, (size_t)size) : NULL;
}

bool fake_child_runs(void)
{
    return child != NULL;
}

void fake_child_check_gone(void)
{
    FUZZ_CHECK(!child, "the child is still there");
    FUZZ_CHECK(folders == 0, "%d temporary folders are left", folders);
    for (size_t i = 0; watched_ready && i < WATCHED; i++) {
        FUZZ_CHECK(watched[i].fd < 0, "a descriptor is still watched");
    }
    start_fails = false;
}

/* ---- proto/child.h ---- */

int child_spawn(const struct child_spec *spec, child_t **out)
{
    int pipes[2];
    FUZZ_CHECK(!child, "two children at once");
    FUZZ_CHECK(spec->argv[0] && spec->pass_count == 1 && spec->output, "another kind of child");
    if (start_fails) {
        return -ENOENT;
    }
    FUZZ_CHECK(pipe2(pipes, O_NONBLOCK | O_CLOEXEC) == 0, "no pipe");
    child = alloc_zero(1, sizeof *child);
    child->output = pipes[0];
    child->print = pipes[1];
    child->script = fcntl(spec->pass[0].fd, F_DUPFD_CLOEXEC, 0);
    child->pidfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *out = child;
    return 0;
}

void child_destroy(child_t **self_p)
{
    if (*self_p) {
        FUZZ_CHECK(*self_p == child, "another child");
        cleanup_fd(&child->pidfd);
        cleanup_fd(&child->output);
        cleanup_fd(&child->print);
        cleanup_fd(&child->script);
        free(child);
        child = NULL;
        *self_p = NULL;
    }
}

pid_t child_pid(const child_t *self)
{
    return self ? INT32_MAX : -1; /* nobody: /proc knows nothing of it */
}

int child_pidfd(const child_t *self)
{
    return self->pidfd;
}

int child_output(const child_t *self)
{
    return self->output;
}

void child_terminate(child_t *self, int number)
{
    (void)self; /* the one there is */
    if (number == SIGKILL) {
        end(SIGKILL << 1 | 1);
    }
}

int child_wait(child_t *self, int timeout_ms, struct child_end *out)
{
    (void)timeout_ms;
    return child_reap(self, out);
}

void child_release(child_t **self_p)
{
    child_destroy(self_p);
}

int child_reap(child_t *self, struct child_end *out)
{
    if (!self->ended) {
        return CHILD_RUNNING;
    }
    *out = self->end;
    return CHILD_OK;
}

void child_end_text(const struct child_end *end, char *out, size_t size)
{
    (void)snprintf(out, size, "%s %d", end->signalled ? "signal" : "exit", end->code);
}

int child_socketpair(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0 ? 0
                                                                                         : -errno;
}

/* ---- worker/watch.h ---- */

void watch_fd(zloop_t *loop, int fd, watch_call handler, void *arg)
{
    (void)loop;
    for (size_t i = 0; !watched_ready && i < WATCHED; i++) {
        watched[i].fd = -1;
    }
    watched_ready = true;
    for (size_t i = 0; i < WATCHED; i++) {
        if (watched[i].fd < 0) {
            watched[i].fd = fd;
            watched[i].handler = handler;
            watched[i].arg = arg;
            return;
        }
    }
    FUZZ_CHECK(false, "too many descriptors");
}

void watch_end(zloop_t *loop, int fd)
{
    (void)loop;
    for (size_t i = 0; i < WATCHED; i++) {
        if (watched_ready && watched[i].fd == fd) {
            watched[i].fd = -1;
        }
    }
}

void watch_after(watch_call after, void *arg)
{
    (void)after;
    (void)arg;
}

void watch_turn(void)
{
}

/* ---- worker/scratch.h ---- */

int scratch_make(char **out)
{
    *out = alloc_text("/nowhere");
    folders++;
    return 0;
}

void scratch_remove(char **path_p)
{
    folders -= *path_p != NULL;
    cleanup_free(path_p);
}

void scratch_sweep(void)
{
}
