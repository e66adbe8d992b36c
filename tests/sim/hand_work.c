/* The work of a worker: what it does with its claims, and what it reports of them. */

#include <stdio.h>
#include <string.h>

#include "proto/messages.h"
#include "tests/sim/hand_parts.h"
#include "tests/sim/picture.h"
#include "tests/sim/world.h"

/* ---- reports ---- */

json_t *work_new_report(int64_t claim, const char *what)
{
    json_t *body = json_object();
    msg_set_int(body, "claim", claim);
    msg_set_str(body, "what", what);
    return body;
}

json_t *work_files(const struct held *held)
{
    char path[48];
    (void)snprintf(path, sizeof path, "/out/%c_%04d.png", 'a' + held->file, (int)held->frame);
    return json_pack("[{s:s, s:i, s:i, s:i, s:s, s:i, s:i}]", "path", path, "bytes", 1000, "width",
                     64, "height", 64, "view", "", "mtime_ns", 5, "inode", 6);
}

static void add_report(struct hand *self, int64_t claim, json_t *body)
{
    self->reports[self->report_count++] = (struct report){ .claim = claim, .body = body };
    self->urgent = true;
}

void work_drop(struct hand *self, int64_t claim)
{
    for (size_t i = 0; i < self->held_count; i++) {
        if (self->held[i].claim == claim) {
            self->held[i] = self->held[--self->held_count];
            return;
        }
    }
}

/* The claim ends with this report. */
static void end_with(struct hand *self, const struct held *held, json_t *body)
{
    int64_t claim = held->claim;
    TRACE("%s: claim %d %s", self->name, (int)claim, msg_str_or(body, "what", ""));
    add_report(self, claim, body);
    work_drop(self, claim);
}

void work_give_back(struct hand *self, const struct held *held)
{
    if (held->kind == CLAIM_RENDER) {
        picture_give_up(held->file, held->frame, held->claim);
    }
    end_with(self, held, work_new_report(held->claim, "returned"));
}

static void fail(struct hand *self, const struct held *held, const char *code, bool fatal)
{
    json_t *body = work_new_report(held->claim, "error");
    msg_set_str(body, "code", code);
    msg_set_str(body, "text", "as the simulation wants it");
    msg_set_bool(body, "fatal", fatal);
    if (self->memory_bytes > 0 && world_chance(200)) {
        msg_set_int(body, "gpu_had_bytes", world_below(20) * HAND_GIB);
    }
    if (held->kind == CLAIM_RENDER) {
        picture_give_up(held->file, held->frame, held->claim);
    }
    end_with(self, held, body);
}

bool work_has_room(const struct hand *self)
{
    return self->report_count + 1 < QUEUE_REPORTS;
}

/* ---- work ---- */

static bool ends_badly(struct hand *self, const struct held *held)
{
    static const char *const codes[] = { "crashed",     "out-of-memory", "stalled", "bad-picture",
                                         "no-picture",  "disk-full",     "lost",    "too-long",
                                         "device-lost", "file-changed" };
    static const char *const fatal[] = { "no-camera", "scene-missing", "output-unwritable" };
    if (world.calm || !world_chance(world.faults.err)) {
        return false;
    }
    if (self->kind == DEVICE_GPU && world_chance(500)) {
        fail(self, held, "out-of-gpu-memory", false);
    } else if (world_chance(200)) {
        work_give_back(self, held);
    } else if (world_chance(40)) {
        fail(self, held, fatal[world_below(3)], world_chance(500));
    } else {
        fail(self, held, codes[world_below(world_chance(60) ? 10 : 9)], false);
    }
    return true;
}

static void begin_frame(struct hand *self, struct held *held)
{
    int64_t sighting = 0;
    enum picture_look look = picture_look(held->file, held->frame, held->again, &sighting);
    if (look == LOOK_TAKEN && !held->abandoned) {
        json_t *body = work_new_report(held->claim, "taken");
        msg_set_int(body, "size", 0);
        msg_set_int(body, "mtime_ns", sighting);
        msg_set_int(body, "inode", 9);
        end_with(self, held, body);
        return;
    }
    if (look == LOOK_KEPT) {
        json_t *body = work_new_report(held->claim, "kept");
        msg_set(body, "files", work_files(held));
        end_with(self, held, body);
        return;
    }
    if (!picture_take(held->file, held->frame, held->claim)) {
        work_give_back(self, held);
        return;
    }
    held->phase = PHASE_RENDERING;
    held->due_ms = world.now_ms + 20 + world_below(world_chance(50) ? 20000 : 700);
    json_t *body = work_new_report(held->claim, "started");
    msg_set_str(body, "blender", "3.4.1");
    add_report(self, held->claim, body);
}

static void end_frame(struct hand *self, const struct held *held)
{
    if (!picture_publish(held->file, held->frame, held->claim)) {
        work_give_back(self, held); /* fenced */
        return;
    }
    if (!world.calm && world_chance(world.faults.kill) && world_chance(200)) {
        hand_die(self); /* published, and it will never say so */
        return;
    }
    json_t *body = work_new_report(held->claim, "finished");
    msg_set_int(body, "ms", world_below(1000));
    msg_set(body, "files", work_files(held));
    msg_set_str(body, "digest", "d");
    if (self->kind == DEVICE_GPU && world_chance(300)) {
        msg_set_int(body, "gpu_peak_bytes", (1 + world_below(24)) * HAND_GIB);
        msg_set_int(body, "rss_peak_bytes", (1 + world_below(24)) * HAND_GIB);
    }
    end_with(self, held, body);
}

/* Its prover may stop early, and then says how far it came. */
static void sweep(struct hand *self, const struct held *held)
{
    json_t *body = work_new_report(held->claim, "swept");
    json_t *wrong = json_array();
    bool partly = !world.calm && held->look_count > 1 && world_chance(100);
    size_t count = partly ? 1 + world_below((uint32_t)held->look_count - 1) : held->look_count;
    for (size_t i = 0; i < count; i++) {
        bool whole = picture_look_again(held->job, held->file, held->look[i]);
        if (!whole || (!world.calm && world_chance(10))) {
            json_array_append_new(wrong, json_pack("{s:i, s:s, s:s}", "frame", (int)held->look[i],
                                                   "code", whole ? "changed" : "gone", "text",
                                                   "as the simulation has it"));
        }
    }
    if (partly) {
        msg_set_int(body, "last", held->look[count - 1]);
    }
    msg_set(body, "wrong", wrong);
    end_with(self, held, body);
}

static void end_other(struct hand *self, const struct held *held)
{
    if (ends_badly(self, held)) {
        return;
    }
    if (held->kind == CLAIM_SWEEP) {
        sweep(self, held);
        return;
    }
    json_t *body = work_new_report(held->claim, "inspected");
    bool asks = !world.calm && world_chance(60);
    msg_set(body, "found", picture_found(held->file, !world.calm && world_chance(40)));
    msg_set(body, "questions",
            asks ? json_pack("[{s:s, s:s, s:s}]", "code", "files-missing", "text", "a.png", "hint",
                             "--allow-missing")
                 : json_array());
    msg_set(body, "warnings", json_array());
    end_with(self, held, body);
}

/* The phase of a claim is over. The worker may be gone then, and its list is another one. */
static void go_on(struct hand *self, struct held *held)
{
    if (held->phase == PHASE_INSPECTING || held->phase == PHASE_SWEEPING) {
        end_other(self, held);
    } else if (held->phase == PHASE_PROOF) {
        end_frame(self, held);
    } else if (picture_trouble(held->file)) {
        fail(self, held, picture_trouble(held->file), false);
    } else if (picture_poison(held->file, held->frame) == POISON_ERROR) {
        fail(self, held, "crashed", false);
    } else if (picture_poison(held->file, held->frame) == POISON_KILLS) {
        hand_die(self);
    } else if (!ends_badly(self, held)) {
        held->phase = PHASE_PROOF;
        held->due_ms = world.now_ms + 5 + world_below(100);
        self->urgent = true; /* its wish has grown */
    }
}

static struct held *rendering(struct hand *self)
{
    for (size_t i = 0; i < self->held_count; i++) {
        if (self->held[i].phase == PHASE_RENDERING) {
            return &self->held[i];
        }
    }
    return NULL;
}

static size_t in_proof(const struct hand *self)
{
    size_t found = 0;
    for (size_t i = 0; i < self->held_count; i++) {
        found += self->held[i].phase == PHASE_PROOF;
    }
    return found;
}

static struct held *first_ahead(struct hand *self)
{
    struct held *first = NULL;
    for (size_t i = 0; i < self->held_count; i++) {
        struct held *held = &self->held[i];
        if (held->phase == PHASE_AHEAD && (!first || held->claim < first->claim)) {
            first = held;
        }
    }
    return first;
}

static struct held *due(struct hand *self)
{
    for (size_t i = 0; i < self->held_count; i++) {
        struct held *held = &self->held[i];
        if (held->phase != PHASE_AHEAD && held->due_ms <= world.now_ms) {
            return held;
        }
    }
    return NULL;
}

static void return_ahead(struct hand *self)
{
    struct held *held = NULL;
    while (work_has_room(self) && (held = first_ahead(self)) != NULL) {
        work_give_back(self, held);
    }
}

void work_rest(struct hand *self, const char *order)
{
    if (self->name[2] == '1' || self->name[2] == '3') {
        return; /* an older one, which does not know this order: the broker must do without */
    }
    self->resting = order[0] != '\0';
    for (size_t i = self->held_count; strcmp(order, "now") == 0 && i-- > 0;) {
        bool on_device = self->held[i].kind == CLAIM_RENDER && self->held[i].phase != PHASE_PROOF;
        if (on_device && work_has_room(self)) {
            work_give_back(self, &self->held[i]);
        }
    }
}

void work_do(struct hand *self)
{
    struct held *held = NULL;
    while (work_has_room(self) && (held = due(self)) != NULL) {
        go_on(self, held);
        if (!self->alive) {
            return;
        }
    }
    if (self->paused || self->back || self->resting || self->leaving) {
        return_ahead(self);
        return;
    }
    while (self->report_count + 2 < QUEUE_REPORTS && !rendering(self) && in_proof(self) < 2 &&
           (held = first_ahead(self)) != NULL) {
        begin_frame(self, held);
    }
}
