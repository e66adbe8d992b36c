#include "broker/sql.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "proto/cleanup.h"

int sql_fault(int rc)
{
    switch (rc & 0xff) { /* extended codes say more than we tell apart */
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return -EACCES;
    case SQLITE_NOMEM:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

void sql_set_up(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* refused when SQLite is at work already */
}

int sql_exec(sqlite3 *db, const char *text)
{
    return sql_fault(sqlite3_exec(db, text, NULL, NULL, NULL));
}

int sql_prepare(sqlite3 *db, const char *text, sqlite3_stmt **out)
{
    return sql_fault(sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL));
}

void sql_finalize(sqlite3_stmt **stmt_p)
{
    assert(stmt_p);
    sqlite3_finalize(*stmt_p);
    *stmt_p = NULL;
}

int sql_run(sqlite3_stmt *stmt)
{
    int rc = 0;
    do {
        rc = sqlite3_step(stmt);
    } while (rc == SQLITE_ROW);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return sql_fault(rc);
}

void sql_bind_int(sqlite3_stmt *stmt, int index, int64_t value)
{
    int rc = sqlite3_bind_int64(stmt, index, value);
    assert(rc == SQLITE_OK);
    (void)rc;
}

void sql_bind_int_or_null(sqlite3_stmt *stmt, int index, int64_t value)
{
    if (value != 0) {
        sql_bind_int(stmt, index, value);
    }
}

void sql_bind_text(sqlite3_stmt *stmt, int index, const char *text)
{
    if (text) {
        int rc = sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC);
        assert(rc == SQLITE_OK);
        (void)rc;
    }
}

int sql_read_int(sqlite3 *db, const char *text, int64_t *out)
{
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);
    if (rc != SQLITE_OK) {
        return sql_fault(rc);
    }
    rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? -EIO : sql_fault(rc);
    }
    *out = sqlite3_column_int64(stmt, 0);
    return 0;
}

const char *sql_column_text(sqlite3_stmt *stmt, int index)
{
    return (const char *)sqlite3_column_text(stmt, index);
}
