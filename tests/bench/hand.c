#include "tests/bench/hand.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/cleanup.h"
#include "tests/bench/engine.h"
#include "tests/bench/pack.h"

/* Each job has a folder of its own: two that write the same names never render side by side. */
#define OUTPUT "/render/%05" PRId64 "/shot_"

static const char digest[] = "dblend:0123456789abcdef0123456789abcdef:3.4";

void hand_init(struct hand *self, struct hand_run *run, unsigned number)
{
    *self = (struct hand){ .run = run };
    (void)snprintf(self->id, sizeof self->id, "%016x%016x", (unsigned)getpid(), number);
    (void)snprintf(self->name, sizeof self->name, "bench%u/cpu:%u", number / 8, number % 8);
}

/* ---- what it says ---- */

static void say_ready(struct hand *self, msgpack_packer *packer)
{
    char host[32];
    (void)snprintf(host, sizeof host, "%.*s", (int)strcspn(self->name, "/"), self->name);
    (void)msgpack_pack_map(packer, 13);
    pack_key_int(packer, "v", 1);
    pack_key_text(packer, "t", "READY");
    pack_key_int(packer, "seq", ++self->seq);
    pack_key_text(packer, "worker", self->id);
    pack_key_text(packer, "name", self->name);
    pack_key_text(packer, "host", host);
    pack_key_int(packer, "pid", getpid());
    pack_key_text(packer, "device", self->name + strlen(host) + 1);
    pack_key_text(packer, "device_kind", "cpu");
    pack_key_array(packer, "kinds", self->run->inspect ? 1 : 3);
    pack_text(packer, "inspect");
    if (!self->run->inspect) {
        pack_text(packer, "render");
        pack_text(packer, "sweep");
    }
    pack_key_array(packer, "blenders", 1);
    (void)msgpack_pack_map(packer, 3);
    pack_key_text(packer, "version", "3.4.1");
    pack_key_text(packer, "path", "/usr/bin/blender");
    pack_key_bool(packer, "denoiser", true);
    pack_key_array(packer, "holding", 0);
    pack_key_array(packer, "reports", 0);
}

static void say_files(msgpack_packer *packer, int64_t job, int32_t frame)
{
    char path[64];
    (void)snprintf(path, sizeof path, OUTPUT "%04" PRId32 ".png", job, frame);
    pack_key_array(packer, "files", 1);
    (void)msgpack_pack_map(packer, 7);
    pack_key_text(packer, "path", path);
    pack_key_int(packer, "bytes", 2000000 + frame);
    pack_key_int(packer, "width", 1920);
    pack_key_int(packer, "height", 1080);
    pack_key_text(packer, "view", "");
    pack_key_int(packer, "mtime_ns", INT64_C(1700000000000000000) + frame);
    pack_key_int(packer, "inode", 9000000 + frame);
}

static void say_found(msgpack_packer *packer, int64_t job, int32_t frames)
{
    char head[64];
    (void)snprintf(head, sizeof head, OUTPUT, job);
    pack_key_map(packer, "found", 20);
    pack_key_text(packer, "scene", "Scene");
    pack_key_array(packer, "scenes", 1);
    pack_text(packer, "Scene");
    pack_key_int(packer, "frame_start", 1);
    pack_key_int(packer, "frame_end", frames);
    pack_key_int(packer, "frame_step", 1);
    pack_key_int(packer, "frame_current", 1);
    pack_key_text(packer, "fps", "24");
    pack_key_int(packer, "width", 1920);
    pack_key_int(packer, "height", 1080);
    pack_key_text(packer, "engine", "CYCLES");
    pack_key_text(packer, "format", "PNG");
    pack_key_text(packer, "camera", "Camera");
    pack_key_array(packer, "outputs", 1);
    (void)msgpack_pack_map(packer, 4);
    pack_key_text(packer, "view", "");
    pack_key_text(packer, "head", head);
    pack_key_int(packer, "digits", 4);
    pack_key_text(packer, "tail", ".png");
    pack_key_bool(packer, "stamped", true);
    pack_key_text(packer, "digest", "0123456789abcdef0123456789abcdef");
    pack_key_text(packer, "blender", "3.4.1");
    pack_key_int(packer, "file_version", 304);
    pack_key_bool(packer, "ordered", false);
    pack_key_bool(packer, "denoise", false);
    pack_key_bool(packer, "engine_cpu_only", false);
}

static void say_report(const struct hand *self, msgpack_packer *packer,
                       const struct hand_report *report)
{
    bool started = strcmp(report->what, "started") == 0;
    bool finished = strcmp(report->what, "finished") == 0;
    bool inspected = strcmp(report->what, "inspected") == 0;
    (void)msgpack_pack_map(packer, started ? 3 : finished ? 6 : inspected ? 5 : 2);
    pack_key_int(packer, "claim", report->claim);
    pack_key_text(packer, "what", report->what);
    if (started) {
        pack_key_text(packer, "blender", "3.4.1");
    } else if (finished) {
        pack_key_int(packer, "ms", 1000 + report->frame % 100);
        say_files(packer, report->job, report->frame);
        pack_key_text(packer, "digest", digest);
        pack_key_int(packer, "rss_peak_bytes", 400000000);
    } else if (inspected) {
        say_found(packer, report->job, self->run->frames);
        pack_key_array(packer, "questions", 0);
        pack_key_array(packer, "warnings", 0);
    }
}

static const char *phase_of(const struct hand_claim *claim)
{
    static const char *const other[] = { [HAND_INSPECT] = "inspecting", [HAND_SWEEP] = "sweeping" };
    return claim->kind != HAND_RENDER ? other[claim->kind] : claim->started ? "rendering" : "ahead";
}

static void say_sync(struct hand *self, msgpack_packer *packer)
{
    bool leaving = self->run->leaving;
    int want = leaving ? 0 : self->run->depth - (int)self->held_count;
    (void)msgpack_pack_map(packer, 10 + (self->job != 0) + leaving);
    pack_key_int(packer, "v", 1);
    pack_key_text(packer, "t", "SYNC");
    pack_key_int(packer, "session", self->session);
    pack_key_int(packer, "seq", ++self->seq);
    pack_key_int(packer, "seen", self->seen);
    if (self->job) {
        pack_key_int(packer, "job", self->job);
    }
    pack_key_array(packer, "holding", self->held_count);
    for (size_t i = 0; i < self->held_count; i++) {
        (void)msgpack_pack_map(packer, 2);
        pack_key_int(packer, "claim", self->held[i].number);
        pack_key_text(packer, "phase", phase_of(&self->held[i]));
    }
    pack_key_array(packer, "reports", self->report_count);
    for (size_t i = 0; i < self->report_count; i++) {
        say_report(self, packer, &self->reports[i]);
    }
    pack_key_int(packer, "want", want > 0 ? want : 0);
    if (leaving) {
        pack_key_bool(packer, "leave", true);
    }
    pack_key_text(packer, "state",
                  leaving                ? "draining"
                  : self->held_count > 0 ? "rendering"
                                         : "idle");
    pack_key_map(packer, "telemetry", 2);
    pack_key_int(packer, "blender_rss_bytes", 400000000);
    pack_key_int(packer, "host_available_bytes", INT64_C(60000000000));
}

/* ---- what it does ---- */

static void report(struct hand *self, const struct hand_claim *claim, const char *what)
{
    self->reports[self->report_count++] = (struct hand_report){
        .claim = claim->number,
        .job = claim->job,
        .what = what,
        .frame = claim->frame,
    };
}

/* What was begun is over by now; the first of what is left is begun. */
static void work(struct hand *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->held_count; i++) {
        const struct hand_claim *claim = &self->held[i];
        if (claim->kind == HAND_RENDER && !claim->started) {
            self->held[kept++] = *claim;
        } else {
            static const char *const ends[] = { "finished", "inspected", "swept" };
            report(self, claim, ends[claim->kind]);
        }
    }
    bool over = kept < self->held_count;
    self->held_count = kept;
    if (kept > 0 && (!over || self->run->depth > 1)) {
        self->held[0].started = true;
        report(self, &self->held[0], "started");
    }
    if (kept == 0 && self->report_count == 0) {
        self->job = 0; /* nothing of it was left for us: given back */
    }
}

static bool say(void *peer, msgpack_sbuffer *body)
{
    struct hand *self = peer;
    struct hand_run *run = self->run;
    if (self->left || (self->session && !run->working)) {
        return false;
    }
    msgpack_packer packer;
    msgpack_packer_init(&packer, body, msgpack_sbuffer_write);
    if (self->session) {
        if (!run->leaving) {
            work(self);
        }
        say_sync(self, &packer);
        run->syncs++;
        run->said_bytes += body->size;
    } else {
        say_ready(self, &packer);
    }
    return true;
}

static void take_settled(struct hand *self, const msgpack_object *settled)
{
    for (uint32_t i = 0; settled && i < settled->via.array.size; i++) {
        const msgpack_object *one = &settled->via.array.ptr[i];
        if (!pack_is(one, "st", "accepted")) {
            engine_die("a report of %s is stale", self->name);
        }
        self->run->reports++;
        self->run->frames_done += pack_is(one, "what", "finished");
        self->run->inspected += pack_is(one, "what", "inspected");
    }
    self->report_count = 0; /* all of them are settled at once, or it would not be an answer */
}

static void take_grants(struct hand *self, const msgpack_object *grants)
{
    for (uint32_t i = 0; grants && i < grants->via.array.size; i++) {
        const msgpack_object *one = &grants->via.array.ptr[i];
        if (self->held_count == HAND_CLAIMS) {
            engine_die("more claims than were wanted");
        }
        self->held[self->held_count++] = (struct hand_claim){
            .number = pack_int(one, "claim", 0),
            .job = pack_int(one, "job", 0),
            .kind = pack_is(one, "kind", "inspect") ? HAND_INSPECT
                    : pack_is(one, "kind", "sweep") ? HAND_SWEEP
                                                    : HAND_RENDER,
            .frame = (int32_t)pack_int(one, "frame", 0),
        };
        self->run->grants++;
    }
}

static bool take(void *peer, const void *data, size_t size)
{
    struct hand *self = peer;
    CLEANUP(msgpack_unpacked_destroy) msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t at = 0;
    if (msgpack_unpack_next(&unpacked, data, size, &at) != MSGPACK_UNPACK_SUCCESS ||
        !pack_is(&unpacked.data, "t", "ANSWER")) {
        return false;
    }
    const msgpack_object *body = &unpacked.data;
    if (self->run->leaving) {
        self->left = true;
        self->run->left++;
        return true;
    }
    self->run->ready += self->session == 0;
    self->run->heard_bytes += self->session ? size : 0;
    self->session = pack_int(body, "session", 0);
    self->seen = pack_int(pack_get(body, "orders"), "n", 0);
    self->job = pack_int(pack_get(body, "job"), "job", self->job);
    take_settled(self, pack_get(body, "settled"));
    take_grants(self, pack_get(body, "grants"));
    return true;
}

const struct talk hand_talk = { .say = say, .take = take };
