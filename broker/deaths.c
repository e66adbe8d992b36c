#include "broker/deaths.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/log.h"

enum { WATCHED_MOST = 1024 };

struct watch {
    int64_t session;
    int pidfd;
};

struct deaths {
    int epoll;
    size_t count;
    struct watch watch[WATCHED_MOST];
};

deaths_t *deaths_new(void)
{
    deaths_t *self = alloc_zero(1, sizeof *self);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll < 0) {
        log_warning("watch workers: %s: a killed one is noticed when its lease is over",
                    strerror(errno));
    }
    return self;
}

void deaths_destroy(deaths_t **self_p)
{
    assert(self_p);
    deaths_t *self = *self_p;
    if (self) {
        for (size_t i = 0; i < self->count; i++) {
            cleanup_fd(&self->watch[i].pidfd);
        }
        cleanup_fd(&self->epoll);
        free(self);
        *self_p = NULL;
    }
}

int deaths_fd(const deaths_t *self)
{
    return self->epoll;
}

/* A process that has ended before, or a kernel that cannot tell, leaves nothing to watch. */
static int open_pidfd(int64_t pid)
{
    return pid > 0 && pid <= INT32_MAX ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
}

void deaths_watch(deaths_t *self, int64_t session, int64_t pid)
{
    deaths_forget(self, session);
    if (self->epoll < 0 || self->count == WATCHED_MOST) {
        return;
    }
    struct watch watch = { .session = session, .pidfd = open_pidfd(pid) };
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)session };
    if (watch.pidfd < 0 || epoll_ctl(self->epoll, EPOLL_CTL_ADD, watch.pidfd, &event) != 0) {
        log_debug("cannot watch process %" PRId64 ": %s", pid, strerror(errno));
        cleanup_fd(&watch.pidfd);
        return;
    }
    self->watch[self->count++] = watch;
}

/* Closed, a descriptor is out of the epoll set: nobody else has it. */
void deaths_forget(deaths_t *self, int64_t session)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->watch[i].session == session) {
            cleanup_fd(&self->watch[i].pidfd);
            self->watch[i] = self->watch[--self->count];
            return;
        }
    }
}

bool deaths_next(deaths_t *self, int64_t *session)
{
    struct epoll_event event;
    if (self->count == 0 || epoll_wait(self->epoll, &event, 1, 0) != 1) {
        return false;
    }
    *session = (int64_t)event.data.u64;
    deaths_forget(self, *session);
    return true;
}
