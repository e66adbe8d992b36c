#include "tests/bench/engine.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/alloc.h"

enum {
    EVENTS = 256,
    READ_BYTES = 65536,
};

struct lane {
    int fd;
    void *peer;
    bool waits;   /* for an answer */
    bool blocked; /* the request is not all written */
    int64_t asked_ns;
    msgpack_sbuffer out;
    size_t sent;
    msgpack_sbuffer in;
};

struct engine {
    struct engine_talk talk;
    int epoll;
    struct lane **lanes;
    size_t count;
    struct tally tally;
};

void engine_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("bench: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

/* ---- opening ---- */

engine_t *engine_new(const struct engine_talk *talk)
{
    engine_t *self = alloc_zero(1, sizeof *self);
    self->talk = *talk;
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll < 0) {
        engine_die("epoll: %s", strerror(errno));
    }
    tally_begin(&self->tally);
    return self;
}

void engine_destroy(engine_t **self_p)
{
    assert(self_p);
    engine_t *self = *self_p;
    if (self) {
        for (size_t i = 0; i < self->count; i++) {
            struct lane *lane = self->lanes[i];
            (void)close(lane->fd);
            msgpack_sbuffer_destroy(&lane->in);
            msgpack_sbuffer_destroy(&lane->out);
            free(lane);
        }
        (void)close(self->epoll);
        free(self->lanes);
        free(self);
        *self_p = NULL;
    }
}

static int connect_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        engine_die("connect %s: %s", path, strerror(errno));
    }
    return fd;
}

static int connect_tcp(const char *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) },
        .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        engine_die("connect to port %s: %s", port, strerror(errno));
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* slower without, no worse */
    return fd;
}

void engine_add(engine_t *self, const char *where, void *peer)
{
    struct lane *lane = alloc_zero(1, sizeof *lane);
    const char *path = strncmp(where, "ipc://", 6) == 0  ? where + 6
                       : strncmp(where, "unix:", 5) == 0 ? where + 5
                                                         : NULL;
    lane->fd = path ? connect_unix(path) : connect_tcp(where);
    lane->peer = peer;
    msgpack_sbuffer_init(&lane->out);
    msgpack_sbuffer_init(&lane->in);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = lane };
    if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, lane->fd, &event) != 0) {
        engine_die("epoll: %s", strerror(errno));
    }
    self->lanes = alloc_resize(self->lanes, self->count + 1, sizeof(void *));
    self->lanes[self->count++] = lane;
}

struct tally *engine_tally(engine_t *self)
{
    return &self->tally;
}

/* ---- asking and hearing ---- */

static void watch(engine_t *self, struct lane *lane, bool blocked)
{
    if (lane->blocked != blocked) {
        lane->blocked = blocked;
        struct epoll_event event = {
            .events = EPOLLIN | (blocked ? EPOLLOUT : 0),
            .data.ptr = lane,
        };
        (void)epoll_ctl(self->epoll, EPOLL_CTL_MOD, lane->fd, &event); /* it is in there */
    }
}

static void flush(engine_t *self, struct lane *lane)
{
    while (lane->sent < lane->out.size) {
        ssize_t count = send(lane->fd, lane->out.data + lane->sent, lane->out.size - lane->sent,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) {
            watch(self, lane, true);
            return;
        }
        if (count < 0 && errno != EINTR) {
            engine_die("send: %s", strerror(errno));
        }
        lane->sent += count > 0 ? (size_t)count : 0;
    }
    msgpack_sbuffer_clear(&lane->out);
    lane->sent = 0;
    watch(self, lane, false);
}

static void ask(engine_t *self, struct lane *lane)
{
    lane->waits = self->talk.ask(lane->peer, &lane->out);
    lane->asked_ns = tally_now_ns();
    flush(self, lane);
}

void engine_supersede(engine_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        ask(self, self->lanes[i]);
    }
}

/* Every whole answer that has come; the bytes that are left go to the front. */
static void hear(engine_t *self, struct lane *lane)
{
    size_t at = 0;
    while (lane->waits && at < lane->in.size) {
        ssize_t count =
            self->talk.hear(lane->peer, (uint8_t *)lane->in.data + at, lane->in.size - at);
        if (count < 0) {
            engine_die("an answer that is none");
        }
        if (count == 0) {
            break;
        }
        at += (size_t)count;
        tally_note(&self->tally, tally_now_ns() - lane->asked_ns);
        ask(self, lane);
    }
    if (at > 0) {
        memmove(lane->in.data, lane->in.data + at, lane->in.size - at);
        lane->in.size -= at;
    }
}

static void receive(engine_t *self, struct lane *lane)
{
    static char bytes[READ_BYTES];
    ssize_t count = recv(lane->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count == 0) {
        engine_die("the other side closed the connection");
    }
    if (count < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            engine_die("recv: %s", strerror(errno));
        }
        return;
    }
    (void)msgpack_sbuffer_write(&lane->in, bytes, (size_t)count); /* grows, or there is no memory */
    hear(self, lane);
}

static int wait_ms(const engine_t *self, double seconds)
{
    if (seconds <= 0) {
        return 1000;
    }
    double left = seconds - (double)(tally_now_ns() - self->tally.began_ns) / 1e9;
    return left <= 0 ? -1 : (int)(left * 1000) + 1;
}

void engine_run(engine_t *self, double seconds, bool (*done)(void *context), void *context)
{
    for (size_t i = 0; i < self->count; i++) {
        if (!self->lanes[i]->waits) {
            ask(self, self->lanes[i]);
        }
    }
    struct epoll_event events[EVENTS];
    while (!done || !done(context)) {
        int pause_ms = wait_ms(self, seconds);
        if (pause_ms < 0) {
            return;
        }
        int count = epoll_wait(self->epoll, events, EVENTS, pause_ms);
        for (int i = 0; i < count; i++) {
            struct lane *lane = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) {
                flush(self, lane);
            }
            receive(self, lane);
        }
    }
}
