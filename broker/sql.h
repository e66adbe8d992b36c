#ifndef BROKER_SQL_H
#define BROKER_SQL_H

/*
 * sql - SQLite in our error convention
 *
 * 0 or a negative errno: -ENOSPC full disk, -EBUSY locked, -EUCLEAN damaged, -EIO the rest. Binding
 * cannot fail on correct statements; a wrong index is our bug and asserts.
 */

#include <sqlite3.h>
#include <stdint.h>

/* The errno of a SQLite result code, negative; 0 for OK, ROW and DONE. */
int sql_fault(int rc);

/* Before the first database is opened: SQLite need not count its memory, which costs a lock with
 * each allocation. */
void sql_set_up(void);

/* Run one or more statements that yield no rows anybody wants. */
int sql_exec(sqlite3 *db, const char *text);

/* Prepare a statement that is kept. The caller owns *out. */
int sql_prepare(sqlite3 *db, const char *text, sqlite3_stmt **out);

/* Finalize and set *stmt_p to NULL. Safe on NULL. Fits CLEANUP. */
void sql_finalize(sqlite3_stmt **stmt_p);

/* Run a bound statement to its end, then reset it and forget what was bound. */
int sql_run(sqlite3_stmt *stmt);

void sql_bind_int(sqlite3_stmt *stmt, int index, int64_t value);

/* NULL leaves what stands there when nothing was bound: NULL. The text is borrowed until the
 * statement is reset. */
void sql_bind_text(sqlite3_stmt *stmt, int index, const char *text);

/* 0 leaves NULL, too. */
void sql_bind_int_or_null(sqlite3_stmt *stmt, int index, int64_t value);

/* Read one integer, as of a PRAGMA or a count(). */
int sql_read_int(sqlite3 *db, const char *text, int64_t *out);

/* The text of a column, NULL for NULL. Lives until the next step. */
const char *sql_column_text(sqlite3_stmt *stmt, int index);

#endif
