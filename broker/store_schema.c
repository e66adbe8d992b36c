#include "broker/store_private.h"

#include <stdio.h>

#include "broker/sql.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"

/*
 * The steps from one user_version to the next. A step that was released is never edited: a
 * change is a new step at the end. The checks are chains of OR because SQLite makes a temporary
 * table for an IN of more than two words, at each write: a tenth of what a report costs.
 */
static const char *const steps[] = {
    /* 1 */
    "PRAGMA application_id = 0x44424c46;"
    "CREATE TABLE meta("
    " key TEXT PRIMARY KEY NOT NULL,"
    " value NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE job("
    " id INTEGER PRIMARY KEY,"
    " state TEXT NOT NULL CHECK(state = 'queued' OR state = 'inspecting' OR state = 'held' OR"
    "  state = 'active' OR state = 'paused' OR state = 'done' OR state = 'failed' OR"
    "  state = 'cancelled'),"
    " spec TEXT NOT NULL CHECK(json_valid(spec)),"
    " found TEXT CHECK(found IS NULL OR json_valid(found)),"
    " questions TEXT CHECK(questions IS NULL OR json_valid(questions)),"
    " warnings TEXT CHECK(warnings IS NULL OR json_valid(warnings)),"
    " error TEXT CHECK(error IS NULL OR json_valid(error)),"
    " submitted_at INTEGER NOT NULL,"
    " finished_at INTEGER,"
    " active_order INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL,"
    " sweeps INTEGER NOT NULL,"
    " claim INTEGER," /* the last one without a frame, and how it ended */
    " claim_kind TEXT NOT NULL CHECK(claim_kind = 'none' OR claim_kind = 'inspect' OR"
    "  claim_kind = 'sweep'),"
    " claim_outcome TEXT NOT NULL CHECK(claim_outcome = 'none' OR claim_outcome = 'live' OR"
    "  claim_outcome = 'error' OR claim_outcome = 'returned' OR claim_outcome = 'lost' OR"
    "  claim_outcome = 'inspected' OR claim_outcome = 'swept'),"
    " worker TEXT,"
    " worker_id TEXT,"
    " bound_blender INTEGER," /* 304 is 3.4 */
    " bound_kind TEXT NOT NULL CHECK(bound_kind = 'none' OR bound_kind = 'cpu' OR"
    "  bound_kind = 'gpu'),"
    " gpu_peak INTEGER," /* bytes of a card; see struct job_memory */
    " rss_peak_cpu INTEGER,"
    " rss_peak_gpu INTEGER,"
    " too_small INTEGER,"
    " enough INTEGER,"
    " warnings_accepted INTEGER NOT NULL,"
    " stopped INTEGER NOT NULL,"
    " sweep_due INTEGER NOT NULL,"
    " removing INTEGER NOT NULL);"
    "CREATE TABLE frame("
    " job INTEGER NOT NULL,"
    " number INTEGER NOT NULL,"
    " state TEXT NOT NULL CHECK(state = 'waiting' OR state = 'claimed' OR state = 'done' OR"
    "  state = 'kept' OR state = 'taken' OR state = 'failed' OR state = 'cancelled'),"
    " claim INTEGER,"
    " outcome TEXT NOT NULL CHECK(outcome = 'none' OR outcome = 'live' OR"
    "  outcome = 'finished' OR outcome = 'kept' OR outcome = 'taken' OR outcome = 'error' OR"
    "  outcome = 'returned' OR outcome = 'lost'),"
    " again INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL,"
    " losses INTEGER NOT NULL,"
    " worker TEXT,"
    " worker_id TEXT,"
    " started_at INTEGER,"
    " finished_at INTEGER,"
    " ms INTEGER,"
    " bytes INTEGER,"
    " sighting TEXT CHECK(sighting IS NULL OR json_valid(sighting))," /* [size, mtime_ns, inode] */
    " error TEXT CHECK(error IS NULL OR json_valid(error)),"
    " proof TEXT CHECK(proof IS NULL OR json_valid(proof)),"
    " tried TEXT CHECK(tried IS NULL OR json_valid(tried)),"
    " short INTEGER," /* bytes of a card on which it ran out of memory */
    " fresh INTEGER NOT NULL,"
    " PRIMARY KEY(job, number)) WITHOUT ROWID;"
    "CREATE TABLE event("
    " id INTEGER PRIMARY KEY,"
    " at INTEGER NOT NULL,"
    " event TEXT NOT NULL,"
    " job INTEGER,"
    " frame INTEGER,"
    " worker TEXT,"
    " text TEXT);"
    "CREATE INDEX event_job ON event(job) WHERE job IS NOT NULL;"
    "CREATE TABLE request("
    " key TEXT PRIMARY KEY NOT NULL,"
    " hash TEXT NOT NULL,"
    " answer TEXT NOT NULL CHECK(json_valid(answer)),"
    " at INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX request_at ON request(at);"
    "CREATE TABLE picture("
    " path TEXT PRIMARY KEY NOT NULL,"
    " digest TEXT NOT NULL,"
    " size INTEGER NOT NULL,"
    " mtime_ns INTEGER NOT NULL,"
    " inode INTEGER NOT NULL) WITHOUT ROWID;",
    /* 2: whether a worker whose claims are live can still exist */
    "CREATE TABLE worker("
    " id TEXT PRIMARY KEY NOT NULL,"
    " pid INTEGER NOT NULL,"
    " start INTEGER NOT NULL," /* proc(5), starttime */
    " boot INTEGER NOT NULL) WITHOUT ROWID;",
};

enum { STEPS = sizeof steps / sizeof steps[0] };

/* What a turn writes most of goes several rows a statement: to begin and end one costs a third of
 * what an event costs. */
#define ROWS(row) row "," row "," row "," row "," row "," row "," row "," row
_Static_assert(STORE_ROWS == 8, "as many as ROWS repeats");

#define PUT_FRAME                                                                                  \
    "INSERT OR REPLACE INTO frame(job, number, state, claim, outcome, again, attempts, losses,"    \
    " worker, worker_id, started_at, finished_at, ms, bytes, sighting, error, proof, tried,"       \
    " short, fresh) VALUES"
#define FRAME_ROW "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

/* Nothing to replace: the id is new. With an index, REPLACE costs twice as much as INSERT. */
#define PUT_EVENT "INSERT INTO event(id, at, event, job, frame, worker, text) VALUES"
#define EVENT_ROW "(?, ?, ?, ?, ?, ?, ?)"

const char *const store_stmt_text[STMTS] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_PUT_JOB] =
        "INSERT OR REPLACE INTO job(id, state, spec, found, questions, warnings, error,"
        " submitted_at, finished_at, active_order, attempts, sweeps, claim, claim_kind,"
        " claim_outcome, worker, worker_id, bound_blender, bound_kind, warnings_accepted, stopped,"
        " sweep_due, removing, gpu_peak, rss_peak_cpu, rss_peak_gpu, too_small, enough)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
        " ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)",
    [STMT_DELETE_JOB] = "DELETE FROM job WHERE id = ?1",
    [STMT_DELETE_FRAMES] = "DELETE FROM frame WHERE job = ?1",
    [STMT_PUT_FRAME] = PUT_FRAME FRAME_ROW,
    [STMT_PUT_FRAMES] = PUT_FRAME ROWS(FRAME_ROW),
    /* A done or kept frame keeps its proof when the change brings none; see frame.h. */
    [STMT_PUT_PROVEN] = PUT_FRAME
    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
    " coalesce(?17, (SELECT proof FROM frame WHERE job = ?1 AND number = ?2)), ?18, ?19,"
    " ?20)",
    [STMT_DELETE_FRAME] = "DELETE FROM frame WHERE job = ?1 AND number = ?2",
    [STMT_PUT_META] = "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)",
    [STMT_PUT_WORKER] =
        "INSERT OR REPLACE INTO worker(id, pid, start, boot) VALUES(?1, ?2, ?3, ?4)",
    [STMT_DELETE_WORKER] = "DELETE FROM worker WHERE id = ?1",
    [STMT_PUT_EVENT] = PUT_EVENT EVENT_ROW,
    [STMT_PUT_EVENTS] = PUT_EVENT ROWS(EVENT_ROW),
    [STMT_PUT_REQUEST] =
        "INSERT OR REPLACE INTO request(key, hash, answer, at) VALUES(?1, ?2, ?3, ?4)",
    [STMT_PUT_PICTURE] =
        "INSERT OR REPLACE INTO picture(path, digest, size, mtime_ns, inode)"
        " VALUES(?1, ?2, ?3, ?4, ?5)",
    /* What a picture of the job would be stamped with, if its format could carry a stamp. */
    [STMT_GET_DIGEST] =
        "SELECT 'dblend:' || (found ->> '$.digest') || ':' ||"
        " CAST(bound_blender / 100 AS TEXT) || '.' || CAST(bound_blender % 100 AS TEXT)"
        " FROM job WHERE id = ?1 AND found ->> '$.digest' IS NOT NULL"
        " AND NOT coalesce(found ->> '$.stamped', 0) AND bound_blender > 0",
    [STMT_GET_REQUEST] = "SELECT hash, answer FROM request WHERE key = ?1",
    [STMT_GET_PROOF] =
        "SELECT proof FROM frame WHERE job = ?1 AND number = ?2 AND proof IS NOT NULL",
    [STMT_GET_PICTURE] = "SELECT digest, size, mtime_ns, inode FROM picture WHERE path = ?1",
    [STMT_GET_EVENTS] =
        "SELECT id, at, event, job, frame, worker, text FROM event"
        " WHERE id > ?1 ORDER BY id LIMIT ?2",
    [STMT_GET_JOB_EVENTS] =
        "SELECT id, at, event, job, frame, worker, text FROM event"
        " WHERE id > ?1 AND job = ?3 AND (?4 IS NULL OR frame = ?4) ORDER BY id LIMIT ?2",
    [STMT_PRUNE_REQUESTS] =
        "DELETE FROM request WHERE key IN (SELECT key FROM request WHERE at < ?1 LIMIT ?2)",
    [STMT_PRUNE_EVENTS] =
        "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE id <="
        " (SELECT min(id) + ?2 FROM event) AND at < ?1)",
};

int store_schema_version(void)
{
    return STEPS;
}

int store_migrate(sqlite3 *db, int64_t version)
{
    for (int64_t at = version; at < STEPS; at++) {
        CLEANUP(cleanup_free)
        char *text = alloc_format("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;",
                                  steps[at], (int)at + 1);
        int rc = sql_exec(db, text);
        if (rc < 0) {
            (void)sql_exec(db, "ROLLBACK"); /* fails when SQLite has done it itself */
            return rc;
        }
    }
    return 0;
}
