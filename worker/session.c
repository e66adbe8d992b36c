#include "worker/session.h"

#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

enum state {
    STATE_READY, /* READY is to be sent or unanswered */
    STATE_LIVE,
    STATE_LEFT,
};

struct session {
    struct session_self me;
    struct session_calls calls;
    reports_t *reports;
    enum state state;
    int64_t id;        /* of the session; 0: none yet */
    int64_t seq, seen; /* of the last message; newest orders received */
    int64_t park_ms;
    bool waiting;     /* a message is unanswered */
    int64_t touch_ms; /* when news must be sent; INT64_MAX: there are none */
    int want;         /* of the last message */
    bool leaving;     /* the last message was the last one */
    int overdue;      /* resends since the last answer */
    int64_t due_ms, heard_ms;
    uint32_t random;
};

session_t *session_new(const struct session_self *self, const struct session_calls *calls,
                       reports_t *reports, uint32_t seed, int64_t now_ms)
{
    session_t *new = alloc_zero(1, sizeof *new);
    new->me = *self;
    new->calls = *calls;
    new->reports = reports;
    new->park_ms = 1000;
    new->heard_ms = now_ms;
    new->touch_ms = INT64_MAX;
    new->random = seed | 1;
    return new;
}

void session_destroy(session_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

void session_touch(session_t *self)
{
    self->touch_ms = 0;
}

void session_touch_by(session_t *self, int64_t at_ms)
{
    self->touch_ms = at_ms < self->touch_ms ? at_ms : self->touch_ms;
}

int64_t session_heard_ms(const session_t *self)
{
    return self->heard_ms;
}

bool session_connected(const session_t *self)
{
    return self->state == STATE_LIVE && self->overdue == 0;
}

static json_t *ready_body(session_t *self)
{
    json_t *body =
        json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:O, s:O}", "v", 1, "t", "READY",
                  "worker", self->me.worker_id, "name", self->me.name, "host", self->me.host, "pid",
                  self->me.pid, "device", self->me.device, "device_kind", self->me.device_kind,
                  "kinds", self->me.kinds, "blenders", self->me.blenders);
    if (self->me.memory_bytes > 0) {
        json_object_set_new(body, "memory_bytes", json_integer(self->me.memory_bytes));
    }
    if (self->me.device_types) {
        json_object_set(body, "device_types", self->me.device_types);
    }
    if (self->me.draws_shared) {
        json_object_set_new(body, "draws_shared", json_true());
    }
    if (self->me.cards > 0) {
        json_object_set_new(body, "cards", json_integer(self->me.cards));
    }
    if (self->me.regroups > 0) {
        json_object_set_new(body, "regroups", json_integer(self->me.regroups));
        json_object_set_new(body, "largest_bytes", json_integer(self->me.largest_bytes));
    }
    if (self->me.device_name) {
        json_object_set_new(body, "device_name", json_string(self->me.device_name));
    }
    return body;
}

static json_t *sync_body(const session_t *self, struct session_now *now)
{
    json_t *body = json_pack("{s:i, s:s, s:I, s:I, s:i, s:s}", "v", 1, "t", "SYNC", "session",
                             (json_int_t)self->id, "seen", (json_int_t)self->seen, "want",
                             now->want, "state", now->state);
    if (now->leave) {
        json_object_set_new(body, "leave", json_true());
    }
    if (now->progress) {
        json_object_set(body, "progress", now->progress);
    }
    if (now->telemetry) {
        json_object_set(body, "telemetry", now->telemetry);
    }
    if (now->rest) {
        json_object_set(body, "rest", now->rest);
    }
    return body;
}

static void send_now(session_t *self, int64_t now_ms, bool renew)
{
    bool ready = self->state == STATE_READY;
    struct session_now now = { .state = "idle" };
    self->calls.describe(self->calls.ctx, ready, &now);
    CLEANUP(cleanup_json) json_t *body = ready ? ready_body(self) : sync_body(self, &now);
    struct reports_log logs[REPORTS_LOGS_A_MESSAGE];
    size_t log_count = 0;
    json_object_set_new(body, "seq", json_integer(++self->seq));
    json_object_set_new(body, "holding", now.holding ? now.holding : json_array());
    json_object_set_new(body, "reports", reports_message(self->reports, logs, &log_count));
    if (now.job != 0) {
        json_object_set_new(body, "job", json_integer(now.job));
    }
    json_decref(now.progress);
    json_decref(now.telemetry);
    json_decref(now.rest);
    self->want = ready ? 0 : now.want;
    self->leaving = !ready && now.leave;
    self->touch_ms = INT64_MAX;
    self->waiting = true;
    self->due_ms = now_ms + self->park_ms + SESSION_OVERDUE_MS;
    self->calls.send(self->calls.ctx, body, logs, ready ? 0 : log_count, renew);
}

/* Between three quarters and five quarters of ms: workers that lost one broker do not ask in step.
 */
static int64_t jitter(session_t *self, int64_t ms)
{
    self->random = self->random * 1664525U + 1013904223U;
    return ms * 3 / 4 + (int64_t)((uint64_t)ms / 2 * (self->random >> 16) / 65536);
}

static void send_again(session_t *self, int64_t now_ms)
{
    int64_t pause = SESSION_PAUSE_MIN_MS;
    for (int i = 0; i < self->overdue && pause < SESSION_PAUSE_MAX_MS; i++) {
        pause *= 2;
    }
    pause = pause > SESSION_PAUSE_MAX_MS ? SESSION_PAUSE_MAX_MS : pause;
    self->overdue++;
    send_now(self, now_ms, self->overdue % 3 == 0);
    self->due_ms = now_ms + jitter(self, pause);
}

int64_t session_tick(session_t *self, int64_t now_ms)
{
    if (self->state == STATE_LEFT) {
        return INT64_MAX;
    }
    bool may = self->state == STATE_LIVE && self->overdue == 0; /* else news wait for the timer */
    if (self->waiting && now_ms >= self->due_ms) {
        send_again(self, now_ms);
    } else if (!self->waiting || (may && now_ms >= self->touch_ms)) {
        send_now(self, now_ms, false);
    }
    return may && self->touch_ms < self->due_ms ? self->touch_ms : self->due_ms;
}

static void apply_settled(session_t *self, const json_t *settled)
{
    size_t i = 0;
    json_t *entry = NULL;
    json_array_foreach(settled, i, entry)
    {
        const char *what = json_string_value(json_object_get(entry, "what"));
        const char *st = json_string_value(json_object_get(entry, "st"));
        int64_t claim = json_integer_value(json_object_get(entry, "claim"));
        if (!what || !st) {
            continue;
        }
        (void)reports_settle(self->reports, claim, what); /* settled twice is no news */
        if (strcmp(st, "stale") == 0) {
            self->calls.stale(self->calls.ctx, claim);
        }
    }
}

static void apply_stale(session_t *self, const json_t *stale)
{
    size_t i = 0;
    json_t *entry = NULL;
    json_array_foreach(stale, i, entry)
    {
        int64_t claim = json_integer_value(entry);
        reports_forget(self->reports, claim);
        self->calls.stale(self->calls.ctx, claim);
    }
}

static void apply_orders(session_t *self, const json_t *body)
{
    const json_t *orders = json_object_get(body, "orders");
    const char *drain = json_string_value(json_object_get(orders, "drain"));
    const char *rest = json_string_value(json_object_get(orders, "rest"));
    if (!json_is_object(orders)) {
        return;
    }
    int64_t number = json_integer_value(json_object_get(orders, "n"));
    self->seen = number > self->seen ? number : self->seen;
    struct session_orders out = {
        .pause = json_is_true(json_object_get(orders, "pause")),
        .give_back = json_is_true(json_object_get(orders, "return")),
        .drain = drain && *drain,
        .now = drain && strcmp(drain, "now") == 0,
        .rest = rest && *rest,
        .rest_now = rest && strcmp(rest, "now") == 0,
        .stop = json_object_get(orders, "stop"),
    };
    self->calls.orders(self->calls.ctx, &out);
}

static void apply_answer(session_t *self, const json_t *body)
{
    bool was_ready = self->state == STATE_READY;
    const char *farm = json_string_value(json_object_get(body, "farm"));
    self->id = json_integer_value(json_object_get(body, "session"));
    json_int_t park = json_integer_value(json_object_get(body, "park_ms"));
    self->park_ms = park >= 1 && park <= 3600000 ? park : 1000;
    self->state = STATE_LIVE;
    if (was_ready) {
        self->calls.ready(self->calls.ctx, farm ? farm : "");
    }
    apply_settled(self, json_object_get(body, "settled"));
    apply_stale(self, json_object_get(body, "stale"));
    json_t *about = json_object_get(body, "job");
    if (json_is_object(about)) {
        self->calls.job(self->calls.ctx, about);
    }
    size_t i = 0;
    json_t *grant = NULL;
    json_array_foreach(json_object_get(body, "grants"), i, grant)
    {
        self->calls.grant(self->calls.ctx, grant);
    }
    apply_orders(self, body);
    self->calls.answered(self->calls.ctx, self->want, i);
    if (self->leaving) {
        self->state = STATE_LEFT;
        self->calls.left(self->calls.ctx);
    }
}

static const char *text_of(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    return text ? text : "";
}

void session_answer(session_t *self, const json_t *body, int64_t now_ms)
{
    const char *type = text_of(body, "t");
    if (self->state == STATE_LEFT || !self->waiting) {
        return;
    }
    if (strcmp(type, "REFUSED") == 0) {
        self->state = STATE_LEFT;
        self->calls.refused(self->calls.ctx, text_of(body, "code"), text_of(body, "text"),
                            text_of(body, "hint"));
        return;
    }
    if (json_integer_value(json_object_get(body, "seq")) != self->seq) {
        return; /* the answer to a message that has been superseded */
    }
    self->heard_ms = now_ms;
    bool again = strcmp(type, "READY-AGAIN") == 0;
    if (again && self->state == STATE_READY) {
        return; /* no answer to a READY: the timer sends the next one, not we at once for ever */
    }
    if (again) {
        self->waiting = false;
        self->overdue = 0;
        self->state = STATE_READY;
        self->seen = 0;
    } else if (strcmp(type, "ANSWER") == 0 && json_is_integer(json_object_get(body, "session"))) {
        self->waiting = false;
        self->overdue = 0;
        apply_answer(self, body);
    }
}
