#include "broker/store.h"

#include <string.h>

#include "broker/sql.h"
#include "broker/store_private.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"

static void reset(sqlite3_stmt **stmt_p)
{
    sqlite3_reset(*stmt_p);
    sqlite3_clear_bindings(*stmt_p);
}

int store_events(store_t *self, const struct store_filter *filter,
                 bool (*visit)(void *arg, const struct store_event *event), void *arg)
{
    CLEANUP(reset)
    sqlite3_stmt *stmt = self->stmt[filter->job ? STMT_GET_JOB_EVENTS : STMT_GET_EVENTS];
    sql_bind_int(stmt, 1, filter->after);
    sql_bind_int(stmt, 2, filter->limit);
    if (filter->job) {
        sql_bind_int(stmt, 3, filter->job);
    }
    if (filter->job && filter->one_frame) {
        sql_bind_int(stmt, 4, filter->frame);
    }
    int rc = 0;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        bool framed = sqlite3_column_type(stmt, 4) != SQLITE_NULL;
        struct store_event event = {
            .id = sqlite3_column_int64(stmt, 0),
            .at_ms = sqlite3_column_int64(stmt, 1),
            .event = sql_column_text(stmt, 2),
            .job = sqlite3_column_int64(stmt, 3),
            .frame = framed ? sqlite3_column_int(stmt, 4) : EVENT_NO_FRAME,
            .worker = sql_column_text(stmt, 5),
            .text = sql_column_text(stmt, 6),
        };
        if (!visit(arg, &event)) {
            return 0;
        }
    }
    return sql_fault(rc);
}

int store_request(store_t *self, const char *key, char **hash, json_t **answer)
{
    CLEANUP(reset) sqlite3_stmt *stmt = self->stmt[STMT_GET_REQUEST];
    sql_bind_text(stmt, 1, key);
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? STORE_NONE : sql_fault(rc);
    }
    json_t *body = json_loads(sql_column_text(stmt, 1), 0, NULL);
    if (!body) {
        return sql_fault(SQLITE_CORRUPT);
    }
    *hash = alloc_text(sql_column_text(stmt, 0));
    *answer = body;
    return 0;
}

int store_proof(store_t *self, int64_t job, int32_t frame, json_t **out)
{
    CLEANUP(reset) sqlite3_stmt *stmt = self->stmt[STMT_GET_PROOF];
    sql_bind_int(stmt, 1, job);
    sql_bind_int(stmt, 2, frame);
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? STORE_NONE : sql_fault(rc);
    }
    json_t *proof = json_loads(sql_column_text(stmt, 0), 0, NULL);
    if (!proof) {
        return sql_fault(SQLITE_CORRUPT);
    }
    *out = proof;
    return 0;
}

int store_picture(store_t *self, const char *path, json_t **out)
{
    CLEANUP(reset) sqlite3_stmt *stmt = self->stmt[STMT_GET_PICTURE];
    sql_bind_text(stmt, 1, path);
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? STORE_NONE : sql_fault(rc);
    }
    json_t *picture =
        json_pack("{s:s, s:s, s:I, s:I, s:I}", "path", path, "digest", sql_column_text(stmt, 0),
                  "size", (json_int_t)sqlite3_column_int64(stmt, 1), "mtime_ns",
                  (json_int_t)sqlite3_column_int64(stmt, 2), "inode",
                  (json_int_t)sqlite3_column_int64(stmt, 3));
    if (!picture) {
        return sql_fault(SQLITE_CORRUPT);
    }
    *out = picture;
    return 0;
}

int store_prune(store_t *self, int64_t request_ms, int64_t event_ms, bool *more)
{
    const struct {
        enum store_stmt stmt;
        int64_t before;
    } parts[] = {
        { STMT_PRUNE_REQUESTS, request_ms },
        { STMT_PRUNE_EVENTS, event_ms },
    };
    *more = false;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        sqlite3_stmt *stmt = self->stmt[parts[i].stmt];
        sql_bind_int(stmt, 1, parts[i].before);
        sql_bind_int(stmt, 2, STORE_PRUNE_ROWS);
        int rc = sql_run(stmt);
        if (rc < 0) {
            return rc;
        }
        *more = *more || sqlite3_changes(self->db) >= STORE_PRUNE_ROWS;
    }
    return 0;
}

int store_verify(store_t *self, void (*visit)(void *arg, const char *text), void *arg)
{
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(self->db, "PRAGMA quick_check(20)", -1, &stmt, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            const char *text = sql_column_text(stmt, 0);
            if (text && strcmp(text, "ok") != 0) {
                visit(arg, text);
            }
        }
    }
    if (rc != SQLITE_DONE && (rc & 0xff) != SQLITE_CORRUPT) {
        return sql_fault(rc);
    }
    if (rc != SQLITE_DONE) {
        visit(arg, sqlite3_errmsg(self->db));
    }
    return 0;
}

int store_count_states(store_t *self, const char *table,
                       void (*visit)(void *arg, const char *state, int64_t count), void *arg)
{
    CLEANUP(cleanup_free)
    char *text =
        alloc_format("SELECT state, count(*) FROM %s GROUP BY state ORDER BY state", table);
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    int rc = sql_prepare(self->db, text, &stmt);
    if (rc < 0) {
        return rc;
    }
    int step = 0;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        visit(arg, sql_column_text(stmt, 0), sqlite3_column_int64(stmt, 1));
    }
    return sql_fault(step);
}

int store_count(store_t *self, const char *table, int64_t *out)
{
    CLEANUP(cleanup_free) char *text = alloc_format("SELECT count(*) FROM %s", table);
    return sql_read_int(self->db, text, out);
}
