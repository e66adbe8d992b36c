#include "broker/store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "broker/sql.h"
#include "broker/store_private.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"

/* The ledger's columns in words of the queue; anything unknown makes the row one that cannot be. */
struct reader {
    sqlite3_stmt *stmt;
    bool wrong;
};

static json_t *read_json(struct reader *reader, int index)
{
    const char *text = sql_column_text(reader->stmt, index);
    if (!text) {
        return NULL;
    }
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    reader->wrong = reader->wrong || !value;
    return value;
}

static int32_t read_int32(struct reader *reader, int index)
{
    int64_t value = sqlite3_column_int64(reader->stmt, index);
    if (value < INT32_MIN || value > INT32_MAX) {
        reader->wrong = true;
        return 0;
    }
    return (int32_t)value;
}

static const char *read_word(struct reader *reader, int index)
{
    const char *text = sql_column_text(reader->stmt, index);
    return text ? text : "";
}

static int load_meta(store_t *self, queue_t *queue)
{
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    int rc =
        sql_prepare(self->db, "SELECT key, value FROM meta WHERE typeof(value) = 'integer'", &stmt);
    if (rc < 0) {
        return rc;
    }
    int step = 0;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        rc = queue_load_meta(queue, sql_column_text(stmt, 0), sqlite3_column_int64(stmt, 1));
        if (rc != 0) {
            return -EUCLEAN;
        }
    }
    return sql_fault(step);
}

static void release_job(struct job_row *row)
{
    json_decref(row->spec);
    json_decref(row->found);
    json_decref(row->questions);
    json_decref(row->warnings);
    json_decref(row->error);
}

static void read_job(struct reader *reader, struct job_row *out)
{
    sqlite3_stmt *stmt = reader->stmt;
    *out = (struct job_row){
        .job = sqlite3_column_int64(stmt, 0),
        .spec = read_json(reader, 2),
        .found = read_json(reader, 3),
        .questions = read_json(reader, 4),
        .warnings = read_json(reader, 5),
        .error = read_json(reader, 6),
        .submitted_at = sqlite3_column_int64(stmt, 7),
        .finished_at = sqlite3_column_int64(stmt, 8),
        .active_order = sqlite3_column_int64(stmt, 9),
        .attempts = read_int32(reader, 10),
        .sweeps = read_int32(reader, 11),
        .claim = sqlite3_column_int64(stmt, 12),
        .worker = sql_column_text(stmt, 15),
        .worker_id = sql_column_text(stmt, 16),
        .bound_blender = read_int32(reader, 17),
        .warnings_accepted = sqlite3_column_int(stmt, 19) != 0,
        .stopped = sqlite3_column_int(stmt, 20) != 0,
        .sweep_due = sqlite3_column_int(stmt, 21) != 0,
        .removing = sqlite3_column_int(stmt, 22) != 0,
        .memory = { .gpu_peak = sqlite3_column_int64(stmt, 23),
                    .rss_peak = { [DEVICE_CPU] = sqlite3_column_int64(stmt, 24),
                                  [DEVICE_GPU] = sqlite3_column_int64(stmt, 25) },
                    .too_small = sqlite3_column_int64(stmt, 26),
                    .enough = sqlite3_column_int64(stmt, 27) },
    };
    if (job_state_parse(read_word(reader, 1), &out->state) < 0 ||
        claim_kind_parse(read_word(reader, 13), &out->claim_kind) < 0 ||
        claim_outcome_parse(read_word(reader, 14), &out->claim_outcome) < 0 ||
        device_kind_parse(read_word(reader, 18), &out->bound_kind) < 0 || !out->spec) {
        reader->wrong = true;
    }
}

static int load_jobs(store_t *self, queue_t *queue, char **text)
{
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    int rc = sql_prepare(
        self->db,
        "SELECT id, state, spec, found, questions, warnings, error, submitted_at, finished_at,"
        " active_order, attempts, sweeps, claim, claim_kind, claim_outcome, worker, worker_id,"
        " bound_blender, bound_kind, warnings_accepted, stopped, sweep_due, removing, gpu_peak,"
        " rss_peak_cpu, rss_peak_gpu, too_small, enough"
        " FROM job ORDER BY id",
        &stmt);
    if (rc < 0) {
        return rc;
    }
    int step = 0;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct reader reader = { .stmt = stmt };
        struct job_row row;
        read_job(&reader, &row);
        const char *why = "a column that is none";
        bool wrong = reader.wrong || queue_load_job(queue, &row, &why) != 0;
        release_job(&row);
        if (wrong) {
            *text = alloc_format("job %" PRId64 ": %s", row.job, why);
            self->refused = (struct store_row){ row.job, EVENT_NO_FRAME };
            return STORE_REFUSED;
        }
    }
    return sql_fault(step);
}

static void release_frame(struct frame_row *row)
{
    json_decref(row->error);
    json_decref(row->tried);
}

static void read_sighting(struct reader *reader, int index, struct frame_row *out)
{
    CLEANUP(cleanup_json) json_t *sighting = read_json(reader, index);
    if (sighting) {
        out->sighted = true;
        out->sighting = (struct frame_sighting){
            .size_bytes = json_integer_value(json_array_get(sighting, 0)),
            .mtime_ns = json_integer_value(json_array_get(sighting, 1)),
            .inode = json_integer_value(json_array_get(sighting, 2)),
        };
    }
}

/*
 * A million rows or more are most of what a start reads, so SQLite hands each to a function: that
 * takes a third less time than a call for each column of a result. Proofs stay where they are:
 * nobody needs a million of them in memory.
 */
static const char frames_text[] =
    "SELECT load_frame(job, number, state, outcome, claim, again, attempts, losses, worker,"
    " started_at, finished_at, ms, bytes) FROM frame ORDER BY job, number";

enum { FRAME_COLUMNS = 13 };

/* What only frames have that are neither done nor kept. */
static const char more_text[] =
    "SELECT worker_id, sighting, error, tried, short, fresh FROM frame"
    " WHERE job = ?1 AND number = ?2";

struct frames {
    store_t *store;
    queue_t *queue;
    sqlite3_stmt *more;
    char **text;
    int rc; /* of the last row */
};

static int32_t value_int32(sqlite3_value *value, bool *wrong)
{
    int64_t number = sqlite3_value_int64(value);
    *wrong = *wrong || number < INT32_MIN || number > INT32_MAX;
    return (int32_t)number;
}

static int64_t value_known(sqlite3_value *value)
{
    return sqlite3_value_type(value) == SQLITE_NULL ? -1 : sqlite3_value_int64(value);
}

static const char *value_text(sqlite3_value *value)
{
    return (const char *)sqlite3_value_text(value);
}

static void read_frame(sqlite3_value **values, struct frame_row *out, bool *wrong)
{
    *out = (struct frame_row){
        .job = sqlite3_value_int64(values[0]),
        .frame = value_int32(values[1], wrong),
        .claim = sqlite3_value_int64(values[4]),
        .again = sqlite3_value_int(values[5]) != 0,
        .attempts = value_int32(values[6], wrong),
        .losses = value_int32(values[7], wrong),
        .worker = value_text(values[8]),
        .started_at = sqlite3_value_int64(values[9]),
        .finished_at = sqlite3_value_int64(values[10]),
        .ms = value_known(values[11]),
        .bytes = value_known(values[12]),
    };
    *wrong = *wrong || frame_state_parse(value_text(values[2]), &out->state) < 0 ||
             claim_outcome_parse(value_text(values[3]), &out->outcome) < 0;
}

static int read_more(sqlite3_stmt *stmt, struct frame_row *out, bool *wrong)
{
    sqlite3_reset(stmt);
    sql_bind_int(stmt, 1, out->job);
    sql_bind_int(stmt, 2, out->frame);
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? -EUCLEAN : sql_fault(rc);
    }
    struct reader reader = { .stmt = stmt };
    out->worker_id = sql_column_text(stmt, 0); /* until the next row */
    read_sighting(&reader, 1, out);
    out->error = read_json(&reader, 2);
    out->tried = read_json(&reader, 3);
    out->short_bytes = sqlite3_column_int64(stmt, 4);
    out->fresh = sqlite3_column_int(stmt, 5) != 0;
    *wrong = *wrong || reader.wrong;
    return 0;
}

static int load_frame(const struct frames *self, sqlite3_value **values)
{
    struct frame_row row;
    bool wrong = false;
    int rc = 0;
    read_frame(values, &row, &wrong);
    if (!wrong && row.state != FRAME_DONE && row.state != FRAME_KEPT) {
        rc = read_more(self->more, &row, &wrong);
    }
    const char *why = "a column that is none";
    wrong = rc == 0 && (wrong || queue_load_frame(self->queue, &row, &why) != 0);
    release_frame(&row);
    if (wrong) {
        *self->text =
            alloc_format("job %" PRId64 " frame %" PRId32 ": %s", row.job, row.frame, why);
        self->store->refused = (struct store_row){ row.job, row.frame };
        return STORE_REFUSED;
    }
    return rc;
}

static void take_frame(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct frames *self = sqlite3_user_data(context);
    (void)count; /* it is registered for FRAME_COLUMNS */
    self->rc = load_frame(self, values);
}

static int step_frames(store_t *self, struct frames *frames)
{
    CLEANUP(sql_finalize) sqlite3_stmt *more = NULL;
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    int rc = sql_prepare(self->db, more_text, &more);
    if (rc == 0) {
        rc = sql_prepare(self->db, frames_text, &stmt);
    }
    if (rc < 0) {
        return rc;
    }
    frames->more = more;
    int step = 0;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (frames->rc != 0) {
            return frames->rc;
        }
    }
    return sql_fault(step);
}

static int set_function(store_t *self, struct frames *frames)
{
    return sql_fault(sqlite3_create_function_v2(self->db, "load_frame", FRAME_COLUMNS,
                                                SQLITE_UTF8 | SQLITE_DIRECTONLY, frames,
                                                frames ? take_frame : NULL, NULL, NULL, NULL));
}

static int load_frames(store_t *self, queue_t *queue, char **text)
{
    struct frames frames = { .store = self, .queue = queue, .text = text };
    int rc = set_function(self, &frames);
    if (rc == 0) {
        rc = step_frames(self, &frames);
    }
    (void)set_function(self, NULL); /* no statement uses it any more */
    return rc;
}

static int load_workers(store_t *self, queue_t *queue)
{
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    int rc = sql_prepare(self->db, "SELECT id, pid, start, boot FROM worker", &stmt);
    if (rc < 0) {
        return rc;
    }
    int step = 0;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct queue_process process = {
            .pid = sqlite3_column_int64(stmt, 1),
            .start = sqlite3_column_int64(stmt, 2),
            .boot = sqlite3_column_int64(stmt, 3),
        };
        queue_load_worker(queue, sql_column_text(stmt, 0), &process);
    }
    return sql_fault(step);
}

struct store_row store_refused(const store_t *self)
{
    return self->refused;
}

int store_load(store_t *self, queue_t *queue, char **text)
{
    int rc = load_meta(self, queue);
    if (rc == 0) {
        rc = load_jobs(self, queue, text);
    }
    if (rc == 0) {
        rc = load_frames(self, queue, text);
    }
    if (rc == 0) {
        rc = load_workers(self, queue);
    }
    if (rc == -EUCLEAN) {
        *text = alloc_text(sqlite3_errmsg(self->db));
        return STORE_REFUSED;
    }
    return rc;
}
