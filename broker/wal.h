#ifndef BROKER_WAL_H
#define BROKER_WAL_H

/*
 * wal - what SQLite's write-ahead log shows is also on the disk
 */

#include <sqlite3.h>

/*
 * Write the open log's bytes over themselves and wait for the disk. After a failed fsync the
 * kernel goes on showing what never reached the disk (it forgets that the pages were dirty); a
 * broker that starts on such a log must not build on it. The same bytes: a crash on the way harms
 * nothing. 0 also where there is no log; else a negative errno.
 */
int wal_write_anew(sqlite3 *db);

#endif
