#include "tests/fuzz/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"
#include "proto/json_wire.h"
#include "proto/messages.h"

enum { REQUESTS = 256, CLAIMS = 4096, KEYS = 128 };

struct held {
    int64_t claim;
    bool render;
    bool started;
};

struct worker {
    int64_t session;
    int64_t seq;
    int64_t seen;
    int64_t job;
    struct held held[PEERS_HELD];
    size_t held_count;
    json_t *reports; /* array, until settled */
    int64_t seq_of[REQUESTS];
    bool losing;
    bool gone;
};

/* Both kinds: what was asked, and what is answered. */
struct talk {
    size_t asked;            /* requests so far; the number of the last one */
    bool answered[REQUESTS]; /* by number */
    char type[REQUESTS][16];
    size_t keyed[REQUESTS]; /* which of keyed[] it was; KEYS: none */
};

static struct worker workers[PEERS_WORKERS];
static struct talk talks[2][PEERS_WORKERS];
static int8_t owner[CLAIMS]; /* by claim: worker + 1 */
static unsigned next_key;
static struct {
    json_t *request; /* the first one with that key */
    json_t *answer;
} keyed[KEYS];

void peers_reset(void)
{
    for (size_t i = 0; i < PEERS_WORKERS; i++) {
        json_decref(workers[i].reports);
    }
    for (size_t i = 0; i < KEYS; i++) {
        json_decref(keyed[i].request);
        json_decref(keyed[i].answer);
    }
    memset(workers, 0, sizeof workers);
    memset(talks, 0, sizeof talks);
    memset(owner, 0, sizeof owner);
    memset(keyed, 0, sizeof keyed);
    next_key = 0;
    for (size_t i = 0; i < PEERS_WORKERS; i++) {
        workers[i].reports = json_array();
    }
}

/* ---- READY and SYNC ---- */

static void drop_held(struct worker *self, size_t index)
{
    self->held[index] = self->held[--self->held_count];
}

static json_t *holding_of(const struct worker *self, size_t skip)
{
    json_t *holding = json_array();
    for (size_t i = 0; i < self->held_count && json_array_size(holding) < 8; i++) {
        if (i != skip) {
            const char *phase = self->held[i].started ? "rendering" : "ahead";
            (void)json_array_append_new(
                holding,
                json_pack("{s:I, s:s}", "claim", (json_int_t)self->held[i].claim, "phase", phase));
        }
    }
    return holding;
}

json_t *peers_ready(size_t worker, struct fuzz_bytes *bytes)
{
    static const char *const devices[] = { "cpu:0-1", "cpu:2-3", "GPU-1a2b", "none" };
    static const char *const kinds[] = { "cpu", "cpu", "gpu", "none" };
    struct worker *self = &workers[worker];
    uint8_t choice = fuzz_byte(bytes);
    char id[33];
    char name[32];
    memset(id, "0123"[worker], 32);
    id[32] = '\0';
    (void)snprintf(name, sizeof name, "host/%s", devices[worker]);
    if (choice & 1) {
        self->held_count = 0; /* it has forgotten, as after a restart */
        (void)json_array_clear(self->reports);
    }
    self->seq += choice & 2 ? 0 : 1;
    self->seq += self->seq == 0;
    json_t *takes = worker == 3  ? json_pack("[s, s]", "inspect", "sweep")
                    : choice & 4 ? json_pack("[s, s, s]", "render", "inspect", "sweep")
                                 : json_pack("[s, s]", "render", "sweep");
    json_t *body = json_pack(
        "{s:i, s:s, s:I, s:s, s:s, s:s, s:i, s:s, s:s, s:o, s:[{s:s, s:s, s:b}], s:o, s:O}", "v", 1,
        "t", "READY", "seq", (json_int_t)self->seq, "worker", id, "name", name, "host", "host",
        "pid", 100 + (int)worker, "device", devices[worker], "device_kind", kinds[worker], "kinds",
        takes, "blenders", "version", choice & 8 ? "2.93.1" : "3.4.1", "path", "/usr/bin/blender",
        "denoiser", !(choice & 16), "holding", holding_of(self, PEERS_HELD), "reports",
        self->reports);
    if (self->job && !(choice & 1)) {
        msg_set_int(body, "job", self->job);
    }
    return body;
}

static json_t *files_of(int64_t claim)
{
    char path[32];
    (void)snprintf(path, sizeof path, "/o/a_%04d.png", (int)(claim % 100));
    return json_pack("[{s:s, s:i, s:i, s:i, s:s, s:i, s:i}]", "path", path, "bytes", 1000, "width",
                     64, "height", 36, "view", "", "mtime_ns", 5, "inode", 6);
}

static json_t *found_of(uint8_t choice)
{
    static const char *const heads[] = { "/o/a_", "/o/b_", "/p/a_", "/o/a_" };
    int start = choice & 3;
    return json_pack(
        "{s:s, s:[s], s:i, s:i, s:i, s:i, s:s, s:i, s:i, s:s, s:s, s:s,"
        " s:[{s:s, s:s, s:i, s:s}], s:b, s:s, s:s, s:i, s:b, s:b, s:b}",
        "scene", "Scene", "scenes", "Scene", "frame_start", start, "frame_end",
        start + (choice >> 2 & 7), "frame_step", 1 + (choice >> 5 & 1), "frame_current", 3, "fps",
        "24", "width", 64, "height", 36, "engine", "CYCLES", "format", "PNG", "camera", "Camera",
        "outputs", "view", "", "head", heads[choice >> 6], "digits", 4, "tail", ".png", "stamped",
        choice & 1, "digest", "c0ffeec0ffeec0ffeec0ffeec0ffee00", "blender", "3.4.1",
        "file_version", 304, "ordered", (choice & 7) == 7, "denoise", choice & 4, "engine_cpu_only",
        (choice & 15) == 9);
}

static json_t *troubles_of(uint8_t choice)
{
    static const char *const codes[] = { "files-missing", "scripts-blocked", "pictures",
                                         "warnings",      "unbaked",         "engine-missing" };
    if (choice % 2 == 0) {
        return json_array();
    }
    return json_pack("[{s:s, s:s, s:s}]", "code", codes[choice / 2 % 6], "text", "something",
                     "hint", "--flag");
}

/* What a worker says of a claim; NULL: nothing. */
static json_t *report_of(int64_t claim, uint8_t what, struct fuzz_bytes *bytes)
{
    json_int_t c = claim;
    switch (what % 12) {
    case 0:
        return json_pack("{s:I, s:s, s:s}", "claim", c, "what", "started", "blender", "3.4.1");
    case 1:
        return json_pack("{s:I, s:s, s:i, s:o, s:s}", "claim", c, "what", "finished", "ms", 1000,
                         "files", files_of(claim), "digest", "dblend:c0ffee:3.4");
    case 2:
        return json_pack("{s:I, s:s, s:o}", "claim", c, "what", "kept", "files", files_of(claim));
    case 3:
        return json_pack("{s:I, s:s, s:i, s:i, s:i}", "claim", c, "what", "taken", "size", 0,
                         "mtime_ns", fuzz_byte(bytes), "inode", 9);
    case 4:
    case 5:
        return json_pack("{s:I, s:s, s:s, s:s, s:s, s:b, s:b}", "claim", c, "what", "error", "code",
                         what & 16 ? "file-changed" : "crashed", "text", "it crashed", "hint", "",
                         "fatal", what % 12 == 5, "log", what & 32);
    case 6:
        return json_pack("{s:I, s:s, s:b}", "claim", c, "what", "returned", "charge", what & 16);
    case 7:
    case 8: {
        json_t *found = found_of(fuzz_byte(bytes));
        uint8_t asks = what & 16 ? fuzz_byte(bytes) : 0;
        return json_pack("{s:I, s:s, s:o, s:o, s:o}", "claim", c, "what", "inspected", "found",
                         found, "questions", troubles_of(asks), "warnings", troubles_of(asks >> 4));
    }
    case 9:
        return json_pack("{s:I, s:s}", "claim", c, "what", "swept");
    default:
        return NULL;
    }
}

static void add_report(struct worker *self, size_t index, uint8_t what, struct fuzz_bytes *bytes)
{
    if (json_array_size(self->reports) >= PEERS_REPORTS) {
        return;
    }
    json_t *report = report_of(self->held[index].claim, what, bytes);
    if (!report) {
        return;
    }
    (void)json_array_append_new(self->reports, report);
    if (what % 12 == 0) {
        self->held[index].started = true;
    } else {
        drop_held(self, index);
    }
}

/* A claim that it may not have: somebody else's, an old one, one that never was. */
static void add_lie(struct worker *self, struct fuzz_bytes *bytes)
{
    uint8_t what = fuzz_byte(bytes);
    json_t *report = report_of(1 + fuzz_byte(bytes) % 16, what, bytes);
    if (report && json_array_size(self->reports) < PEERS_REPORTS) {
        (void)json_array_append(self->reports, report);
    }
    json_decref(report);
}

json_t *peers_sync(size_t worker, struct fuzz_bytes *bytes)
{
    static const char *const states[] = { "idle", "rendering", "opening", "starting" };
    struct worker *self = &workers[worker];
    uint8_t choice = fuzz_byte(bytes);
    for (size_t i = self->held_count; i-- > 0;) {
        add_report(self, i, fuzz_byte(bytes), bytes);
    }
    if ((choice & 0xe0) == 0x80) {
        add_lie(self, bytes);
    }
    self->seq += (choice & 0x30) == 0x30 ? 0 : 1;
    size_t skip = (choice & 0xc0) == 0xc0 ? 0 : PEERS_HELD;
    json_t *body = json_pack(
        "{s:i, s:s, s:I, s:I, s:I, s:o, s:O, s:i, s:s, s:b}", "v", 1, "t", "SYNC", "session",
        (json_int_t)(self->session ? self->session : 1), "seq", (json_int_t)self->seq, "seen",
        (json_int_t)self->seen, "holding", holding_of(self, skip), "reports", self->reports, "want",
        choice % 5, "state", states[choice / 5 % 4], "leave", (choice & 0x70) == 0x60);
    if (self->job && (choice & 0x18) != 0x18) {
        msg_set_int(body, "job", self->job);
    } else {
        self->job = 0;
    }
    if (self->held_count > 0 && choice & 1) {
        json_t *progress =
            json_pack("{s:I, s:s, s:i, s:i}", "claim", (json_int_t)self->held[0].claim, "text",
                      "sample 1/4", "done", 1, "total", 4);
        msg_set(body, "progress", progress);
    }
    return body;
}

/* ---- requests of submitters ---- */

static void set_key(json_t *body, uint8_t choice)
{
    char key[16];
    /* one in sixteen: a key that was used before */
    next_key += (choice & 15) != 15;
    (void)snprintf(key, sizeof key, "key-%u", next_key);
    msg_set_str(body, "key", key);
}

static json_t *options_of(uint8_t choice, uint8_t more)
{
    static const char *const orders[] = { "first", "last", "middle", "every:2" };
    json_t *options = json_object();
    if (choice & 1) {
        msg_set(options, "frames", json_pack("[i, i, i]", 1, 1 + (choice >> 4 & 7), 1));
    }
    if (choice & 2) {
        msg_set_str(options, "output", more & 1 ? "/o/x_####" : "/o/a_####");
    }
    if (choice & 4) {
        msg_set_int(options, "priority", more % 101);
    }
    if (choice & 8) {
        msg_set_int(options, "attempts", 1 + more % 3);
        msg_set_str(options, "order", orders[more & 3]);
    }
    static const char *const flags[] = { "overwrite",  "keep",   "trust_scripts",
                                         "no_scripts", "strict", "allow_missing",
                                         "mix",        "again" };
    for (size_t i = 0; choice & 128 && i < 8; i++) {
        if (more >> i & 1) {
            msg_set_bool(options, flags[i], true);
        }
    }
    if ((choice & 0x60) == 0x60) {
        msg_set_str(options, "unbaked", more & 1 ? "refuse" : more & 2 ? "allow" : "order");
        msg_set(options, "frame_words", json_pack("[s]", "current"));
        msg_set_bool(options, "denoise", more & 4);
        msg_set_int(options, "placeholder_timeout_s", 60);
    }
    return options;
}

json_t *peers_submit(struct fuzz_bytes *bytes)
{
    static const char hash[] = "abababababababababababababababababababababababababababababababab";
    json_t *jobs = json_array();
    uint8_t choice = fuzz_byte(bytes);
    for (int i = 0; i <= (choice >> 6 == 3); i++) {
        char file[32];
        uint8_t first = fuzz_byte(bytes);
        json_t *options = options_of(first, fuzz_byte(bytes));
        (void)snprintf(file, sizeof file, "/f/%c.blend", 'a' + choice % 3);
        json_t *spec = json_pack("{s:s, s:i, s:i, s:s, s:s, s:s, s:i, s:o}", "file", file, "size",
                                 100, "mtime_ns", 5, "hash", hash, "name", "name", "cwd", "/f",
                                 "submitted_at", 7, "options", options);
        if (choice & 16) {
            msg_set_bool(spec, "go_on", true);
        }
        if (choice & 32) {
            msg_set_str(spec, "kept", "/f/.kept.blend");
        }
        (void)json_array_append_new(jobs, spec);
    }
    json_t *body = msg_new("SUBMIT");
    msg_set(body, "jobs", jobs);
    set_key(body, choice);
    return body;
}

static json_t *jobs_of(uint8_t choice)
{
    if ((choice & 7) == 0) {
        return json_array();
    }
    return choice & 64 ? json_pack("[i, i]", choice & 7, choice >> 3 & 7)
                       : json_pack("[i]", choice & 7);
}

json_t *peers_change(struct fuzz_bytes *bytes)
{
    static const char *const types[] = { "PAUSE",    "RESUME", "CANCEL", "REMOVE", "RETRY",
                                         "PRIORITY", "ACCEPT", "CLEAR",  "DRAIN",  "STOP",
                                         "RESUME",   "RETRY",  "REST" };
    uint8_t first = fuzz_byte(bytes);
    uint8_t type = first >= 240 ? 12 : first % 12; /* as the seeds have it */
    uint8_t choice = fuzz_byte(bytes);
    uint8_t more = fuzz_byte(bytes);
    json_t *body = msg_new(types[type]);
    set_key(body, more);
    switch (type) {
    case 5:
        msg_set_int(body, "job", 1 + choice % 7);
        msg_set_int(body, "priority", more % 101);
        break;
    case 6:
        msg_set_int(body, "job", 1 + choice % 7);
        msg_set(body, "options", options_of(more, fuzz_byte(bytes)));
        break;
    case 7:
        break;
    case 8:
        msg_set_str(body, "worker", choice & 1 ? "host/cpu:0-1" : "host/cpu:2-3");
        break;
    case 9:
        msg_set_bool(body, "now", choice & 1);
        break;
    case 12:
        msg_set(body, "workers", json_pack("[s]", choice & 1 ? "host/cpu:0-1" : "host/cpu:2-3"));
        msg_set_bool(body, "rest", choice & 2);
        msg_set_bool(body, "now", choice & 4);
        break;
    default:
        msg_set(body, "jobs", jobs_of(choice));
        if (type == 10) {
            msg_set_bool(body, "accept_change", true);
        } else if (type == 11) {
            msg_set_bool(body, "all", true);
        }
        break;
    }
    return body;
}

json_t *peers_read(struct fuzz_bytes *bytes)
{
    static const char *const types[] = { "HELLO", "LIST",   "SHOW", "FRAMES", "WORKERS",
                                         "LOG",   "OUTPUT", "WAIT", "ATTEND" };
    uint8_t type = fuzz_byte(bytes) % 9;
    uint8_t choice = fuzz_byte(bytes);
    json_t *body = msg_new(types[type]);
    if (type == 2 || type == 3 || type == 6) {
        msg_set_int(body, "job", 1 + choice % 7);
    }
    switch (type) {
    case 1:
        msg_set_bool(body, "all", choice & 1);
        msg_set_int(body, "limit", 1 + choice / 2);
        break;
    case 3:
        msg_set_int(body, "limit", 1 + choice / 8);
        break;
    case 5:
        msg_set_int(body, "after", choice % 16 - 1);
        msg_set_int(body, "wait_ms", choice & 16 ? 10000 : 0);
        break;
    case 6:
        msg_set_int(body, "frame", choice / 8);
        break;
    case 7:
        msg_set(body, "jobs", jobs_of(choice));
        msg_set_int(body, "wait_ms", choice & 128 ? 10000 : 0);
        break;
    case 8:
        msg_set_str(body, "role", choice & 1 ? "farm" : "render");
        msg_set_int(body, "pid", 1 + choice);
        break;
    default:
        break;
    }
    return body;
}

/* ---- asking and being answered ---- */

/* The same key and request as before gets the same answer. */
static size_t find_key(const json_t *body)
{
    const char *key = msg_str_or(body, "key", NULL);
    size_t at = key && strncmp(key, "key-", 4) == 0 ? strtoul(key + 4, NULL, 10) : KEYS;
    char plain[16];
    (void)snprintf(plain, sizeof plain, "key-%u", (unsigned)at);
    if (at >= KEYS || strcmp(plain, key) != 0) {
        return KEYS;
    }
    if (!keyed[at].request) {
        keyed[at].request = json_deep_copy(body);
    }
    return json_equal(keyed[at].request, body) ? at : KEYS;
}

struct envelope_address peers_ask(bool is_worker, size_t peer, const json_t *body)
{
    struct talk *talk = &talks[is_worker][peer];
    talk->asked = talk->asked + 1 < REQUESTS ? talk->asked + 1 : talk->asked;
    talk->answered[talk->asked] = false;
    (void)snprintf(talk->type[talk->asked], sizeof talk->type[0], "%s", body ? msg_type(body) : "");
    if (is_worker) {
        workers[peer].gone = false;
        workers[peer].seq_of[talk->asked] = body ? msg_int_or(body, "seq", 0) : 0;
    } else {
        talk->keyed[talk->asked] = body ? find_key(body) : KEYS;
    }
    return (struct envelope_address){ .peer = { 0, is_worker, (uint8_t)peer },
                                      .request = { 0, 0, 0, (uint8_t)talk->asked } };
}

void peers_lose(size_t worker)
{
    workers[worker].losing = true;
}

void peers_leave(size_t worker)
{
    workers[worker].gone = true;
}

void peers_broker_gone(void)
{
    for (size_t peer = 0; peer < PEERS_WORKERS; peer++) {
        talks[0][peer].answered[talks[0][peer].asked] = true;
        talks[1][peer].answered[talks[1][peer].asked] = true;
    }
}

bool peers_has_answer(size_t submitter)
{
    const struct talk *talk = &talks[0][submitter];
    return talk->asked == 0 || talk->answered[talk->asked];
}

int peers_owner(int64_t claim)
{
    return claim > 0 && claim < CLAIMS ? owner[claim] - 1 : -1;
}

static void take_grant(size_t worker, const json_t *grant)
{
    struct worker *self = &workers[worker];
    int64_t claim = msg_int_or(grant, "claim", 0);
    for (size_t i = 0; i < self->held_count; i++) {
        if (self->held[i].claim == claim) {
            return; /* granted again */
        }
    }
    if (self->held_count < PEERS_HELD) {
        bool render = strcmp(msg_str_or(grant, "kind", ""), "render") == 0;
        self->held[self->held_count++] = (struct held){ .claim = claim, .render = render };
    }
}

static void forget_claim(struct worker *self, int64_t claim)
{
    for (size_t i = self->held_count; i-- > 0;) {
        if (self->held[i].claim == claim) {
            drop_held(self, i);
        }
    }
}

static void settle(size_t worker, const json_t *settled)
{
    struct worker *self = &workers[worker];
    const char *what = msg_str_or(settled, "what", "");
    int64_t claim = msg_int_or(settled, "claim", 0);
    FUZZ_CHECK(strcmp(msg_str_or(settled, "st", ""), "accepted") != 0 || claim >= CLAIMS ||
                   owner[claim] == 0 || owner[claim] == (int)worker + 1,
               "claim %d: a report of worker %zu is accepted, it was granted to %d", (int)claim,
               worker, owner[claim] - 1);
    for (size_t i = json_array_size(self->reports); i-- > 0;) {
        const json_t *report = json_array_get(self->reports, i);
        if (msg_int_or(report, "claim", 0) == claim &&
            strcmp(msg_str_or(report, "what", ""), what) == 0) {
            (void)json_array_remove(self->reports, i);
        }
    }
}

static void take_answer(size_t worker, const json_t *answer)
{
    struct worker *self = &workers[worker];
    size_t index = 0;
    json_t *item = NULL;
    self->session = msg_int_or(answer, "session", 0);
    self->seen = msg_int_or(msg_map_or_null(answer, "orders"), "n", 0);
    json_array_foreach(json_object_get(answer, "settled"), index, item)
    {
        settle(worker, item);
    }
    json_array_foreach(json_object_get(answer, "stale"), index, item)
    {
        forget_claim(self, json_integer_value(item));
    }
    json_array_foreach(json_object_get(answer, "grants"), index, item)
    {
        take_grant(worker, item);
        if (strcmp(msg_str_or(item, "kind", ""), "render") == 0) {
            self->job = msg_int_or(item, "job", 0);
        }
    }
    const json_t *job = msg_map_or_null(answer, "job");
    self->job = job ? msg_int_or(job, "job", 0) : self->job;
}

/* Whether the answer arrives or not: what was granted to one is never another's. */
static void note_grant(size_t worker, int64_t claim)
{
    if (claim < CLAIMS) {
        FUZZ_CHECK(owner[claim] == 0 || owner[claim] == (int)worker + 1,
                   "claim %d is granted to worker %zu, and was to %d", (int)claim, worker,
                   owner[claim] - 1);
        owner[claim] = (int8_t)(worker + 1);
    }
}

static void note_grants(size_t worker, const json_t *answer)
{
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "grants"), index, item)
    {
        note_grant(worker, msg_int_or(item, "claim", 0));
    }
}

static int worker_answered(size_t worker, size_t number, const json_t *answer)
{
    struct worker *self = &workers[worker];
    const char *type = msg_type(answer);
    bool is_last = number == talks[1][worker].asked;
    FUZZ_CHECK(strcmp(type, "REFUSED") == 0 || msg_int_or(answer, "seq", 0) == self->seq_of[number],
               "%s to seq %d says %d", type, (int)self->seq_of[number],
               (int)msg_int_or(answer, "seq", 0));
    note_grants(worker, answer);
    if (self->losing || !is_last) {
        self->losing = false;
        return ENVELOPE_OK;
    }
    if (strcmp(type, "ANSWER") == 0) {
        take_answer(worker, answer);
    }
    return ENVELOPE_OK;
}

static void submitter_answered(size_t at, const json_t *answer)
{
    if (at == KEYS) {
        return;
    }
    if (!keyed[at].answer) {
        keyed[at].answer = json_deep_copy(answer);
    }
    FUZZ_CHECK(json_equal(keyed[at].answer, answer), "key-%zu: asked twice, answered differently",
               at);
}

int peers_answered(bool is_worker, const struct envelope_address *to, const void *body, size_t size)
{
    size_t peer = to->peer[2];
    size_t number = to->request[3];
    CLEANUP(cleanup_json) json_t *answer = NULL;
    struct message_fault fault = { "" };
    FUZZ_CHECK(to->peer[1] == is_worker && peer < PEERS_WORKERS, "an answer to nobody");
    struct talk *talk = &talks[is_worker][peer];
    if (is_worker && workers[peer].gone) {
        return ENVELOPE_GONE;
    }
    FUZZ_CHECK(number <= talk->asked && !talk->answered[number], "%s is answered again",
               talk->type[number]);
    talk->answered[number] = true;
    int rc = wire_decode(body, size, &wire_answer_limits, &answer);
    FUZZ_CHECK(rc == WIRE_OK, "the answer to %s: %s", talk->type[number], wire_outcome_name(rc));
    rc = message_check(is_worker ? MESSAGE_TO_WORKER : MESSAGE_TO_SUBMITTER, answer, &fault);
    FUZZ_CHECK(rc == MESSAGE_OK, "the answer to %s: %s", talk->type[number], fault.text);
    if (is_worker) {
        return worker_answered(peer, number, answer);
    }
    submitter_answered(talk->keyed[number], answer);
    return ENVELOPE_OK;
}
