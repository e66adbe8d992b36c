#include "broker/loop.h"

#include <assert.h>
#include <czmq.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "broker/ledger_log.h"
#include "broker/presence.h"
#include "broker/submitters.h"
#include "broker/workers.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/log.h"

enum {
    TURN_MESSAGES = 1000, /* a turn is one transaction: bounded by count */
    TURN_MS = 2,          /* and by time of reading: commit and answers take three times as much */
    EMPTY_ROUNDS = 16,    /* how often a socket that was empty is asked again in a turn */
    LATE_MS = 250,        /* a turn later than this makes leases longer */
    LEASE_MS = 15000,     /* on a socket that never runs dry claims expire this much later */
    BACKLOG = 4096,       /* libzmq's 100 makes a reconnecting farm wait for half a minute */
    QUEUED_MOST = 16,     /* messages of one peer, each way: a good one has one, a bad one 16 MiB */
    LINGER_MS = 1000,     /* the last answers still go out */
    RETRY_FIRST_MS = 100, /* pauses between tries of a failed transaction */
    RETRY_MOST_MS = 2000,
    PRUNE_MS = 3600 * 1000, /* how often the ledger is rid of what is old */
    REQUEST_KEPT_MS = 24 * 3600 * 1000,
    TCP_MOST = 8,
};

struct loop {
    struct broker *broker;
    struct loop_options options;
    zloop_t *zloop;
    zsock_t *worker_socket;
    zsock_t *submitter_socket;
    zsock_t *tcp[TCP_MOST];
    size_t tcp_count;
    workers_t *workers;
    submitters_t *submitters;
    int timer;          /* of zloop; 0: none */
    int64_t due_ms;     /* when it rings; INT64_MAX: never */
    int64_t drained_ms; /* when the sockets were last empty */
    struct presence presence;
    int64_t pruned_ms;
    int64_t retry_ms;      /* pause before the next try; 0: the last transaction was written */
    int64_t retry_from_ms; /* when it first failed */
    bool ending;
};

static struct queue_now read_clocks(void)
{
    return (struct queue_now){ .ms = clock_mono_ms(), .wall_ms = clock_wall_ms() };
}

/* ---- opening ---- */

static zsock_t *open_router(size_t most_bytes)
{
    zsock_t *socket = zsock_new(ZMQ_ROUTER);
    assert(socket); /* only without memory or descriptors */
    zsock_set_router_mandatory(socket, 1);
    zsock_set_sndtimeo(socket, 0);
    zsock_set_linger(socket, LINGER_MS);
    zsock_set_sndhwm(socket, QUEUED_MOST);
    zsock_set_rcvhwm(socket, QUEUED_MOST);
    zsock_set_backlog(socket, BACKLOG);
    zsock_set_maxmsgsize(socket, (int)most_bytes);
    return socket;
}

static int bind_to(zsock_t *socket, const char *endpoint, char **text)
{
    if (zsock_bind(socket, "%s", endpoint) >= 0) {
        return 0;
    }
    int error = zmq_errno();
    *text = alloc_format("%s: cannot listen here: %s", endpoint, zmq_strerror(error));
    return error > 0 ? -error : -EIO;
}

static int bind_all(loop_t *self, char **text)
{
    const struct loop_options *options = &self->options;
    int rc = bind_to(self->worker_socket, options->workers_endpoint, text);
    if (rc == 0) {
        rc = bind_to(self->submitter_socket, options->submitters_endpoint, text);
    }
    const char *const *endpoint = options->tcp_endpoints;
    for (; rc == 0 && endpoint && *endpoint && self->tcp_count < TCP_MOST; endpoint++) {
        zsock_t *socket = open_router(envelope_worker_limits.blob_bytes);
        self->tcp[self->tcp_count++] = socket;
        rc = bind_to(socket, *endpoint, text);
    }
    return rc;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

int loop_open(struct broker *broker, const struct loop_options *options, loop_t **out, char **text)
{
    CLEANUP(loop_close) loop_t *self = alloc_zero(1, sizeof *self);
    self->broker = broker;
    self->options = *options;
    self->worker_socket =
        open_router(larger(envelope_worker_limits.body_bytes, envelope_worker_limits.blob_bytes));
    self->submitter_socket = open_router(envelope_submitter_limits.body_bytes);
    self->workers = workers_new(broker);
    self->submitters = submitters_new(broker, self->submitter_socket);
    self->due_ms = INT64_MAX;
    self->drained_ms = clock_mono_ms();
    presence_init(&self->presence, broker, options->idle_exit_ms);
    int rc = bind_all(self, text);
    if (rc < 0) {
        return rc;
    }
    *out = self;
    self = NULL; /* handed to the caller */
    return 0;
}

void loop_close(loop_t **self_p)
{
    assert(self_p);
    loop_t *self = *self_p;
    if (self) {
        zloop_destroy(&self->zloop);
        workers_destroy(&self->workers);
        submitters_destroy(&self->submitters);
        zsock_destroy(&self->worker_socket);
        zsock_destroy(&self->submitter_socket);
        for (size_t i = 0; i < self->tcp_count; i++) {
            zsock_destroy(&self->tcp[i]);
        }
        free(self);
        *self_p = NULL;
    }
}

char *loop_where(const loop_t *self)
{
    CLEANUP(cleanup_free) char *tcp = NULL;
    if (self->tcp_count > 0) {
        tcp = alloc_format(" tcp=%s", zsock_endpoint(self->tcp[0]));
    }
    return alloc_format("workers=%s submitters=%s%s", self->options.workers_endpoint,
                        self->options.submitters_endpoint, tcp ? tcp : "");
}

/* ---- a turn ---- */

static bool receive_from(loop_t *self, struct queue_now now, size_t socket)
{
    if (socket == 0) {
        return submitters_receive(self->submitters, now) != ENVELOPE_EMPTY;
    }
    zsock_t *from = socket == 1 ? self->worker_socket : self->tcp[socket - 2];
    return workers_receive(self->workers, now, from, socket > 1) != ENVELOPE_EMPTY;
}

/*
 * One message of each socket in turn, so that none waits for a flood on another. To ask a socket
 * that has nothing costs system calls, so an empty one is asked again every few rounds only, and
 * in the last one. true: nothing was left to read.
 */
static bool drain(loop_t *self, struct queue_now now)
{
    bool had[TCP_MOST + 2];
    memset(had, true, sizeof had);
    int count = 0;
    for (unsigned round = 0;; round++) {
        bool all = round % EMPTY_ROUNDS == 0;
        bool any = false;
        for (size_t i = 0; i < self->tcp_count + 2; i++) {
            had[i] = (all || had[i]) && receive_from(self, now, i);
            any = any || had[i];
            count += had[i];
        }
        if (!any && !all) {
            round = -1U; /* the next one asks all */
        } else if (!any) {
            self->drained_ms = now.ms;
            return true;
        } else if (count >= TURN_MESSAGES || clock_mono_ms() - now.ms >= TURN_MS) {
            return false;
        }
    }
}

/* Blender's output goes with its job; a file that stays is rubbish and no fault. */
static void remove_outputs(output_t *output, const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (changes[i].kind == CHANGE_JOB_DELETE) {
            (void)output_remove(output, changes[i].as.job_id);
        }
    }
}

static int commit(loop_t *self)
{
    size_t change_count = 0;
    size_t request_count = 0;
    struct broker *broker = self->broker;
    const struct change *changes = queue_changes(broker->queue, &change_count);
    const struct store_request *requests = submitters_requests(self->submitters, &request_count);
    int64_t before_ms = clock_mono_ms();
    int rc = store_apply(broker->store, changes, change_count, requests, request_count);
    if (rc < 0) {
        return rc;
    }
    int64_t took_ms = clock_mono_ms() - before_ms;
    if (took_ms > LATE_MS) {
        queue_extend(broker->queue, took_ms);
    }
    ledger_log_changes(broker->log, changes, change_count);
    remove_outputs(broker->output, changes, change_count);
    queue_changes_clear(broker->queue);
    return 0;
}

static void prune(loop_t *self, struct queue_now now)
{
    if (self->pruned_ms != 0 && now.ms - self->pruned_ms < PRUNE_MS) {
        return;
    }
    bool more = false;
    int rc = store_prune(self->broker->store, now.wall_ms - REQUEST_KEPT_MS,
                         now.wall_ms - self->broker->keep_ms, &more);
    if (rc < 0) {
        log_warning("forget old events: %s", strerror(-rc));
    }
    /* What is more goes a few seconds later: no turn is to be long. */
    self->pruned_ms = more && rc == 0 ? now.ms - PRUNE_MS + 5000 : now.ms;
}

static bool may_expire(loop_t *self, struct queue_now now, bool drained)
{
    if (drained) {
        return true;
    }
    if (now.ms - self->drained_ms < LEASE_MS) {
        return false;
    }
    self->drained_ms = now.ms;
    return true;
}

static void fail(loop_t *self, int rc);
static void arm(loop_t *self);

/* Commit and answer until nothing new has come of it. */
static void finish(loop_t *self, bool drained)
{
    queue_t *queue = self->broker->queue;
    size_t left = 1;
    while (left > 0) {
        struct queue_now now = read_clocks();
        presence_look(&self->presence, now, submitters_asked_at(self->submitters));
        queue_turn(queue, now);
        int rc = commit(self);
        if (rc < 0) {
            fail(self, rc);
            return;
        }
        submitters_answer_first(self->submitters, now);
        workers_answer(self->workers, now);
        submitters_answer(self->submitters, now);
        workers_lose(self->workers, now);
        (void)queue_changes(queue, &left);
        if (left == 0 && may_expire(self, now, drained)) {
            left = (size_t)queue_expire(queue, now);
        }
    }
    struct queue_now now = read_clocks();
    prune(self, now);
    self->ending = self->ending || presence_is_over(&self->presence, now.ms);
    arm(self);
}

static int take_turn(loop_t *self)
{
    struct queue_now now = read_clocks();
    if (self->due_ms != INT64_MAX && now.ms - self->due_ms > LATE_MS) {
        queue_extend(self->broker->queue, now.ms - self->due_ms);
    }
    submitters_collect(self->submitters, now);
    finish(self, drain(self, now));
    return self->ending ? -1 : 0;
}

static int on_socket(zloop_t *zloop, zsock_t *socket, void *arg)
{
    (void)zloop;
    (void)socket;
    return take_turn(arg);
}

static int on_files(zloop_t *zloop, zmq_pollitem_t *item, void *arg)
{
    (void)zloop;
    (void)item;
    return take_turn(arg);
}

static int on_deaths(zloop_t *zloop, zmq_pollitem_t *item, void *arg)
{
    (void)zloop;
    (void)item;
    loop_t *self = arg;
    workers_hear_deaths(self->workers, read_clocks());
    return take_turn(self);
}

static int on_timer(zloop_t *zloop, int timer, void *arg)
{
    (void)zloop;
    (void)timer;
    loop_t *self = arg;
    self->timer = 0;
    return take_turn(self);
}

/* ---- timers ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_deadline(loop_t *self, struct queue_now now)
{
    int64_t due = queue_deadline(self->broker->queue, now);
    due = earlier(due, workers_deadline(self->workers));
    due = earlier(due, submitters_deadline(self->submitters));
    int64_t asked_ms = submitters_asked_at(self->submitters);
    return earlier(due, presence_deadline(&self->presence, now.ms, asked_ms));
}

static void set_timer(loop_t *self, int64_t wait_ms, zloop_timer_fn handler)
{
    if (self->timer) {
        zloop_timer_end(self->zloop, self->timer);
    }
    self->timer = zloop_timer(self->zloop, (size_t)(wait_ms > 0 ? wait_ms : 0), 1, handler, self);
}

/* One one-shot timer for everything; none when there is nothing to wait for. */
static void arm(loop_t *self)
{
    struct queue_now now = read_clocks();
    int64_t due_ms = next_deadline(self, now);
    if (due_ms == self->due_ms && self->timer) {
        return;
    }
    self->due_ms = due_ms;
    if (due_ms != INT64_MAX) {
        set_timer(self, due_ms - now.ms, on_timer);
    } else if (self->timer) {
        zloop_timer_end(self->zloop, self->timer);
        self->timer = 0;
    }
}

/* ---- a transaction that failed ---- */

static int listen_all(loop_t *self)
{
    int rc = zloop_reader(self->zloop, self->worker_socket, on_socket, self);
    rc = rc == 0 ? zloop_reader(self->zloop, self->submitter_socket, on_socket, self) : rc;
    for (size_t i = 0; rc == 0 && i < self->tcp_count; i++) {
        rc = zloop_reader(self->zloop, self->tcp[i], on_socket, self);
    }
    zmq_pollitem_t files = { .fd = submitters_fd(self->submitters), .events = ZMQ_POLLIN };
    zmq_pollitem_t deaths = { .fd = workers_fd(self->workers), .events = ZMQ_POLLIN };
    rc = rc == 0 ? zloop_poller(self->zloop, &files, on_files, self) : rc;
    return rc == 0 && deaths.fd >= 0 ? zloop_poller(self->zloop, &deaths, on_deaths, self) : rc;
}

static void listen_to_none(loop_t *self)
{
    zloop_reader_end(self->zloop, self->worker_socket);
    zloop_reader_end(self->zloop, self->submitter_socket);
    for (size_t i = 0; i < self->tcp_count; i++) {
        zloop_reader_end(self->zloop, self->tcp[i]);
    }
    zmq_pollitem_t files = { .fd = submitters_fd(self->submitters) };
    zmq_pollitem_t deaths = { .fd = workers_fd(self->workers) };
    zloop_poller_end(self->zloop, &files);
    zloop_poller_end(self->zloop, &deaths);
}

static int on_retry(zloop_t *zloop, int timer, void *arg)
{
    (void)zloop;
    (void)timer;
    loop_t *self = arg;
    self->timer = 0;
    int rc = commit(self);
    if (rc < 0) {
        fail(self, rc);
        return 0;
    }
    struct queue_now now = read_clocks();
    log_info("write ledger: goes on after %" PRId64 " ms", now.ms - self->retry_from_ms);
    queue_extend(self->broker->queue, now.ms - self->retry_from_ms);
    self->retry_ms = 0;
    if (listen_all(self) != 0) {
        return -1;
    }
    finish(self, false); /* the answers that waited go out with its own */
    return self->ending ? -1 : 0;
}

/* Nothing is read until this turn's changes and answers are safe: no turn overtakes another. */
static void fail(loop_t *self, int rc)
{
    if (self->retry_ms == 0) {
        log_error("write ledger: %s (%s); nothing is given out or taken in until it works again",
                  strerror(-rc), store_why(self->broker->store));
        self->retry_from_ms = clock_mono_ms();
        listen_to_none(self);
    }
    int64_t next_ms = self->retry_ms ? 2 * self->retry_ms : RETRY_FIRST_MS;
    self->retry_ms = earlier(next_ms, RETRY_MOST_MS);
    set_timer(self, self->retry_ms, on_retry);
    self->due_ms = INT64_MAX;
}

/* ---- signals and the owner ---- */

static int on_signal(zloop_t *zloop, zmq_pollitem_t *item, void *arg)
{
    (void)zloop;
    loop_t *self = arg;
    struct signalfd_siginfo info;
    if (read(item->fd, &info, sizeof info) != (ssize_t)sizeof info) {
        return 0;
    }
    int rc = 0;
    switch (info.ssi_signo) {
    case SIGHUP:
        rc = eventlog_reopen(self->broker->log);
        if (rc < 0) {
            log_warning("reopen the event log: %s", strerror(-rc));
        }
        return 0;
    case SIGUSR2:
        log_set_debug(!log_is_debug());
        log_info("dropped messages: workers=%" PRId64 " submitters=%" PRId64,
                 self->broker->dropped.workers, self->broker->dropped.submitters);
        return 0;
    default:
        log_info("leave: signal %s", info.ssi_signo == SIGINT ? "INT" : "TERM");
        self->ending = true;
        return -1;
    }
}

/*
 * 'd': the owner lets go of us and we are nobody's. The end: it is gone, stop now, unless somebody
 * else has come to use us.
 */
static int on_owner(zloop_t *zloop, zmq_pollitem_t *item, void *arg)
{
    loop_t *self = arg;
    char byte = 0;
    ssize_t count = read(item->fd, &byte, 1);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (count == 1 && byte != 'd') {
        return 0;
    }
    zloop_poller_end(zloop, item);
    if (count == 1 || presence_is_used(&self->presence)) {
        log_info("the owner %s: leaves when nothing happens", count == 1 ? "let go" : "is gone");
        presence_disown(&self->presence);
    } else {
        log_info("leave: the owner is gone");
        presence_stop(self->broker, read_clocks(), DRAIN_NOW);
    }
    if (self->retry_ms == 0) {
        finish(self, false);
    }
    return self->ending ? -1 : 0;
}

int loop_run(loop_t *self)
{
    self->zloop = zloop_new();
    zloop_set_nonstop(self->zloop, true); /* zsys_interrupted is not ours */
    zmq_pollitem_t signals = { .fd = self->options.signal_fd, .events = ZMQ_POLLIN };
    zmq_pollitem_t owner = { .fd = self->options.owner_fd, .events = ZMQ_POLLIN };
    int rc = zloop_poller(self->zloop, &signals, on_signal, self);
    if (rc == 0 && self->options.owner_fd >= 0) {
        rc = zloop_poller(self->zloop, &owner, on_owner, self);
        zloop_poller_set_tolerant(self->zloop, &owner);
    }
    if (rc == 0) {
        rc = listen_all(self);
    }
    if (rc != 0) {
        return -ENOMEM;
    }
    finish(self, false);
    if (!self->ending) {
        (void)zloop_start(self->zloop); /* -1: a handler ended it, as it should */
    }
    if (self->retry_ms == 0) {
        struct queue_now now = read_clocks();
        presence_end(&self->presence, now);
        queue_event(self->broker->queue, now, EVENT_BROKER_STOPPED, NULL);
        rc = commit(self);
    }
    return self->ending ? rc : -EIO;
}
