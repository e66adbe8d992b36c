#include "submit/vigil.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/messages.h"
#include "submit/inhibit.h"
#include "submit/say.h"
#include "submit/settings.h"

enum { NOTICE_S = 60, TICK_MS = 200, HELLO_MS = 2000 };

struct vigil {
    talk_t *talk;           /* borrowed */
    supervise_t *supervise; /* borrowed */
    const char *when_done;
    bool acting;
    int64_t notice_ms; /* how long it is */
    inhibit_t *inhibit;
    int64_t last_job; /* the newest number given at the last look */
    bool busy;        /* there was work since the last time that there was none */
    int64_t act_ms;   /* end of the notice; 0: there is none */
    bool caught;      /* Ctrl-C ended it, and the broker has not heard of that */
    child_t *action;  /* what was done, while it runs */
};

/* "suspend" as people are told it. */
static const char *words(const struct vigil *self)
{
    return strcmp(self->when_done, "suspend") == 0    ? "this machine is suspended"
           : strcmp(self->when_done, "poweroff") == 0 ? "this machine is turned off"
                                                      : self->when_done;
}

/* From the signal: the broker hears of it with the next look. */
static void on_caught(void *arg)
{
    vigil_t *self = arg;
    self->act_ms = 0;
    self->caught = true;
    say_note("Ctrl-C: not done: %s", words(self));
}

static void begin_notice(vigil_t *self)
{
    long long seconds = self->notice_ms / 1000;
    CLEANUP(cleanup_free)
    char *text = alloc_format("nothing is left to render; in %lld s: %s", seconds, words(self));
    self->act_ms = clock_mono_ms() + self->notice_ms;
    supervise_catch(self->supervise, on_caught, self);
    supervise_notice(self->supervise, text);
    say_note("%s; Ctrl-C or new work prevents it", text);
}

static void end_notice(vigil_t *self, const char *why)
{
    self->act_ms = 0;
    self->caught = false;
    supervise_catch(self->supervise, NULL, NULL);
    if (why) {
        CLEANUP(cleanup_free) char *text = alloc_format("%s: not done: %s", why, words(self));
        supervise_notice(self->supervise, text);
    }
}

static void reap_action(vigil_t *self)
{
    struct child_end end;
    char how[64];
    if (self->action && child_reap(self->action, &end) == CHILD_OK) {
        if (end.signalled || end.code != 0) {
            child_end_text(&end, how, sizeof how);
            say_error("--when-done %s failed: %s", self->when_done, how);
        }
        child_destroy(&self->action);
    }
}

void vigil_act(vigil_t *self)
{
    bool machine =
        strcmp(self->when_done, "suspend") == 0 || strcmp(self->when_done, "poweroff") == 0;
    const char *system[] = { "systemctl", self->when_done, NULL };
    const char *shell[] = { "/bin/sh", "-c", self->when_done, NULL };
    const struct child_pass pass[] = { { 2, 1 } }; /* nothing between our own data */
    struct child_spec spec = {
        .argv = machine ? system : shell, .pass = pass, .pass_count = 1, .own_session = true
    };
    inhibit_set(self->inhibit, false);
    child_destroy(&self->action);
    say_note("done: %s", words(self));
    int rc = child_spawn(&spec, &self->action);
    if (rc != 0) {
        say_error("--when-done %s cannot be done: %s", self->when_done, strerror(-rc));
    }
}

/* Every two seconds, with what the broker says of itself. */
static void look(void *arg, const json_t *hello)
{
    vigil_t *self = arg;
    bool work = msg_int_or(hello, "work", 0) > 0;
    int64_t last_job = msg_int_or(hello, "last_job", 0);
    self->busy =
        self->busy || last_job != self->last_job; /* it came and went since the last look */
    self->last_job = last_job;
    inhibit_set(self->inhibit, work);
    reap_action(self);
    if (self->caught) {
        end_notice(self, "Ctrl-C");
    } else if (self->act_ms && work) {
        say_note("there is new work: not done: %s", words(self));
        end_notice(self, "there is new work");
    } else if (self->act_ms && self->acting && clock_mono_ms() >= self->act_ms) {
        end_notice(self, NULL);
        vigil_act(self);
    } else if (!self->act_ms && self->busy && !work && self->acting && self->when_done) {
        begin_notice(self);
    }
    self->busy = work;
}

vigil_t *vigil_new(talk_t *talk, supervise_t *supervise, const char *when_done)
{
    vigil_t *self = alloc_zero(1, sizeof *self);
    self->talk = talk;
    self->supervise = supervise;
    self->when_done = when_done;
    self->inhibit = inhibit_new();
    self->notice_ms =
        when_done ? settings_ms(talk_paths(talk), "when-done-notice", NOTICE_S, 0) : 0;
    CLEANUP(cleanup_json) json_t *hello = NULL;
    if (talk_hello(talk, HELLO_MS, &hello) == CLIENT_OK) {
        self->last_job = msg_int_or(hello, "last_job", 0); /* what has ended before is not ours */
        self->busy = msg_int_or(hello, "work", 0) > 0;
    }
    supervise_set_news(supervise, look, self);
    return self;
}

void vigil_destroy(vigil_t **self_p)
{
    assert(self_p);
    vigil_t *self = *self_p;
    if (self) {
        supervise_set_news(self->supervise, NULL, NULL);
        supervise_catch(self->supervise, NULL, NULL);
        inhibit_destroy(&self->inhibit);
        child_release(&self->action); /* what was asked for goes on without us */
        free(self);
        *self_p = NULL;
    }
}

void vigil_set_acting(vigil_t *self)
{
    self->acting = true;
}

bool vigil_await(vigil_t *self)
{
    size_t left = 0;
    if (!self->when_done || talk_work_left(self->talk, &left) != CLIENT_OK) {
        return false;
    }
    if (left > 0) {
        say_note("other jobs are on the list: not done: %s", words(self));
        return false;
    }
    begin_notice(self);
    while (self->act_ms && clock_mono_ms() < self->act_ms &&
           supervise_level(self->supervise) == SUPERVISE_RUN) {
        (void)talk_wait_fd(self->talk, -1, TICK_MS); /* Ctrl-C and the news end the notice */
    }
    bool over = self->act_ms && supervise_level(self->supervise) == SUPERVISE_RUN;
    end_notice(self, self->caught ? "Ctrl-C" : NULL);
    return over;
}
