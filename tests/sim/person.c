#include "tests/sim/person.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "broker/queue/job.h"
#include "proto/messages.h"
#include "tests/sim/hand.h"
#include "tests/sim/ledger.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/picture.h"
#include "tests/sim/world.h"

enum { JOBS_MOST = 7, OVERDUE_MS = 3000, CALM_MS = 2000 };

struct person {
    int64_t connection;
    uint32_t request;
    json_t *body;   /* what is asked, until it is answered; NULL: nothing */
    int64_t timer;  /* the one that was set last */
    int64_t ticket; /* of a REST: oracle.h */
};

static struct person persons[PERSONS];
static int64_t key;
static int submitted;
static int64_t newest_job;      /* that anybody was told of */
static bool rested[HANDS_MOST]; /* whom somebody asked to rest: woken at the end */

static int64_t peer_of(const struct person *self)
{
    return NET_PERSONS + (self - persons);
}

static void wake_at(struct person *self, int64_t at_ms)
{
    world_add(at_ms, EVENT_PERSON, (++self->timer << 8) | peer_of(self), NULL);
}

void person_open(void)
{
    key = 0;
    submitted = 0;
    newest_job = 0;
    memset(rested, 0, sizeof rested);
    for (size_t i = 0; i < PERSONS; i++) {
        persons[i] = (struct person){ 0 };
        persons[i].connection = net_connect(peer_of(&persons[i]), SOCKET_SUBMITTERS, "");
        wake_at(&persons[i], world.now_ms + (int64_t)i * 3000 + world_below(500));
    }
}

void person_close(void)
{
    for (size_t i = 0; i < PERSONS; i++) {
        json_decref(persons[i].body);
        persons[i].body = NULL;
    }
}

/* ---- what is asked ---- */

static json_t *change(const char *type)
{
    char text[24];
    json_t *body = msg_new(type);
    (void)snprintf(text, sizeof text, "key-%d", (int)++key);
    msg_set_str(body, "key", text);
    return body;
}

static json_t *of_jobs(const char *type, int64_t job)
{
    json_t *body = change(type);
    json_t *jobs = json_array();
    if (job != 0) {
        json_array_append_new(jobs, json_integer(job));
    }
    msg_set(body, "jobs", jobs);
    return body;
}

static json_t *new_options(void)
{
    static const char *const orders[] = { "first", "last", "middle", "every:3" };
    json_t *options = json_object();
    msg_set_int(options, "placeholder_timeout_s", 1 + world_below(20));
    if (world_chance(700)) {
        msg_set_bool(options, "again", true);
    }
    if (world_chance(300)) {
        msg_set_int(options, "attempts", 1 + world_below(4));
    }
    if (world_chance(300)) {
        msg_set_int(options, "priority", 25 * (int64_t)world_below(5));
    }
    if (world_chance(300)) {
        msg_set_str(options, "order", orders[world_below(4)]);
    }
    if (world_chance(150)) {
        msg_set_bool(options, "overwrite", true);
    }
    if (world_chance(200)) {
        int first = 1 + (int)world_below(4);
        msg_set(options, "frames", json_pack("[i, i, i]", first, first + (int)world_below(6), 1));
    }
    if (world_has_cards() && world_chance(300)) {
        msg_set_bool(options, "allow_cpu", true);
    }
    return options;
}

static json_t *submit(void)
{
    static const char hash[] = "aa00000000000000000000000000000000000000000000000000000000000000";
    char name[24];
    json_t *body = change("SUBMIT");
    int file = (int)world_below(PICTURE_FILES);
    (void)snprintf(name, sizeof name, "job-%d", ++submitted);
    json_t *spec =
        json_pack("{s:s, s:i, s:i, s:s, s:s, s:s, s:s, s:i, s:o}", "file", picture_file(file),
                  "size", 1000, "mtime_ns", 5, "hash", hash, "kept", "/files/.kept.blend", "name",
                  name, "cwd", "/files", "submitted_at", 77, "options", new_options());
    if (world_chance(100)) {
        msg_set_bool(spec, "go_on", true);
        oracle_allow(LEAVE_RETRY, 0);
    }
    msg_set(body, "jobs", json_pack("[o]", spec));
    return body;
}

static json_t *resume(int64_t job)
{
    json_t *body = of_jobs("RESUME", job);
    const struct ledger_job *row = ledger_job(job);
    const char *code = row ? msg_str_or(row->row.error, "code", "") : "";
    if (job != 0 && (strcmp(code, "file-changed") == 0 || world_chance(100))) {
        msg_set_bool(body, "accept_change", true);
        oracle_allow(LEAVE_RETRY, job);
    }
    return body;
}

static json_t *retry(int64_t job)
{
    json_t *body = of_jobs("RETRY", job);
    if (world_chance(300)) {
        msg_set_bool(body, "all", true);
    }
    oracle_allow(LEAVE_RETRY, job);
    return body;
}

static json_t *remove_job(int64_t job)
{
    oracle_allow(LEAVE_REMOVE, job);
    return of_jobs("REMOVE", job);
}

static json_t *accept(int64_t job)
{
    json_t *body = change("ACCEPT");
    msg_set_int(body, "job", job);
    msg_set(body, "options", json_pack("{s:b}", "allow_missing", 1));
    return body;
}

static json_t *priority(int64_t job)
{
    json_t *body = change("PRIORITY");
    msg_set_int(body, "job", job);
    msg_set_int(body, "priority", world_below(101));
    return body;
}

static json_t *verify(int64_t job)
{
    json_t *body = of_jobs("VERIFY", job);
    if (world_chance(500)) {
        msg_set_bool(body, "requeue", true);
        oracle_allow(LEAVE_RETRY, job);
    }
    return body;
}

static json_t *drain(void)
{
    json_t *body = change("DRAIN");
    msg_set_str(body, "worker", hand_name(world_below((uint32_t)hand_count())));
    return body;
}

/* Give devices back to their owner, or take them again: those of all workers that are marked. */
static json_t *rest(bool on, const bool marked[HANDS_MOST])
{
    json_t *body = change("REST");
    json_t *names = json_array();
    for (size_t i = 0; i < hand_count(); i++) {
        if (marked[i]) {
            json_array_append_new(names, json_string(hand_name(i)));
            rested[i] = on || (rested[i] && !world.calm); /* who asked before may be heard later */
        }
    }
    msg_set(body, "workers", names);
    msg_set_bool(body, "rest", on);
    if (on && world_chance(400)) {
        msg_set_bool(body, "now", true);
    }
    return body;
}

static json_t *rest_one(void)
{
    bool marked[HANDS_MOST] = { false };
    marked[world_below((uint32_t)hand_count())] = true;
    return rest(world_chance(600), marked);
}

static bool is_rest(const json_t *body)
{
    return body && strcmp(msg_type(body), "REST") == 0;
}

static bool any_rested(void)
{
    bool any = false;
    for (size_t i = 0; i < HANDS_MOST; i++) {
        any = any || rested[i];
    }
    return any;
}

/* Once nobody asks for the contrary any more. */
static json_t *wake_all(void)
{
    for (size_t i = 0; i < PERSONS; i++) {
        if (is_rest(persons[i].body)) {
            return NULL;
        }
    }
    return rest(false, rested);
}

static json_t *look(int64_t job)
{
    json_t *body = NULL;
    switch (world_below(4)) {
    case 0:
        body = msg_new("LIST");
        msg_set_bool(body, "all", true);
        return body;
    case 1:
        body = msg_new("FRAMES");
        msg_set_int(body, "job", job);
        return body;
    case 2:
        body = msg_new("WAIT");
        msg_set(body, "jobs", json_pack("[I]", (json_int_t)job));
        msg_set_int(body, "wait_ms", 2000);
        return body;
    default:
        return msg_new("WORKERS");
    }
}

static json_t *seldom(int64_t job)
{
    json_t *body = NULL;
    switch (world_below(6)) {
    case 0:
        oracle_allow(LEAVE_REMOVE, 0);
        return change("CLEAR");
    case 1:
        body = change("STOP");
        msg_set_bool(body, "now", world_chance(500));
        return body;
    case 2:
        return remove_job(job);
    case 3:
        return of_jobs("PAUSE", 0);
    default:
        return drain();
    }
}

static json_t *anything(void)
{
    int64_t job = 1 + world_below((uint32_t)newest_job);
    if (newest_job == 0 || (submitted < JOBS_MOST && world_chance(200))) {
        return submit();
    }
    if (world_has_cards() && world_chance(120)) {
        return rest_one();
    }
    switch (world_below(14)) {
    case 0:
    case 1:
        return of_jobs("PAUSE", job);
    case 2:
    case 3:
        return resume(job);
    case 4:
        return resume(0);
    case 5:
        return of_jobs("CANCEL", job);
    case 6:
    case 7:
        return retry(job);
    case 8:
        return priority(job);
    case 9:
        return accept(job);
    case 10:
        return seldom(job);
    case 11:
        return verify(job);
    default:
        return look(job);
    }
}

/* What is in the way of an end; NULL: nothing is. */
static json_t *put_right(void)
{
    if (any_rested()) {
        return wake_all();
    }
    if (ledger_meta("paused") != 0) {
        return resume(0);
    }
    for (int64_t job = 1; job < ORACLE_JOBS; job++) {
        const struct ledger_job *row = ledger_job(job);
        if (row && row->row.state == JOB_PAUSED) {
            return resume(job);
        }
    }
    for (int64_t job = 1; job < ORACLE_JOBS; job++) {
        const struct ledger_job *row = ledger_job(job);
        if (row && row->row.state == JOB_HELD) {
            return accept(job);
        }
    }
    return submitted == 0 ? submit() : NULL;
}

/* ---- the talk ---- */

static void ask(struct person *self)
{
    self->request++;
    TRACE("a person asks %s %s", msg_type(self->body), msg_str_or(self->body, "key", ""));
    net_send(self->connection, self->request, json_incref(self->body));
    wake_at(self, world.now_ms + OVERDUE_MS);
}

/* A rest names one worker: of many that are woken no ticket is needed. */
static void ask_rest(struct person *self)
{
    size_t i = 0;
    json_t *name = NULL;
    json_array_foreach(msg_array_or_null(self->body, "workers"), i, name)
    {
        self->ticket =
            oracle_rest_asked(msg_bool_or(self->body, "rest", false), json_string_value(name));
    }
}

void person_wake(int64_t which)
{
    struct person *self = &persons[(which & 0xff) - NET_PERSONS];
    if (which >> 8 != self->timer) {
        return;
    }
    if (!self->body) {
        self->body = world.calm ? put_right() : anything();
        if (is_rest(self->body)) {
            ask_rest(self);
        }
    }
    if (self->body) {
        ask(self);
    } else {
        wake_at(self, world.now_ms + CALM_MS);
    }
}

static void hear_submitted(const json_t *body)
{
    const json_t *jobs = msg_array_or_null(body, "jobs");
    int64_t job = msg_int_or(json_array_get(jobs, 0), "job", 0);
    if (job == 0 || json_object_get(json_array_get(jobs, 0), "error")) {
        return;
    }
    if (!oracle_has_job(job) && !oracle_allowed(LEAVE_REMOVE, job)) {
        world_fail("job %" PRId64 " was acknowledged and is not there", job);
    }
    newest_job = job > newest_job ? job : newest_job;
}

static void hear_rest(const struct person *self, const json_t *body)
{
    const json_t *results = msg_array_or_null(body, "results");
    bool on = msg_bool_or(self->body, "rest", false);
    size_t i = 0;
    json_t *name = NULL;
    json_array_foreach(msg_array_or_null(self->body, "workers"), i, name)
    {
        bool done = msg_bool_or(json_array_get(results, i), "ok", false);
        oracle_rest_heard(on, json_string_value(name), done, self->ticket);
    }
}

void person_hear(int64_t peer, uint32_t request, const json_t *body)
{
    struct person *self = &persons[peer - NET_PERSONS];
    if (!self->body || request != self->request) {
        return;
    }
    const char *type = msg_type(self->body);
    TRACE("a person hears %s of %s %s %s", msg_type(body), type, msg_str_or(self->body, "key", ""),
          msg_str_or(body, "text", ""));
    if (strcmp(type, "SUBMIT") == 0 && strcmp(msg_type(body), "OK") == 0) {
        hear_submitted(body);
    }
    if (is_rest(self->body)) {
        hear_rest(self, body);
    }
    json_decref(self->body);
    self->body = NULL;
    uint32_t eager = world.faults.people;
    wake_at(self, world.now_ms + (world.calm ? 200 : 200 + world_below(1000000 / (eager + 10))));
}
