#include "tests/sim/broker.h"

#include <czmq.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tests/sim/chaos.h"
#include "tests/sim/disk.h"
#include "tests/sim/entry.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

enum { WATCHED = 4 };

/* What the loop waits for. */
struct _zloop_t {
    zsock_t *reader; /* any of them: a turn reads all */
    zloop_reader_fn *on_reader;
    void *reader_arg;
    size_t reader_count;
    struct {
        int fd;
        zloop_fn *handler;
        void *arg;
    } watched[WATCHED];
    zloop_timer_fn *on_timer;
    void *timer_arg;
    int timer; /* 0: none */
    bool ended;
};

static struct _zloop_t the_loop;
static int next_timer;
static bool up;
static bool wake_is_due;
static int64_t life;
static int64_t stopped_until_ms;
static int signals[2] = { -1, -1 }; /* a pipe in the place of the signalfd */

void broker_open(void)
{
    if (signals[0] < 0 && pipe(signals) != 0) {
        world_fail("no pipe");
    }
    up = false;
    wake_is_due = false;
    life = 0;
    next_timer = 0;
    stopped_until_ms = 0;
}

bool broker_up(void)
{
    return up && !disk_dead();
}

int64_t broker_life(void)
{
    return life;
}

void broker_start_in(int64_t ms)
{
    world_add(world.now_ms + ms, EVENT_BOOT, life, NULL);
}

void broker_boot(int64_t of_life)
{
    if (up || of_life != life || world.over) {
        return;
    }
    life++;
    disk_revive();
    TRACE("broker %d starts", (int)life);
    up = true;
    wake_is_due = false;
    stopped_until_ms = 0;
    oracle_broker_starts();
    int code = entry_run(signals[0]);
    up = false;
    TRACE("broker %d has ended, %s", (int)life, disk_dead() ? "killed" : code ? "failed" : "well");
    oracle_broker_ended(code == 0 && !disk_dead());
    net_broker_ended();
    if (disk_dead() && chaos_takes_power()) {
        TRACE("its machine has lost power");
        disk_power_cut();
    }
    if (!world.over) {
        broker_start_in(world.calm ? 1000 : 200 + world_below(world_chance(100) ? 40000 : 2000));
    }
}

void broker_check_ledger(void)
{
    disk_revive();
    oracle_broker_starts();
    up = true;
    (void)entry_run(signals[0]); /* it is told at once that the world is over */
    up = false;
    net_broker_ended();
}

void broker_poke(void)
{
    if (!wake_is_due) {
        wake_is_due = true;
        world_add(world.now_ms + world_below(3), EVENT_WAKE, life, NULL);
    }
}

void broker_stop_until(int64_t ms)
{
    stopped_until_ms = ms;
}

static void after(int rc)
{
    the_loop.ended = the_loop.ended || rc == -1 || disk_dead();
    if (!the_loop.ended) {
        if (net_readable() && the_loop.reader_count > 0) {
            broker_poke();
        }
        oracle_turn();
    }
}

void broker_wake(void)
{
    wake_is_due = false;
    if (!up || the_loop.ended || the_loop.reader_count == 0 || !net_readable()) {
        return;
    }
    if (world.now_ms < stopped_until_ms) {
        wake_is_due = true;
        world_add(stopped_until_ms, EVENT_WAKE, life, NULL);
        return;
    }
    after(the_loop.on_reader(&the_loop, the_loop.reader, the_loop.reader_arg));
}

void broker_timer(int64_t timer)
{
    if (!up || the_loop.ended || timer != the_loop.timer) {
        return;
    }
    if (world.now_ms < stopped_until_ms) {
        world_add(stopped_until_ms, EVENT_TIMER, timer, NULL);
        return;
    }
    the_loop.timer = 0;
    after(the_loop.on_timer(&the_loop, (int)timer, the_loop.timer_arg));
}

/* The handler of the descriptor, or of the only other one there is. */
static void call_watched(bool is_signal)
{
    for (size_t i = 0; i < WATCHED; i++) {
        if (the_loop.watched[i].handler && (the_loop.watched[i].fd == signals[0]) == is_signal) {
            zmq_pollitem_t item = { .fd = the_loop.watched[i].fd, .events = ZMQ_POLLIN };
            after(the_loop.watched[i].handler(&the_loop, &item, the_loop.watched[i].arg));
            return;
        }
    }
}

void broker_files(void)
{
    if (up && !the_loop.ended) {
        call_watched(false);
    }
}

void broker_terminate(void)
{
    struct signalfd_siginfo info = { .ssi_signo = SIGTERM };
    if (up && !the_loop.ended && write(signals[1], &info, sizeof info) == (ssize_t)sizeof info) {
        call_watched(true);
    }
}

/* ---- czmq's zloop, as far as the loop uses it ---- */

zloop_t *zloop_new(void)
{
    the_loop = (struct _zloop_t){ 0 };
    return &the_loop;
}

void zloop_destroy(zloop_t **self_p)
{
    *self_p = NULL;
}

void zloop_set_nonstop(zloop_t *self, bool nonstop)
{
    (void)self;
    (void)nonstop;
}

int zloop_reader(zloop_t *self, zsock_t *socket, zloop_reader_fn handler, void *arg)
{
    self->reader = socket;
    self->on_reader = handler;
    self->reader_arg = arg;
    self->reader_count++;
    if (net_readable()) {
        broker_poke();
    }
    return 0;
}

void zloop_reader_end(zloop_t *self, zsock_t *socket)
{
    (void)socket;
    self->reader_count -= self->reader_count > 0;
}

int zloop_poller(zloop_t *self, zmq_pollitem_t *item, zloop_fn handler, void *arg)
{
    for (size_t i = 0; i < WATCHED; i++) {
        if (!self->watched[i].handler) {
            self->watched[i].fd = item->fd;
            self->watched[i].handler = handler;
            self->watched[i].arg = arg;
            return 0;
        }
    }
    return -1;
}

void zloop_poller_end(zloop_t *self, zmq_pollitem_t *item)
{
    for (size_t i = 0; i < WATCHED; i++) {
        if (self->watched[i].handler && self->watched[i].fd == item->fd) {
            self->watched[i].handler = NULL;
            return;
        }
    }
}

void zloop_poller_set_tolerant(zloop_t *self, zmq_pollitem_t *item)
{
    (void)self;
    (void)item;
}

int zloop_timer(zloop_t *self, size_t delay, size_t times, zloop_timer_fn handler, void *arg)
{
    (void)times;
    self->timer = ++next_timer;
    self->on_timer = handler;
    self->timer_arg = arg;
    world_add(world.now_ms + (int64_t)delay, EVENT_TIMER, self->timer, NULL);
    return self->timer;
}

int zloop_timer_end(zloop_t *self, int timer)
{
    if (self->timer == timer) {
        self->timer = 0;
    }
    return 0;
}

/* The world goes on until the broker has ended. */
int zloop_start(zloop_t *self)
{
    if (disk_dead()) {
        return -1;
    }
    oracle_turn();
    while (!self->ended && !world.over && world_step()) {
        if (disk_dead()) {
            self->ended = true;
        }
    }
    return -1;
}
