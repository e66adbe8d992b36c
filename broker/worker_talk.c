#include "broker/worker_talk.h"

#include <string.h>

#include "broker/answer_form.h"
#include "broker/sweep_talk.h"
#include "proto/cleanup.h"
#include "proto/device_types.h"
#include "proto/frame_name.h"
#include "proto/messages.h"

/* message_check has looked at types and ranges; only counts are looked at again, for memory. */
static size_t items(const json_t *array, size_t most)
{
    size_t count = json_array_size(array);
    return count < most ? count : most;
}

static int read_kinds(const json_t *body, struct queue_ready *out)
{
    const json_t *kinds = msg_array_or_null(body, "kinds");
    size_t index = 0;
    json_t *kind = NULL;
    json_array_foreach(kinds, index, kind)
    {
        enum claim_kind parsed = CLAIM_NONE;
        /* A kind that a later version added is one that this broker never grants. */
        if (claim_kind_parse(json_string_value(kind), &parsed) == 0) {
            out->kinds[parsed] = true;
        }
    }
    return WORKER_TALK_OK;
}

static void read_ways(const json_t *body, struct queue_ready *out)
{
    size_t index = 0;
    json_t *word = NULL;
    json_array_foreach(msg_array_or_null(body, "device_types"), index, word)
    {
        out->ways |= device_types_bit(json_string_value(word)); /* a later one is none to us */
    }
}

static void read_blenders(const json_t *body, struct queue_ready *out)
{
    const json_t *blenders = msg_array_or_null(body, "blenders");
    out->blender_count = items(blenders, QUEUE_BLENDERS);
    for (size_t i = 0; i < out->blender_count; i++) {
        const json_t *blender = json_array_get(blenders, i);
        out->blenders[i] = (struct queue_blender){
            .version = msg_str_or(blender, "version", ""),
            .path = msg_str_or(blender, "path", ""),
            .denoiser = msg_bool_or(blender, "denoiser", false),
        };
    }
}

static void read_claims(const json_t *body, const char *key, struct queue_ready *out)
{
    const json_t *named = msg_array_or_null(body, key);
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(named, index, item)
    {
        if (out->claim_count < QUEUE_STALES) {
            out->claims[out->claim_count++] = msg_int_or(item, "claim", 0);
        }
    }
}

int worker_talk_ready(const json_t *body, struct queue_ready *out)
{
    *out = (struct queue_ready){
        .seq = msg_int_or(body, "seq", 0),
        .worker_id = msg_str_or(body, "worker", ""),
        .name = msg_str_or(body, "name", ""),
        .host = msg_str_or(body, "host", ""),
        .pid = msg_int_or(body, "pid", 0),
        .device = msg_str_or(body, "device", ""),
        .job = msg_int_or(body, "job", 0),
        .device_name = msg_str_or(body, "device_name", NULL),
        .memory_bytes = msg_int_or(body, "memory_bytes", 0),
        .draws_shared = msg_bool_or(body, "draws_shared", false),
        .cards = msg_int_or(body, "cards", 0),
        .regroups = msg_int_or(body, "regroups", 0),
        .largest_bytes = msg_int_or(body, "largest_bytes", 0),
    };
    if (device_kind_parse(msg_str_or(body, "device_kind", ""), &out->device_kind) < 0) {
        return WORKER_TALK_MALFORMED;
    }
    read_blenders(body, out);
    read_ways(body, out);
    read_claims(body, "holding", out);
    read_claims(body, "reports", out);
    return read_kinds(body, out);
}

static int read_holding(const json_t *body, struct queue_sync *out)
{
    const json_t *holding = msg_array_or_null(body, "holding");
    out->holding_count = items(holding, QUEUE_HOLDINGS);
    for (size_t i = 0; i < out->holding_count; i++) {
        const json_t *item = json_array_get(holding, i);
        out->holding[i].claim = msg_int_or(item, "claim", 0);
        if (claim_phase_parse(msg_str_or(item, "phase", ""), &out->holding[i].phase) < 0) {
            return WORKER_TALK_MALFORMED;
        }
    }
    return WORKER_TALK_OK;
}

/* json_t that a report lends to the queue, which takes references of what it keeps. */
static json_t *lend(const json_t *map, const char *key)
{
    json_t *value = json_object_get(map, key);
    return json_is_null(value) ? NULL : value;
}

static void read_finished(const json_t *item, struct queue_report *out)
{
    out->files = lend(item, "files");
    out->warnings = lend(item, "warnings");
    out->gpu_peak_bytes = msg_int_or(item, "gpu_peak_bytes", 0);
    out->rss_peak_bytes = msg_int_or(item, "rss_peak_bytes", 0);
}

static void read_sighting(const json_t *item, struct queue_report *out)
{
    out->sighting.size_bytes = msg_int_or(item, "size", 0);
    out->sighting.mtime_ns = msg_int_or(item, "mtime_ns", 0);
    out->sighting.inode = msg_int_or(item, "inode", 0);
}

static void read_error(const json_t *item, struct queue_report *out)
{
    out->code = msg_str_or(item, "code", "");
    out->text = msg_str_or(item, "text", "");
    out->hint = msg_str_or(item, "hint", "");
    out->fatal = msg_bool_or(item, "fatal", false);
    out->gpu_had_bytes = msg_int_or(item, "gpu_had_bytes", 0);
    out->held_by = msg_str_or(item, "held_by", NULL);
}

static void read_inspected(const json_t *item, struct queue_report *out)
{
    out->found = lend(item, "found");
    out->questions = lend(item, "questions");
    out->warnings = lend(item, "warnings");
}

/* Only the keys that its kind has are looked for: nine of ten reports are of the first two. */
static int read_report(const json_t *item, struct queue_report *out)
{
    *out = (struct queue_report){
        .claim = msg_int_or(item, "claim", 0),
        .ms = -1,
        .code = "",
        .text = "",
        .hint = "",
    };
    if (report_what_parse(msg_str_or(item, "what", ""), &out->what) < 0) {
        return WORKER_TALK_MALFORMED;
    }
    switch (out->what) {
    case REPORT_STARTED:
        out->blender = msg_str_or(item, "blender", NULL);
        break;
    case REPORT_FINISHED:
        out->ms = msg_int_or(item, "ms", -1);
        read_finished(item, out);
        break;
    case REPORT_KEPT:
        read_finished(item, out);
        break;
    case REPORT_TAKEN:
        read_sighting(item, out);
        break;
    case REPORT_ERROR:
        read_error(item, out);
        break;
    case REPORT_RETURNED:
        out->charge = msg_bool_or(item, "charge", false);
        break;
    case REPORT_INSPECTED:
        read_inspected(item, out);
        break;
    case REPORT_SWEPT:
        sweep_talk_report(item, out);
        break;
    case REPORT_WHATS:
        break;
    }
    return WORKER_TALK_OK;
}

static int read_reports(const json_t *body, struct queue_sync *out, struct worker_talk_logs *logs)
{
    const json_t *reports = msg_array_or_null(body, "reports");
    out->report_count = items(reports, QUEUE_REPORTS);
    for (size_t i = 0; i < out->report_count; i++) {
        const json_t *item = json_array_get(reports, i);
        int rc = read_report(item, &out->reports[i]);
        if (rc != 0) {
            return rc;
        }
        if (msg_bool_or(item, "log", false)) {
            logs->log[logs->count] = (struct worker_talk_log){
                .claim = out->reports[i].claim,
                .blob = logs->count,
            };
            logs->count++;
        }
    }
    return WORKER_TALK_OK;
}

int worker_talk_sync(const json_t *body, struct queue_sync *out, struct worker_talk_logs *logs)
{
    *out = (struct queue_sync){
        .session = msg_int_or(body, "session", 0),
        .seq = msg_int_or(body, "seq", 0),
        .seen = msg_int_or(body, "seen", 0),
        .job = msg_int_or(body, "job", 0),
        .want = (int)msg_int_or(body, "want", 0),
        .leave = msg_bool_or(body, "leave", false),
    };
    logs->count = 0;
    if (worker_state_parse(msg_str_or(body, "state", ""), &out->state) < 0 ||
        out->state == WORKER_LOST || out->state == WORKER_PAUSED) { /* the broker's own words */
        return WORKER_TALK_MALFORMED;
    }
    const json_t *rest = msg_map_or_null(body, "rest");
    if (rest) {
        out->rest.code = msg_str_or(rest, "code", "");
        out->rest.text = msg_str_or(rest, "text", "");
        out->rest.hint = msg_str_or(rest, "hint", "");
    }
    out->telemetry = lend(body, "telemetry");
    const json_t *progress = msg_map_or_null(body, "progress");
    if (progress) {
        out->progress_claim = msg_int_or(progress, "claim", 0);
        out->progress_text = msg_str_or(progress, "text", NULL);
        out->progress_done = msg_int_or(progress, "done", 0);
        out->progress_total = msg_int_or(progress, "total", 0);
    }
    int rc = read_holding(body, out);
    return rc == 0 ? read_reports(body, out, logs) : rc;
}

static json_t *make_orders(const struct queue_orders *orders)
{
    json_t *out = json_object();
    msg_set_int(out, "n", orders->n);
    msg_set_bool(out, "pause", orders->pause);
    msg_set_str(out, "drain", drain_order_name(orders->drain));
    msg_set_str(out, "rest", drain_order_name(orders->rest));
    msg_set_bool(out, "return", orders->give_back);
    json_t *stop = json_array();
    for (size_t i = 0; i < orders->stop_count; i++) {
        json_array_append_new(stop, json_integer(orders->stop[i]));
    }
    msg_set(out, "stop", stop);
    return out;
}

/* Nearly every answer of a farm carries the same orders, none: one map serves all of them. */
static json_t *write_orders(const struct queue_orders *orders)
{
    static json_t *none = NULL;
    static int64_t none_n = 0;
    if (orders->pause || orders->drain != DRAIN_NONE || orders->rest != DRAIN_NONE ||
        orders->give_back || orders->stop_count > 0) {
        return make_orders(orders);
    }
    if (!none || orders->n != none_n) {
        json_decref(none);
        none = make_orders(orders);
        none_n = orders->n;
    }
    return json_incref(none);
}

/*
 * What the ledger knows of the pictures under the frame's names. Only formats that cannot carry
 * the digest need it; a fault of the ledger here costs a frame rendered again, no more.
 */
static json_t *known_pictures(const json_t *found, int32_t frame, store_t *store)
{
    if (!found || msg_bool_or(found, "stamped", true)) {
        return NULL;
    }
    json_t *known = NULL;
    const json_t *outputs = msg_array_or_null(found, "outputs");
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(outputs, index, item)
    {
        struct frame_name pattern = {
            .head = msg_str_or(item, "head", ""),
            .digits = (int)msg_int_or(item, "digits", 0),
            .tail = msg_str_or(item, "tail", ""),
        };
        CLEANUP(cleanup_free) char *path = frame_name(&pattern, frame);
        json_t *picture = NULL;
        if (store_picture(store, path, &picture) == 0) {
            known = known ? known : json_array();
            json_array_append_new(known, picture);
        }
    }
    return known;
}

static json_t *write_sighting(const struct queue_grant *grant)
{
    json_t *sighting = json_object();
    msg_set_int(sighting, "size", grant->sighting.size_bytes);
    msg_set_int(sighting, "mtime_ns", grant->sighting.mtime_ns);
    msg_set_int(sighting, "inode", grant->sighting.inode);
    msg_set_bool(sighting, "abandoned", grant->abandoned);
    return sighting;
}

/* Takes known. */
static void write_frame(json_t *item, const struct queue_grant *grant, json_t *known)
{
    msg_set_int(item, "frame", grant->frame);
    msg_set_bool(item, "again", grant->again);
    if (grant->fresh) {
        msg_set_bool(item, "fresh", true);
    }
    if (known) {
        msg_set(item, "known", known);
    }
}

static json_t *write_grant(const struct queue_grant *grant, queue_t *queue, store_t *store)
{
    bool renders = grant->kind == CLAIM_RENDER;
    json_t *known =
        renders ? known_pictures(queue_found(queue, grant->job), grant->frame, store) : NULL;
    if (renders && !grant->again && !grant->fresh && !known && !grant->sighted && !grant->about) {
        return answer_form_grant(grant);
    }
    json_t *item = json_object();
    msg_set_int(item, "claim", grant->claim);
    msg_set_str(item, "kind", claim_kind_name(grant->kind));
    msg_set_int(item, "job", grant->job);
    if (renders) {
        write_frame(item, grant, known);
    }
    msg_set_int(item, "attempt", grant->attempt);
    if (grant->sighted) {
        msg_set(item, "sighting", write_sighting(grant));
    }
    if (grant->about) {
        json_t *about = queue_describe(queue, grant->job, grant->kind);
        if (about) {
            msg_set(item, "about", about);
        }
    }
    if (grant->kind == CLAIM_SWEEP) {
        sweep_talk_grant(item, grant->claim, queue, store);
    }
    return item;
}

json_t *worker_talk_answer(const struct queue_answer *answer, const char *farm, queue_t *queue,
                           store_t *store)
{
    json_t *body = answer_form_body(answer, farm, write_orders(&answer->orders));
    json_t *grants = json_object_get(body, "grants");
    for (size_t i = 0; i < answer->grant_count; i++) {
        json_array_append_new(grants, write_grant(&answer->grants[i], queue, store));
    }
    json_t *job = answer->job ? queue_describe(queue, answer->job, CLAIM_RENDER) : NULL;
    if (job) {
        msg_set(body, "job", job);
    }
    return body;
}

json_t *worker_talk_ready_again(int64_t seq)
{
    json_t *body = msg_new("READY-AGAIN");
    msg_set_int(body, "seq", seq);
    return body;
}

json_t *worker_talk_refused(int64_t seq, const char *code, const char *text, const char *hint)
{
    json_t *body = msg_new("REFUSED");
    msg_set_int(body, "seq", seq);
    msg_set_str(body, "code", code);
    msg_set_str(body, "text", text);
    msg_set_str(body, "hint", hint);
    return body;
}
