#include "broker/wal.h"

#include <stdlib.h>

#include "broker/sql.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"

/* The largest page of a database; a SQLite file takes less than 128 KiB at once. */
enum { PIECE = 65536 };

static int piece_anew(sqlite3_file *file, char *bytes, int size, sqlite3_int64 at)
{
    int rc = file->pMethods->xRead(file, bytes, size, at);
    return rc == SQLITE_OK ? file->pMethods->xWrite(file, bytes, size, at) : rc;
}

int wal_write_anew(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    if (rc != SQLITE_OK || !file || !file->pMethods) {
        return sql_fault(rc);
    }
    sqlite3_int64 size = 0;
    rc = file->pMethods->xFileSize(file, &size);
    CLEANUP(cleanup_free) char *bytes = alloc_zero(PIECE, 1);
    for (sqlite3_int64 at = 0; rc == SQLITE_OK && at < size; at += PIECE) {
        rc = piece_anew(file, bytes, (int)(size - at < PIECE ? size - at : PIECE), at);
    }
    if (rc == SQLITE_OK && size > 0) {
        rc = file->pMethods->xSync(file, SQLITE_SYNC_FULL);
    }
    return sql_fault(rc);
}
