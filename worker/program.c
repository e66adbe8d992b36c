#include "worker/program.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/log.h"
#include "proto/process.h"
#include "proto/random.h"
#include "worker/blender.h"
#include "worker/link.h"
#include "worker/pin.h"
#include "worker/program_parts.h"
#include "worker/prover.h"
#include "worker/session.h"
#include "worker/source.h"
#include "worker/watch.h"
#include "worker/work.h"

enum {
    LEAVE_MS = 5000,              /* for the last answer */
    INSPECTOR_SILENCE_MS = 60000, /* an inspector leaves so long after the last answer */
};

/* ---- calls of session ---- */

static json_t *progress_of(struct program *self)
{
    int64_t claim = work_progress_claim(self->work);
    const struct phase *phase = blender_phase(self->blender);
    if (claim == 0 || !phase->text[0]) {
        return NULL;
    }
    return json_pack("{s:I, s:s, s:i, s:i}", "claim", (json_int_t)claim, "text", phase->text,
                     "done", phase->done, "total", phase->total);
}

static void call_describe(void *ctx, bool ready, struct session_now *out)
{
    struct program *self = ctx;
    bool over = self->leaving != LEAVING_NO && work_empty(self->work);
    (void)ready;
    work_asked(self->work);
    out->job = work_job(self->work);
    out->holding = work_holding(self->work);
    out->want = over ? 0 : work_want(self->work);
    out->leave = over;
    out->state = work_state(self->work);
    out->progress = progress_of(self);
    gauges_describe(self, out);
}

static void call_send(void *ctx, const json_t *body, const struct reports_log *logs,
                      size_t log_count, bool renew)
{
    struct program *self = ctx;
    link_send(self->link, body, logs, log_count, renew);
}

static void call_ready(void *ctx, const char *farm)
{
    struct program *self = ctx;
    work_set_farm(self->work, farm);
    prover_set_farm(self->prover, farm);
    log_info("ready: name=%s farm=%s", self->setup->name, farm);
    if (!self->printed_ready) {
        self->printed_ready = true;
        printf("ready name=%s\n", self->setup->name);
        (void)fflush(stdout); /* nobody reads it: no fault of ours */
    }
    /* Warm before the first frame: its imports take longer than a small one. */
    (void)prover_ready(self->prover, clock_mono_ms());
}

static void call_job(void *ctx, json_t *about)
{
    struct program *self = ctx;
    work_assign(self->work, about);
}

static void call_grant(void *ctx, json_t *grant)
{
    struct program *self = ctx;
    work_grant(self->work, grant, clock_mono_ms());
}

static void call_stale(void *ctx, int64_t claim)
{
    struct program *self = ctx;
    work_drop(self->work, claim, clock_mono_ms());
}

static void leave(struct program *self, bool at_once)
{
    enum leaving to = at_once ? LEAVING_AT_ONCE : LEAVING_SOON;
    if (self->leaving >= to) {
        return;
    }
    log_info("leave: %s", at_once ? "at once" : "when what renders is finished");
    self->leaving = to;
    if (at_once) {
        self->leave_by_ms = clock_mono_ms() + LEAVE_MS;
    }
    work_drain(self->work, at_once, clock_mono_ms());
}

static void call_orders(void *ctx, const struct session_orders *orders)
{
    struct program *self = ctx;
    int64_t now_ms = clock_mono_ms();
    size_t i = 0;
    json_t *claim = NULL;
    work_set_orders(self->work, orders->pause, orders->give_back, now_ms);
    json_array_foreach(orders->stop, i, claim)
    {
        work_stop(self->work, json_integer_value(claim), now_ms);
    }
    work_rest(self->work, orders->rest, orders->rest_now, now_ms);
    if (orders->drain) {
        leave(self, orders->now);
    }
}

static void call_answered(void *ctx, int want, size_t grants)
{
    struct program *self = ctx;
    work_answered(self->work, want, grants);
}

/* The talk is over; the children go. */
static void end_children(struct program *self, int64_t now_ms)
{
    if (self->leaving == LEAVING_CHILDREN) {
        return;
    }
    self->leaving = LEAVING_CHILDREN;
    self->leave_by_ms = now_ms + LEAVE_MS;
    blender_want(self->blender, NULL, now_ms);
    prover_close(self->prover, now_ms);
}

static void call_left(void *ctx)
{
    struct program *self = ctx;
    end_children(self, clock_mono_ms());
}

static void call_refused(void *ctx, const char *code, const char *text, const char *hint)
{
    struct program *self = ctx;
    log_error("the broker refuses this worker: code=%s: %s; %s", code, text, hint);
    self->status = 1;
    work_drain(self->work, true, clock_mono_ms());
    self->leaving = LEAVING_AT_ONCE;
    end_children(self, clock_mono_ms());
}

/* ---- calls of the children ---- */

static void prover_is_ready(void *ctx)
{
    (void)ctx; /* the turn that follows every event does what waited for it */
}

static void prover_answers(void *ctx, const json_t *answer)
{
    struct program *self = ctx;
    work_prover_answer(self->work, answer, clock_mono_ms());
}

static void prover_dies(void *ctx, const char *how, bool hung)
{
    struct program *self = ctx;
    work_prover_died(self->work, how, hung, clock_mono_ms());
}

static void prover_is_broken(void *ctx)
{
    struct program *self = ctx;
    log_error(
        "no python3 here has OpenImageIO and numpy: install python3-openimageio and "
        "python3-numpy, or name an interpreter that has them in DBLEND_PYTHON");
    self->status = 1;
    work_prover_died(self->work, "no interpreter", false, clock_mono_ms());
    leave(self, true);
}

static void blender_answers(void *ctx, const json_t *answer)
{
    struct program *self = ctx;
    work_blender_answer(self->work, answer, clock_mono_ms());
}

static void blender_ends(void *ctx, const struct blender_end *end)
{
    struct program *self = ctx;
    work_blender_ended(self->work, end, clock_mono_ms());
}

static void blender_changes(void *ctx)
{
    (void)ctx; /* progress rides on the next message; the turn does the rest */
}

/* ---- the loop ---- */

static void on_answer(void *arg, const json_t *body)
{
    struct program *self = arg;
    session_answer(self->session, body, clock_mono_ms());
}

static void on_source(void *arg)
{
    struct program *self = arg;
    struct source_answer answer;
    if (source_receive(self->source_pipe[0], &answer)) {
        work_source_answer(self->work, &answer, clock_mono_ms());
        source_answer_clear(&answer);
    }
}

static void on_signal(void *arg)
{
    struct program *self = arg;
    struct signalfd_siginfo info;
    if (read(self->setup->signal_fd, &info, sizeof info) != sizeof info) {
        return;
    }
    if (info.ssi_signo == SIGUSR2) {
        log_set_debug(!log_is_debug());
        return;
    }
    /* Signals are counted apart: the first one after a broker's soft drain still means soft. */
    leave(self, ++self->signals > 1);
}

static void on_owner(void *arg)
{
    struct program *self = arg;
    char byte = 0;
    ssize_t size = read(self->setup->owner_fd, &byte, 1);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size == 1) {
        self->disowned = self->disowned || byte == 'd';
        return;
    }
    watch_end(self->loop, self->setup->owner_fd);
    if (!self->disowned) {
        log_info("the owner is gone");
        leave(self, true);
    }
}

static void on_timer(void *arg)
{
    struct program *self = arg;
    uint64_t times = 0;
    (void)!read(self->timer_fd, &times, sizeof times); /* the turn that follows does the work */
    self->timer_ms = INT64_MAX;                        /* it rings once */
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Leave for want of work, or of a broker? Returns when to look again. */
static int64_t check_idle(struct program *self, int64_t now_ms)
{
    int64_t limit = self->setup->exit_when_idle_ms;
    int64_t deadline = INT64_MAX;
    bool inspector = self->setup->device->kind == DEVICE_NONE;
    if (!work_empty(self->work)) {
        self->idle_ms = now_ms;
    }
    if (limit >= 0) {
        deadline = self->idle_ms + limit;
        if (now_ms >= deadline) {
            leave(self, false);
        }
    }
    if (inspector && self->leaving == LEAVING_NO) {
        int64_t silent = session_heard_ms(self->session) + INSPECTOR_SILENCE_MS;
        if (now_ms >= silent) {
            log_info("no broker answers");
            leave(self, true);
        }
        deadline = least(deadline, silent);
    }
    return deadline;
}

/* When leaving: has everything ended, or is it time to go anyway? */
static int64_t check_leaving(struct program *self, int64_t now_ms, bool *over)
{
    if (self->leaving == LEAVING_SOON && work_empty(self->work) && self->leave_by_ms == 0) {
        self->leave_by_ms = now_ms + LEAVE_MS;
        session_touch(self->session);
    }
    if (self->leave_by_ms == 0) {
        return INT64_MAX;
    }
    if (self->leaving != LEAVING_CHILDREN && now_ms >= self->leave_by_ms) {
        log_warning("leave without the broker's last answer");
        end_children(self, now_ms);
    }
    if (self->leaving == LEAVING_CHILDREN) {
        bool ended = blender_off(self->blender) && !prover_running(self->prover);
        *over = ended || now_ms >= self->leave_by_ms;
    }
    return self->leave_by_ms;
}

static void set_timer(struct program *self, int64_t deadline_ms)
{
    struct itimerspec when = { .it_value = { .tv_sec = 0 } };
    if (deadline_ms == self->timer_ms) {
        return;
    }
    self->timer_ms = deadline_ms;
    if (deadline_ms != INT64_MAX) {
        int64_t at = deadline_ms > 1 ? deadline_ms : 1; /* 0 would turn it off */
        when.it_value.tv_sec = (time_t)(at / 1000);
        when.it_value.tv_nsec = (long)(at % 1000) * 1000000;
    }
    (void)timerfd_settime(self->timer_fd, TFD_TIMER_ABSTIME, &when, NULL); /* valid by make */
}

static int on_over(zloop_t *loop, int id, void *arg)
{
    (void)loop;
    (void)id;
    (void)arg;
    return -1;
}

/* After every event: do all that can be done, then sleep until the next deadline. */
static void turn(void *arg)
{
    struct program *self = arg;
    int64_t now_ms = clock_mono_ms();
    bool over = false;
    if (self->in_turn) {
        return;
    }
    self->in_turn = true;
    gauges_pass_on(self);
    int64_t deadline = blender_tick(self->blender, now_ms);
    deadline = least(deadline, prover_tick(self->prover, !work_empty(self->work), now_ms));
    deadline = least(deadline, work_step(self->work, now_ms));
    deadline = least(deadline, check_idle(self, now_ms));
    deadline = least(deadline, check_leaving(self, now_ms, &over));
    /* The step may have begun what has a deadline of its own. */
    deadline = least(deadline, blender_tick(self->blender, now_ms));
    deadline = least(deadline, prover_tick(self->prover, !work_empty(self->work), now_ms));
    deadline = least(deadline, session_tick(self->session, now_ms));
    gauges_turn(self);
    set_timer(self, deadline);
    self->in_turn = false;
    if (over) {
        (void)zloop_timer(self->loop, 0, 1, on_over, NULL); /* -1 of its handler ends the loop */
    }
}

/* ---- putting it together ---- */

static void make_children(struct program *self)
{
    const struct program_setup *setup = self->setup;
    const struct prover_setup prover = {
        .script = setup->prove,
        .host = setup->host,
        .start = process_start(getpid()),
        .env = self->pin.list,
        .pythons = setup->pythons,
    };
    const struct prover_calls prover_calls = { self, prover_is_ready, prover_answers, prover_dies,
                                               prover_is_broken };
    const struct blender_setup blender = {
        .script = setup->autorender,
        .threads = setup->device->kind == DEVICE_NONE ? 0 : setup->device->threads,
        .factory = setup->factory,
        .env = self->pin.list,
    };
    const struct blender_calls blender_calls = { self, blender_answers, blender_ends,
                                                 blender_changes };
    pin_environment(setup->device, &self->pin);
    self->prover = prover_new(self->loop, &prover, &prover_calls);
    self->blender = blender_new(self->loop, &blender, &blender_calls);
}

static void make_work(struct program *self)
{
    const struct work_setup setup = {
        .blenders = self->setup->blenders,
        .device = self->setup->device,
        .device_types = self->setup->device_types,
        .inspector = self->setup->device->kind == DEVICE_NONE,
        .recycle = self->setup->recycle,
        .stall_ms = self->setup->stall_ms,
        .memory_bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 8,
    };
    const struct work_ports ports = program_ports(self);
    self->work = work_new(&setup, &ports, self->reports);
    if (!setup.inspector && setup.blenders->count > 0) {
        blender_want(self->blender, &setup.blenders->items[0], clock_mono_ms());
    }
}

static void make_session(struct program *self)
{
    bool inspector = self->setup->device->kind == DEVICE_NONE;
    const struct session_calls calls = { self,          call_describe, call_send,   call_ready,
                                         call_job,      call_grant,    call_stale,  call_orders,
                                         call_answered, call_left,     call_refused };
    random_hex(self->worker_id, 32);
    self->me = (struct session_self){
        .worker_id = self->worker_id,
        .name = self->setup->name,
        .host = self->setup->host,
        .device = self->setup->device->id,
        .device_kind = device_kind_word(self->setup->device->kind),
        .pid = (int)getpid(),
        .kinds = inspector ? json_pack("[s, s]", "inspect", "sweep")
                           : json_pack("[s, s, s]", "render", "inspect", "sweep"),
        .blenders = blenders_json(self->setup->blenders),
    };
    gauges_introduce(self);
    self->session =
        session_new(&self->me, &calls, self->reports, random_below(UINT32_MAX), clock_mono_ms());
}

static int make(struct program *self)
{
    const struct program_setup *setup = self->setup;
    self->loop = zloop_new();
    self->reports = reports_new();
    self->idle_ms = clock_mono_ms();
    self->timer_ms = INT64_MAX;
    self->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (self->timer_fd < 0 || pipe2(self->source_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
        return -errno;
    }
    make_children(self);
    make_work(self);
    make_session(self);
    int rc = link_new(self->loop, setup->endpoint, on_answer, self, &self->link);
    if (rc != 0) {
        return rc;
    }
    watch_after(turn, self);
    gauges_start(self);
    watch_fd(self->loop, self->timer_fd, on_timer, self);
    watch_fd(self->loop, self->source_pipe[0], on_source, self);
    watch_fd(self->loop, setup->signal_fd, on_signal, self);
    if (setup->owner_fd >= 0) {
        watch_fd(self->loop, setup->owner_fd, on_owner, self);
    }
    return 0;
}

static void unmake(struct program *self)
{
    watch_after(NULL, NULL);
    gauges_stop(self);
    blender_destroy(&self->blender);
    prover_destroy(&self->prover);
    work_destroy(&self->work);
    session_destroy(&self->session);
    link_destroy(&self->link);
    pin_env_clear(&self->pin);
    reports_destroy(&self->reports);
    json_decref(self->me.kinds);
    json_decref(self->me.blenders);
    zloop_destroy(&self->loop);
    cleanup_fd(&self->timer_fd);
    cleanup_fd(&self->source_pipe[0]);
    cleanup_fd(&self->source_pipe[1]);
}

int program_run(const struct program_setup *setup)
{
    struct program self = { .setup = setup, .timer_fd = -1, .source_pipe = { -1, -1 } };
    int rc = make(&self);
    if (rc == 0) {
        turn(&self);
        (void)zloop_start(self.loop); /* -1 is our own wish to end it */
    } else {
        log_error("start: endpoint=\"%s\": %s", setup->endpoint, strerror(-rc));
        self.status = 1;
    }
    unmake(&self);
    return self.status;
}
