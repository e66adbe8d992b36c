#include "broker/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/sql.h"
#include "broker/store_private.h"
#include "proto/cleanup.h"
#include "proto/messages.h"

/* JSON in a column; the text is SQLite's from here on. NULL leaves NULL. */
static void bind_json(sqlite3_stmt *stmt, int index, const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (text) {
        (void)sqlite3_bind_text(stmt, index, text, -1, free); /* frees on failure, too */
    }
}

static void bind_known(sqlite3_stmt *stmt, int index, int64_t value)
{
    if (value >= 0) {
        sql_bind_int(stmt, index, value);
    }
}

static int put_job(store_t *self, const struct job_row *row)
{
    self->digest_job = 0; /* it may be another now, and bound_blender, too */
    sqlite3_stmt *stmt = self->stmt[STMT_PUT_JOB];
    sql_bind_int(stmt, 1, row->job);
    sql_bind_text(stmt, 2, job_state_name(row->state));
    bind_json(stmt, 3, row->spec);
    bind_json(stmt, 4, row->found);
    bind_json(stmt, 5, row->questions);
    bind_json(stmt, 6, row->warnings);
    bind_json(stmt, 7, row->error);
    sql_bind_int(stmt, 8, row->submitted_at);
    sql_bind_int_or_null(stmt, 9, row->finished_at);
    sql_bind_int(stmt, 10, row->active_order);
    sql_bind_int(stmt, 11, row->attempts);
    sql_bind_int(stmt, 12, row->sweeps);
    sql_bind_int_or_null(stmt, 13, row->claim);
    sql_bind_text(stmt, 14, claim_kind_name(row->claim_kind));
    sql_bind_text(stmt, 15, claim_outcome_name(row->claim_outcome));
    sql_bind_text(stmt, 16, row->worker);
    sql_bind_text(stmt, 17, row->worker_id);
    sql_bind_int_or_null(stmt, 18, row->bound_blender);
    sql_bind_text(stmt, 19, device_kind_name(row->bound_kind));
    sql_bind_int(stmt, 20, row->warnings_accepted);
    sql_bind_int(stmt, 21, row->stopped);
    sql_bind_int(stmt, 22, row->sweep_due);
    sql_bind_int(stmt, 23, row->removing);
    sql_bind_int_or_null(stmt, 24, row->memory.gpu_peak);
    sql_bind_int_or_null(stmt, 25, row->memory.rss_peak[DEVICE_CPU]);
    sql_bind_int_or_null(stmt, 26, row->memory.rss_peak[DEVICE_GPU]);
    sql_bind_int_or_null(stmt, 27, row->memory.too_small);
    sql_bind_int_or_null(stmt, 28, row->memory.enough);
    return sql_run(stmt);
}

static int delete_job(store_t *self, int64_t job)
{
    sql_bind_int(self->stmt[STMT_DELETE_FRAMES], 1, job);
    int rc = sql_run(self->stmt[STMT_DELETE_FRAMES]);
    if (rc < 0) {
        return rc;
    }
    sql_bind_int(self->stmt[STMT_DELETE_JOB], 1, job);
    return sql_run(self->stmt[STMT_DELETE_JOB]);
}

/* The digest of the job as it was inspected, for formats without a stamp; else "". */
static int find_digest(store_t *self, int64_t job)
{
    if (self->digest_job == job) {
        return 0;
    }
    sqlite3_stmt *stmt = self->stmt[STMT_GET_DIGEST];
    sql_bind_int(stmt, 1, job);
    int rc = sqlite3_step(stmt);
    const char *digest = rc == SQLITE_ROW ? sql_column_text(stmt, 0) : NULL;
    (void)snprintf(self->digest, sizeof self->digest, "%s", digest ? digest : "");
    self->digest_job = job;
    sqlite3_reset(stmt);
    return sql_fault(rc);
}

/* A picture that is published or kept is remembered by its name, for formats without a stamp. */
static int put_pictures(store_t *self, int64_t job, const json_t *files)
{
    int rc = find_digest(self, job);
    size_t count = self->digest[0] ? json_array_size(files) : 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const json_t *file = json_array_get(files, i);
        const char *path = msg_str_or(file, "path", NULL);
        if (!path) {
            continue;
        }
        sqlite3_stmt *stmt = self->stmt[STMT_PUT_PICTURE];
        sql_bind_text(stmt, 1, path);
        sql_bind_text(stmt, 2, self->digest);
        sql_bind_int(stmt, 3, msg_int_or(file, "bytes", 0));
        sql_bind_int(stmt, 4, msg_int_or(file, "mtime_ns", 0));
        sql_bind_int(stmt, 5, msg_int_or(file, "inode", 0));
        rc = sql_run(stmt);
    }
    return rc;
}

/* base: the columns of the rows before it in the same statement. */
static void bind_frame(sqlite3_stmt *stmt, int base, const struct change *change, int64_t id)
{
    (void)id;
    const struct frame_row *row = &change->as.frame;
    CLEANUP(cleanup_json) json_t *sighting = NULL;
    if (row->sighted) {
        sighting = json_pack("[III]", (json_int_t)row->sighting.size_bytes,
                             (json_int_t)row->sighting.mtime_ns, (json_int_t)row->sighting.inode);
    }
    sql_bind_int(stmt, base + 1, row->job);
    sql_bind_int(stmt, base + 2, row->frame);
    sql_bind_text(stmt, base + 3, frame_state_name(row->state));
    sql_bind_int_or_null(stmt, base + 4, row->claim);
    sql_bind_text(stmt, base + 5, claim_outcome_name(row->outcome));
    sql_bind_int(stmt, base + 6, row->again);
    sql_bind_int(stmt, base + 7, row->attempts);
    sql_bind_int(stmt, base + 8, row->losses);
    sql_bind_text(stmt, base + 9, row->worker);
    sql_bind_text(stmt, base + 10, row->worker_id);
    sql_bind_int_or_null(stmt, base + 11, row->started_at);
    sql_bind_int_or_null(stmt, base + 12, row->finished_at);
    bind_known(stmt, base + 13, row->ms);
    bind_known(stmt, base + 14, row->bytes);
    bind_json(stmt, base + 15, sighting);
    bind_json(stmt, base + 16, row->error);
    bind_json(stmt, base + 17, row->proof);
    bind_json(stmt, base + 18, row->tried);
    sql_bind_int_or_null(stmt, base + 19, row->short_bytes);
    sql_bind_int(stmt, base + 20, row->fresh);
}

static void bind_event(sqlite3_stmt *stmt, int base, const struct change *change, int64_t id)
{
    const struct change_event *event = &change->as.event;
    sql_bind_int(stmt, base + 1, id);
    sql_bind_int(stmt, base + 2, event->at);
    sql_bind_text(stmt, base + 3, event_word_name(event->word));
    sql_bind_int_or_null(stmt, base + 4, event->job);
    if (event->frame != EVENT_NO_FRAME) {
        sql_bind_int(stmt, base + 5, event->frame);
    }
    sql_bind_text(stmt, base + 6, event->worker);
    sql_bind_text(stmt, base + 7, event->text);
}

/* Changes of one kind on their way into one statement. */
struct batch {
    enum store_stmt one, several;
    int columns;
    void (*bind)(sqlite3_stmt *stmt, int base, const struct change *change, int64_t id);
    int64_t last_id; /* of the last one written: they are numbered */
    size_t count;
    const struct change *changes[STORE_ROWS];
};

/* All of them by one statement when they are as many as it takes, else one by one. */
static int flush_batch(store_t *self, struct batch *batch)
{
    bool full = batch->count == STORE_ROWS;
    sqlite3_stmt *stmt = self->stmt[full ? batch->several : batch->one];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < batch->count; i++) {
        batch->last_id++;
        batch->bind(stmt, full ? (int)i * batch->columns : 0, batch->changes[i], batch->last_id);
        if (!full || i + 1 == batch->count) {
            rc = sql_run(stmt);
        }
    }
    batch->count = 0;
    return rc;
}

static int add_to_batch(store_t *self, struct batch *batch, const struct change *change)
{
    batch->changes[batch->count++] = change;
    return batch->count == STORE_ROWS ? flush_batch(self, batch) : 0;
}

/* A done or kept frame without a proof: the one that its row has stays. */
static bool keeps_proof(const struct change *change)
{
    const struct frame_row *row = &change->as.frame;
    return change->kind == CHANGE_FRAME_PUT && !row->proof &&
           (row->state == FRAME_DONE || row->state == FRAME_KEPT);
}

static int put_worker(store_t *self, const char *id, const struct queue_process *process)
{
    sqlite3_stmt *stmt = self->stmt[STMT_PUT_WORKER];
    sql_bind_text(stmt, 1, id);
    sql_bind_int(stmt, 2, process->pid);
    sql_bind_int(stmt, 3, process->start);
    sql_bind_int(stmt, 4, process->boot);
    return sql_run(stmt);
}

static int put_request(store_t *self, const struct store_request *request)
{
    sqlite3_stmt *stmt = self->stmt[STMT_PUT_REQUEST];
    sql_bind_text(stmt, 1, request->key);
    sql_bind_text(stmt, 2, request->hash);
    bind_json(stmt, 3, request->answer);
    sql_bind_int(stmt, 4, request->at_ms);
    return sql_run(stmt);
}

static int put_change(store_t *self, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_JOB_PUT:
        return put_job(self, &change->as.job);
    case CHANGE_JOB_DELETE:
        return delete_job(self, change->as.job_id);
    case CHANGE_FRAME_PUT:
        bind_frame(self->stmt[STMT_PUT_PROVEN], 0, change, 0);
        return sql_run(self->stmt[STMT_PUT_PROVEN]);
    case CHANGE_FRAME_DELETE:
        sql_bind_int(self->stmt[STMT_DELETE_FRAME], 1, change->as.frame.job);
        sql_bind_int(self->stmt[STMT_DELETE_FRAME], 2, change->as.frame.frame);
        return sql_run(self->stmt[STMT_DELETE_FRAME]);
    case CHANGE_WORKER_PUT:
        return put_worker(self, change->as.worker.id, &change->as.worker.process);
    case CHANGE_WORKER_DELETE:
        sql_bind_text(self->stmt[STMT_DELETE_WORKER], 1, change->as.worker.id);
        return sql_run(self->stmt[STMT_DELETE_WORKER]);
    case CHANGE_META:
    case CHANGE_EVENT:
        break; /* put_metas, put_events */
    }
    return 0;
}

/*
 * A job and a frame may change many times in one turn, and only their last row counts; but the
 * rows are written in order all the same: SQLite collapses them in its cache, and a put that
 * follows a delete must find it done. Events and counters depend on nothing, and go apart.
 */
static int put_rows(store_t *self, const struct change *changes, size_t change_count)
{
    struct batch frames = {
        .one = STMT_PUT_FRAME, .several = STMT_PUT_FRAMES, .columns = 20, .bind = bind_frame
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < change_count; i++) {
        const struct change *change = &changes[i];
        if (change->kind == CHANGE_EVENT || change->kind == CHANGE_META) {
            continue;
        }
        if (change->kind == CHANGE_FRAME_PUT && !keeps_proof(change)) {
            rc = add_to_batch(self, &frames, change);
            if (rc == 0 && change->as.frame.proof) {
                rc = put_pictures(self, change->as.frame.job, change->as.frame.proof);
            }
            continue;
        }
        rc = flush_batch(self, &frames);
        rc = rc == 0 ? put_change(self, change) : rc;
    }
    return rc == 0 ? flush_batch(self, &frames) : rc;
}

/* *last_event rises with each, so that a repeated transaction writes the same ids. */
static int put_events(store_t *self, const struct change *changes, size_t change_count,
                      int64_t *last_event)
{
    struct batch events = { .one = STMT_PUT_EVENT,
                            .several = STMT_PUT_EVENTS,
                            .columns = 7,
                            .bind = bind_event,
                            .last_id = *last_event };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < change_count; i++) {
        if (changes[i].kind == CHANGE_EVENT) {
            rc = add_to_batch(self, &events, &changes[i]);
        }
    }
    rc = rc == 0 ? flush_batch(self, &events) : rc;
    *last_event = events.last_id;
    return rc;
}

/* The claim counter rises with each grant, and only its last value counts. */
static int put_metas(store_t *self, const struct change *changes, size_t change_count)
{
    enum { KEYS = 8 };
    const char *written[KEYS];
    size_t count = 0;
    for (size_t i = change_count; i-- > 0;) {
        const struct change *change = &changes[i];
        bool newest = change->kind == CHANGE_META;
        for (size_t k = 0; newest && k < count; k++) {
            newest = strcmp(written[k], change->as.meta.key) != 0;
        }
        if (!newest) {
            continue;
        }
        sql_bind_text(self->stmt[STMT_PUT_META], 1, change->as.meta.key);
        sql_bind_int(self->stmt[STMT_PUT_META], 2, change->as.meta.value);
        int rc = sql_run(self->stmt[STMT_PUT_META]);
        if (rc < 0) {
            return rc;
        }
        assert(count < KEYS);
        written[count++] = change->as.meta.key;
    }
    return 0;
}

static int put_all(store_t *self, const struct change *changes, size_t change_count,
                   const struct store_request *requests, size_t request_count, int64_t *last_event)
{
    int rc = put_rows(self, changes, change_count);
    rc = rc == 0 ? put_events(self, changes, change_count, last_event) : rc;
    rc = rc == 0 ? put_metas(self, changes, change_count) : rc;
    for (size_t i = 0; rc == 0 && i < request_count; i++) {
        rc = put_request(self, &requests[i]);
    }
    return rc;
}

int store_apply(store_t *self, const struct change *changes, size_t change_count,
                const struct store_request *requests, size_t request_count)
{
    if (change_count == 0 && request_count == 0) {
        return 0;
    }
    int64_t last_event = self->last_event;
    int rc = sql_run(self->stmt[STMT_BEGIN]);
    if (rc == 0) {
        rc = put_all(self, changes, change_count, requests, request_count, &last_event);
    }
    if (rc == 0) {
        rc = sql_run(self->stmt[STMT_COMMIT]);
    }
    if (rc < 0) {
        self->digest_job = 0; /* it may be of a row that is rolled back */
        (void)snprintf(self->why, sizeof self->why, "%s", sqlite3_errmsg(self->db));
        if (!sqlite3_get_autocommit(self->db)) { /* SQLite rolls back by itself on some faults */
            (void)sql_run(self->stmt[STMT_ROLLBACK]);
        }
        return rc;
    }
    self->last_event = last_event;
    return 0;
}
