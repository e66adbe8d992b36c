#include "submit/talk.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/messages.h"
#include "submit/command.h"
#include "submit/objects.h"
#include "submit/say.h"

enum { LIST_PAGE = 200, IDLE_MS = 1000 };

struct talk {
    struct paths paths;
    client_t *client;
    struct client_error error;
    talk_wake_fn *wake;
    void *wake_arg;
    int wake_fd; /* borrowed; -1: none */
    talk_wake_fn *idle;
    void *idle_arg;
    int64_t idle_ms; /* when it is due again */
    bool in_idle;
    bool quiet;
    int64_t patience_ms; /* -1: none */
};

static void notice(void *context, enum client_notice what)
{
    const talk_t *self = context;
    if (self->quiet) {
        return;
    }
    if (what == CLIENT_NOTICE_SILENT) {
        say_note("the broker does not answer; asking again for 10 minutes");
    } else {
        say_note("the broker is back");
    }
}

talk_t *talk_new(void)
{
    talk_t *self = alloc_zero(1, sizeof *self);
    CLEANUP(cleanup_free) char *why = NULL;
    self->wake_fd = -1;
    self->patience_ms = -1;
    if (paths_find(&self->paths, &why) != PATHS_OK) {
        say_error("%s", why ? why : "the folders of the farm cannot be made");
        talk_destroy(&self);
        return NULL;
    }
    self->client = client_new(self->paths.submitters_endpoint);
    client_set_notice(self->client, notice, self);
    return self;
}

void talk_destroy(talk_t **self_p)
{
    assert(self_p);
    if (*self_p) {
        client_destroy(&(*self_p)->client);
        paths_free(&(*self_p)->paths);
        free(*self_p);
        *self_p = NULL;
    }
}

const struct paths *talk_paths(const talk_t *self)
{
    return &self->paths;
}

void talk_set_wake(talk_t *self, int fd, talk_wake_fn *wake, void *arg)
{
    self->wake = wake;
    self->wake_arg = arg;
    self->wake_fd = fd;
    client_set_wake(self->client, fd);
}

void talk_set_idle(talk_t *self, talk_wake_fn *idle, void *arg)
{
    self->idle = idle;
    self->idle_arg = arg;
}

/* The idle call, if it is due; false: give up. */
static bool be_idle(talk_t *self)
{
    if (!self->idle || self->in_idle || clock_mono_ms() < self->idle_ms) {
        return true;
    }
    self->in_idle = true;
    bool go_on = self->idle(self->idle_arg);
    self->in_idle = false;
    self->idle_ms = clock_mono_ms() + IDLE_MS;
    return go_on;
}

void talk_set_quiet(talk_t *self, bool quiet)
{
    self->quiet = quiet;
}

void talk_set_patience(talk_t *self, int64_t patience_ms)
{
    self->patience_ms = patience_ms;
}

bool talk_is_broker(const talk_t *self)
{
    return client_is_listening(self->paths.submitters_endpoint);
}

int talk_ask(talk_t *self, json_t *request, int64_t timeout_ms, json_t **answer)
{
    timeout_ms = timeout_ms < 0 ? self->patience_ms : timeout_ms;
    int64_t deadline_ms = timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
    int rc = be_idle(self) ? CLIENT_OK : CLIENT_INTERRUPTED;
    json_t *got = NULL;
    if (rc != CLIENT_OK) {
        json_decref(request);
        return rc;
    }
    do {
        int64_t left_ms = deadline_ms < 0 ? -1 : deadline_ms - clock_mono_ms();
        rc = client_ask(self->client, request, deadline_ms >= 0 && left_ms < 0 ? 0 : left_ms, &got,
                        &self->error);
    } while (rc == CLIENT_INTERRUPTED && self->wake && self->wake(self->wake_arg));
    json_decref(request);
    if (rc == CLIENT_OK) {
        *answer = got;
    }
    return rc;
}

int talk_change(talk_t *self, json_t *request, json_t **answer)
{
    client_add_key(request);
    return talk_ask(self, request, -1, answer);
}

int talk_wait_fd(talk_t *self, int fd, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    for (;;) {
        struct pollfd polled[] = { { fd, POLLIN, 0 }, { self->wake_fd, POLLIN, 0 } };
        int64_t left_ms = deadline_ms - clock_mono_ms();
        left_ms = left_ms < 0 ? 0 : left_ms > IDLE_MS ? IDLE_MS : left_ms;
        if (!be_idle(self)) {
            return CLIENT_INTERRUPTED;
        }
        int count = poll(polled, 2, (int)left_ms);
        if (count < 0 && errno != EINTR) {
            return CLIENT_INTERRUPTED;
        }
        if (count > 0 && polled[1].revents && self->wake && !self->wake(self->wake_arg)) {
            return CLIENT_INTERRUPTED;
        }
        if (count > 0 && (polled[0].revents || fd < 0)) {
            return CLIENT_OK;
        }
        if (clock_mono_ms() >= deadline_ms) {
            return CLIENT_TIMEOUT;
        }
    }
}

const struct client_error *talk_error(const talk_t *self)
{
    return &self->error;
}

int talk_complain(const talk_t *self, bool json)
{
    const struct client_error *error = &self->error;
    json_t *object = msg_error(*error->code ? error->code : "no-broker", error->text, error->hint);
    say_trouble(json, NULL, error->job, object);
    json_decref(object);
    return COMMAND_FAILED;
}

int talk_hello(talk_t *self, int64_t timeout_ms, json_t **answer)
{
    return talk_ask(self, msg_new("HELLO"), timeout_ms, answer);
}

void talk_tell_pause(talk_t *self)
{
    CLEANUP(cleanup_json) json_t *hello = NULL;
    if (talk_hello(self, -1, &hello) == CLIENT_OK && msg_bool_or(hello, "paused", false)) {
        say_note("the whole farm is paused; `dblend resume' lets it go on");
    }
}

int talk_job(talk_t *self, int64_t number, json_t **job, json_t **detail)
{
    json_t *request = msg_new("SHOW");
    json_t *answer = NULL;
    msg_set_int(request, "job", number);
    int rc = talk_ask(self, request, -1, &answer);
    if (rc != CLIENT_OK) {
        return rc;
    }
    json_t *nested = json_object_get(answer, "job");
    *job = json_incref(json_is_object(nested) ? nested : answer);
    if (detail) {
        *detail = answer;
    } else {
        json_decref(answer);
    }
    return CLIENT_OK;
}

int talk_list(talk_t *self, bool all, json_t **jobs)
{
    CLEANUP(cleanup_json) json_t *out = json_array();
    bool more = true;
    for (int64_t after = -1; more;) {
        json_t *request = msg_new("LIST");
        CLEANUP(cleanup_json) json_t *answer = NULL;
        msg_set_bool(request, "all", all);
        msg_set_int(request, "limit", LIST_PAGE);
        if (after >= 0) {
            msg_set_int(request, "after", after);
        }
        int rc = talk_ask(self, request, -1, &answer);
        if (rc != CLIENT_OK) {
            return rc;
        }
        const json_t *page = json_object_get(answer, "jobs");
        size_t count = json_array_size(page);
        int64_t last = count > 0 ? objects_int(json_array_get(page, count - 1), "job") : after;
        more = msg_bool_or(answer, "more", false) && last != after;
        after = last;
        json_array_extend(out, json_object_get(answer, "jobs"));
    }
    *jobs = out;
    out = NULL;
    return CLIENT_OK;
}

int talk_work_left(talk_t *self, size_t *count)
{
    CLEANUP(cleanup_json) json_t *hello = NULL;
    int rc = talk_hello(self, -1, &hello);
    if (rc == CLIENT_OK) {
        *count = (size_t)msg_int_or(hello, "work", 0);
    }
    return rc;
}

int talk_workers(talk_t *self, json_t **workers)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    int rc = talk_ask(self, msg_new("WORKERS"), -1, &answer);
    if (rc == CLIENT_OK) {
        json_t *list = json_object_get(answer, "workers");
        *workers = list ? json_incref(list) : json_array();
    }
    return rc;
}

int talk_log_end(talk_t *self, int64_t *last)
{
    CLEANUP(cleanup_json) json_t *answer = NULL;
    json_t *request = msg_new("LOG");
    msg_set_int(request, "after", -1);
    int rc = talk_ask(self, request, -1, &answer);
    if (rc == CLIENT_OK) {
        *last = msg_int_or(answer, "last", 0);
    }
    return rc;
}
