#include "tests/sim/hand.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/messages.h"
#include "tests/sim/hand_parts.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/picture.h"
#include "tests/sim/world.h"

enum { OVERDUE_MS = 2000, PAUSE_MOST_MS = 10000, SOCKET_TRIES = 3, JOB_FILES = 32 };

static struct hand hands[HANDS_MOST];
static size_t count;
static int job_files[JOB_FILES]; /* by job, as descriptions tell it */

static const char *const phases[] = { "ahead", "rendering", "proof", "inspecting", "sweeping" };

static void drop_all_reports(struct hand *self)
{
    while (self->report_count > 0) {
        json_decref(self->reports[--self->report_count].body);
    }
}

void hand_close(void)
{
    for (size_t i = 0; i < count; i++) {
        drop_all_reports(&hands[i]);
    }
    count = 0;
}

size_t hand_count(void)
{
    return count;
}

const char *hand_name(size_t index)
{
    return hands[index].name;
}

static void random_id(char out[ID_SIZE])
{
    for (size_t i = 0; i < ID_SIZE - 1; i++) {
        out[i] = "0123456789abcdef"[world_below(16)];
    }
    out[ID_SIZE - 1] = '\0';
}

static void wake_at(struct hand *self, int64_t at_ms)
{
    if (at_ms < self->wake_ms) {
        self->wake_ms = at_ms;
        world_add(at_ms, EVENT_HAND, (self->life << 8) | (int64_t)(self - hands), NULL);
    }
}

static void connect_anew(struct hand *self)
{
    self->connection =
        net_connect((int64_t)(self - hands), self->remote ? SOCKET_TCP : SOCKET_WORKERS, self->id);
}

/* Another process of the same name. */
static void start(struct hand *self)
{
    int64_t life = self->life + 1;
    bool liar = !world.calm && self->liar;
    struct hand fresh = { .life = life,
                          .kind = self->kind,
                          .memory_bytes = self->memory_bytes,
                          .remote = self->remote,
                          .liar = liar };
    memcpy(fresh.name, self->name, sizeof fresh.name);
    fresh.cut_until_ms = self->cut_until_ms;
    *self = fresh;
    random_id(self->id);
    self->alive = true;
    self->wake_ms = INT64_MAX;
    self->urgent = true;
    connect_anew(self);
    TRACE("%s starts as %.6s", self->name, self->id);
}

void hand_open(size_t wanted, bool inspector)
{
    count = wanted + inspector;
    for (size_t i = 0; i < count; i++) {
        struct hand *self = &hands[i];
        *self = (struct hand){ .wake_ms = INT64_MAX };
        self->kind = inspector && i == wanted ? DEVICE_NONE : DEVICE_CPU;
        if (self->kind == DEVICE_CPU && world_has_cards() && world_chance(700)) {
            static const int64_t sizes[] = { 0, 8, 8, 24 };
            self->kind = DEVICE_GPU;
            self->memory_bytes = sizes[world_below(4)] * HAND_GIB;
        }
        self->remote = self->kind != DEVICE_NONE && world_chance(400);
        self->liar = world_chance(world.faults.lie > 0 ? 400 : 0);
        (void)snprintf(self->name, sizeof self->name, self->kind == DEVICE_NONE ? "h/none" : "h/%d",
                       (int)i);
        self->life = -1;
        start(self);
        wake_at(self, world.now_ms + 1 + world_below(2000));
    }
}

/* ---- what is sent ---- */

static int wish(struct hand *self)
{
    size_t unproven = 0;
    if (self->leaving || self->resting) {
        return 0;
    }
    if (self->kind == DEVICE_NONE) {
        return self->held_count == 0;
    }
    for (size_t i = 0; i < self->held_count; i++) {
        unproven += self->held[i].phase == PHASE_AHEAD || self->held[i].phase == PHASE_RENDERING;
    }
    return self->held_count >= 4 || unproven >= 2 ? 0 : 2 - (int)unproven;
}

static bool on_job(const struct hand *self)
{
    for (size_t i = 0; i < self->held_count; i++) {
        if (self->held[i].kind == CLAIM_RENDER && self->held[i].phase != PHASE_PROOF) {
            return true;
        }
    }
    return false;
}

static void put_state(const struct hand *self, json_t *body)
{
    json_t *holding = json_array();
    json_t *reports = json_array();
    for (size_t i = 0; i < self->held_count; i++) {
        json_t *item = json_object();
        msg_set_int(item, "claim", self->held[i].claim);
        msg_set_str(item, "phase", phases[self->held[i].phase]);
        json_array_append_new(holding, item);
    }
    for (size_t i = 0; i < self->report_count; i++) {
        json_array_append(reports, self->reports[i].body);
    }
    msg_set(body, "holding", holding);
    msg_set(body, "reports", reports);
    if (self->job != 0) {
        msg_set_int(body, "job", self->job);
    }
}

static int64_t pid_of(const struct hand *self)
{
    return 1000 + self->life * HANDS_MOST + (self - hands);
}

bool hand_process_runs(int64_t pid)
{
    for (size_t i = 0; i < count; i++) {
        if (hands[i].alive && pid_of(&hands[i]) == pid) {
            return true;
        }
    }
    return false;
}

static json_t *ready_body(const struct hand *self)
{
    static const char *const kinds[] = { "none", "cpu", "gpu" };
    json_t *body = msg_new("READY");
    bool inspector = self->kind == DEVICE_NONE;
    msg_set_int(body, "seq", self->seq);
    msg_set_str(body, "worker", self->id);
    msg_set_str(body, "name", self->name);
    msg_set_str(body, "host", "h");
    msg_set_int(body, "pid", pid_of(self));
    msg_set_str(body, "device", self->name + 2);
    msg_set_str(body, "device_kind", kinds[self->kind]);
    msg_set(body, "kinds",
            inspector ? json_pack("[s, s]", "inspect", "sweep")
                      : json_pack("[s, s, s]", "render", "inspect", "sweep"));
    msg_set(body, "blenders",
            json_pack("[{s:s, s:s, s:b}]", "version", "3.4.1", "path", "/b", "denoiser", 1));
    if (self->memory_bytes > 0) {
        msg_set_int(body, "memory_bytes", self->memory_bytes);
    }
    put_state(self, body);
    return body;
}

/* Claims that it has not, of others and of nobody; and that it has rendered what it has not. */
static void lie(struct hand *self, json_t *body)
{
    json_t *reports = json_copy(json_object_get(body, "reports"));
    json_t *holding = json_copy(json_object_get(body, "holding"));
    int64_t newest = self->seen;
    for (size_t i = 0; i < self->held_count; i++) {
        newest = self->held[i].claim > newest ? self->held[i].claim : newest;
    }
    int64_t claim = 1 + world_below((uint32_t)newest + 3);
    struct held of = { .claim = claim, .file = 0, .frame = 1 };
    if (json_array_size(reports) < QUEUE_REPORTS && world_chance(600)) {
        json_t *report = work_new_report(claim, world_chance(500) ? "finished" : "returned");
        msg_set_int(report, "ms", 1);
        msg_set(report, "files", work_files(&of));
        msg_set_str(report, "digest", "d");
        json_array_append_new(reports, report);
        oracle_lie(claim);
    } else if (json_array_size(holding) < HELD_MOST) {
        json_array_append_new(
            holding, json_pack("{s:I, s:s}", "claim", (json_int_t)claim, "phase", "rendering"));
    }
    msg_set(body, "reports", reports);
    msg_set(body, "holding", holding);
    if (world_chance(200)) {
        msg_set_int(body, "want", 4);
    }
    if (world_chance(50)) {
        msg_set_int(body, "seen", self->seen + 2);
    }
}

/* Where there are cards, workers tell what their machine has left, and are too hot at times. */
static void put_gauges(const struct hand *self, json_t *body)
{
    if (self->kind != DEVICE_GPU || world_chance(300)) {
        return;
    }
    int64_t rss = world.calm ? 0 : world_below(24) * HAND_GIB;
    /* At last there is next to nothing: one at a time must still come through. */
    int64_t available = world.calm ? HAND_GIB / 2 : world_below(64) * HAND_GIB;
    msg_set(body, "telemetry",
            json_pack("{s:I, s:I}", "blender_rss_bytes", (json_int_t)rss, "host_available_bytes",
                      (json_int_t)available));
    if (!world.calm && world_chance(100)) {
        msg_set(body, "rest", json_pack("{s:s, s:s}", "code", "too-hot", "text", "91 C"));
    }
}

static json_t *sync_body(struct hand *self)
{
    json_t *body = msg_new("SYNC");
    if ((self->back || self->held_count == 0) && !on_job(self)) {
        self->job = self->back || world_chance(100) ? 0 : self->job;
    }
    msg_set_int(body, "session", self->session);
    msg_set_int(body, "seq", self->seq);
    msg_set_int(body, "seen", self->seen);
    msg_set_int(body, "want", wish(self));
    msg_set_str(body, "state",
                self->held_count > 0 ? "rendering"
                : self->resting      ? "resting"
                                     : "idle");
    if (self->leaving && self->held_count == 0) {
        msg_set_bool(body, "leave", true);
        self->left = true;
    }
    put_state(self, body);
    put_gauges(self, body);
    if (self->liar && !world.calm && world_chance(world.faults.lie)) {
        lie(self, body);
    }
    return body;
}

static void send(struct hand *self)
{
    self->seq += 1 + (world_chance(20) ? world_below(5) : 0);
    self->request++;
    self->urgent = false;
    self->waiting = true;
    self->overdue_ms =
        world.now_ms + (self->park_ms ? self->park_ms : 1000) + OVERDUE_MS + self->pause_ms;
    json_t *body = self->session == 0 ? ready_body(self) : sync_body(self);
    TRACE("%s sends %s seq=%d holds=%d reports=%d", self->name, msg_type(body), (int)self->seq,
          (int)self->held_count, (int)self->report_count);
    net_send(self->connection, self->request, body);
    if (!world.calm && self->liar && world_chance(5)) {
        net_send_rubbish(self->connection);
    }
}

/* Its state anew, with pauses that double, over a new connection every third time. */
static void send_overdue(struct hand *self)
{
    self->pause_ms = self->pause_ms ? 2 * self->pause_ms : 250;
    self->pause_ms = self->pause_ms > PAUSE_MOST_MS ? PAUSE_MOST_MS : self->pause_ms;
    if (++self->tries % SOCKET_TRIES == 0) {
        net_close(self->connection);
        connect_anew(self);
    }
    send(self);
}

static void set_timer(struct hand *self)
{
    int64_t at_ms = self->waiting ? self->overdue_ms : world.now_ms + 1;
    for (size_t i = 0; i < self->held_count; i++) {
        const struct held *held = &self->held[i];
        if (held->phase != PHASE_AHEAD && held->due_ms < at_ms && work_has_room(self)) {
            at_ms = held->due_ms;
        }
    }
    wake_at(self, at_ms > world.now_ms ? at_ms : world.now_ms + 1);
}

/* What there is to do and to say, now. */
static void act(struct hand *self)
{
    work_do(self);
    if (!self->alive) {
        return;
    }
    /* while an answer is overdue nothing is sent but on its timer */
    if (self->waiting && world.now_ms >= self->overdue_ms) {
        send_overdue(self);
    } else if (!self->waiting || (self->urgent && self->tries == 0)) {
        send(self);
    }
    set_timer(self);
}

void hand_wake(size_t index, int64_t life)
{
    struct hand *self = &hands[index];
    if (life != self->life) {
        return;
    }
    self->wake_ms = INT64_MAX;
    if (!self->alive) {
        start(self);
    }
    if (world.now_ms < self->stopped_until_ms) {
        wake_at(self, self->stopped_until_ms);
        return;
    }
    act(self);
}

/* ---- what is heard ---- */

static void drop_reports(struct hand *self, int64_t claim, const char *what)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->report_count; i++) {
        struct report *report = &self->reports[i];
        if (report->claim == claim &&
            (!what || strcmp(msg_str_or(report->body, "what", ""), what) == 0)) {
            json_decref(report->body);
        } else {
            self->reports[kept++] = *report;
        }
    }
    self->report_count = kept;
}

static struct held *find_held(struct hand *self, int64_t claim)
{
    for (size_t i = 0; i < self->held_count; i++) {
        if (self->held[i].claim == claim) {
            return &self->held[i];
        }
    }
    return NULL;
}

/* Not its own any more: the work stops, its temporary file goes; a published picture stays. */
static void hear_stale(struct hand *self, int64_t claim)
{
    const struct held *held = find_held(self, claim);
    drop_reports(self, claim, NULL);
    if (held) {
        TRACE("%s: claim %d is stale", self->name, (int)claim);
        if (held->kind == CLAIM_RENDER) {
            picture_give_up(held->file, held->frame, claim);
        }
        work_drop(self, claim);
    }
}

static void note_job(const json_t *description)
{
    int64_t job = msg_int_or(description, "job", 0);
    if (job > 0 && job < JOB_FILES) {
        job_files[job] = picture_file_of(msg_str_or(description, "file", "/files/a"));
    }
}

static void hear_grant(struct hand *self, const json_t *grant)
{
    int64_t claim = msg_int_or(grant, "claim", 0);
    enum claim_kind kind = CLAIM_NONE;
    (void)claim_kind_parse(msg_str_or(grant, "kind", ""), &kind);
    if (find_held(self, claim)) {
        if (!self->liar) {
            world_fail("%s has claim %" PRId64 " and is granted it again", self->name, claim);
        }
        return;
    }
    if (kind == CLAIM_RENDER && msg_int_or(grant, "job", 0) != self->job) {
        world_fail("%s is granted a frame of job %d, its assignment is job %d", self->name,
                   (int)msg_int_or(grant, "job", 0), (int)self->job);
    }
    if (self->held_count == HELD_MOST) {
        world_fail("%s is granted more than it can hold", self->name);
    }
    if (kind != CLAIM_RENDER) {
        note_job(msg_map_or_null(grant, "about"));
    }
    const json_t *sighting = msg_map_or_null(grant, "sighting");
    int64_t job = msg_int_or(grant, "job", 0);
    struct held *held = &self->held[self->held_count++];
    *held = (struct held){
        .claim = claim,
        .kind = kind,
        .phase = kind == CLAIM_INSPECT ? PHASE_INSPECTING
                 : kind == CLAIM_SWEEP ? PHASE_SWEEPING
                                       : PHASE_AHEAD,
        .job = job,
        .file = job_files[job],
        .frame = (int32_t)msg_int_or(grant, "frame", 0),
        .again = msg_bool_or(grant, "again", false),
        .abandoned = sighting && msg_bool_or(sighting, "abandoned", false),
        .due_ms = world.now_ms + 10 + world_below(300),
    };
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(msg_array_or_null(grant, "look"), index, item)
    {
        held->look[held->look_count++] = (int32_t)msg_int_or(item, "frame", 0);
    }
}

static void hear_stops(struct hand *self, const json_t *stops)
{
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(stops, index, item)
    {
        const struct held *held = find_held(self, json_integer_value(item));
        if (held && work_has_room(self)) {
            work_give_back(self, held);
        }
    }
}

static void hear_orders(struct hand *self, const json_t *orders)
{
    const char *drain = msg_str_or(orders, "drain", "");
    self->seen = msg_int_or(orders, "n", 0);
    self->paused = msg_bool_or(orders, "pause", false);
    self->back = msg_bool_or(orders, "return", false);
    self->leaving = self->leaving || drain[0] != '\0';
    work_rest(self, msg_str_or(orders, "rest", ""));
    hear_stops(self, msg_array_or_null(orders, "stop"));
    for (size_t i = self->held_count; strcmp(drain, "now") == 0 && i-- > 0;) {
        if (work_has_room(self)) {
            work_give_back(self, &self->held[i]);
        }
    }
}

static void hear_answer(struct hand *self, const json_t *body)
{
    size_t index = 0;
    json_t *item = NULL;
    const json_t *job = msg_map_or_null(body, "job");
    self->session = msg_int_or(body, "session", 0);
    self->park_ms = msg_int_or(body, "park_ms", 0);
    json_array_foreach(msg_array_or_null(body, "settled"), index, item)
    {
        drop_reports(self, msg_int_or(item, "claim", 0), msg_str_or(item, "what", ""));
    }
    json_array_foreach(msg_array_or_null(body, "stale"), index, item)
    {
        hear_stale(self, json_integer_value(item));
    }
    if (job) {
        note_job(job);
        self->job = msg_int_or(job, "job", 0);
    }
    json_array_foreach(msg_array_or_null(body, "grants"), index, item)
    {
        hear_grant(self, item);
    }
    hear_orders(self, msg_map_or_null(body, "orders"));
}

/* It has left; `farm` or a person starts another one some time. */
static void leave(struct hand *self)
{
    TRACE("%s has left", self->name);
    hand_die(self);
}

void hand_hear(size_t index, int64_t connection, uint32_t request, const json_t *body)
{
    struct hand *self = &hands[index];
    if (!self->alive || connection != self->connection || request != self->request ||
        !self->waiting) {
        return; /* REQ takes only the answer to its last request */
    }
    if (msg_int_or(body, "seq", -1) != self->seq) {
        world_fail("%s sent seq %" PRId64 " and is answered for %" PRId64, self->name, self->seq,
                   msg_int_or(body, "seq", -1));
    }
    self->waiting = false;
    self->tries = 0;
    self->pause_ms = 0;
    if (strcmp(msg_type(body), "READY-AGAIN") == 0) {
        self->session = 0;
        self->left = false;
    } else if (strcmp(msg_type(body), "ANSWER") == 0) {
        hear_answer(self, body);
        if (self->left) {
            leave(self);
            return;
        }
    } else {
        world_fail("%s is refused: %s", self->name, msg_str_or(body, "text", ""));
    }
    act(self);
}

/* ---- faults ---- */

void hand_kill(size_t index)
{
    hand_die(&hands[index]);
}

void hand_die(struct hand *self)
{
    if (!self->alive) {
        return;
    }
    TRACE("%s dies", self->name);
    drop_all_reports(self);
    net_close(self->connection);
    self->alive = false;
    self->held_count = 0;
    self->life++;
    self->wake_ms = INT64_MAX;
    self->stopped_until_ms = 0;
    int64_t pause_ms = world.calm ? 1000 : 200 + world_below(world_chance(100) ? 60000 : 3000);
    wake_at(self, world.now_ms + pause_ms);
}

void hand_stop_until(size_t index, int64_t ms)
{
    hands[index].stopped_until_ms = ms;
}

void hand_cut_until_set(size_t index, int64_t ms)
{
    hands[index].cut_until_ms = ms;
}

int64_t hand_stopped_until(size_t index)
{
    return hands[index].stopped_until_ms;
}

int64_t hand_cut_until(size_t index)
{
    return hands[index].cut_until_ms;
}

void hand_behave(void)
{
    for (size_t i = 0; i < count; i++) {
        hands[i].stopped_until_ms = 0;
        hands[i].cut_until_ms = 0;
        hands[i].liar = false;
    }
}

bool hand_all_idle(void)
{
    for (size_t i = 0; i < count; i++) {
        if (hands[i].held_count > 0 || hands[i].report_count > 0) {
            return false;
        }
    }
    return true;
}

void hand_disconnect(size_t index)
{
    net_close(hands[index].connection);
}
