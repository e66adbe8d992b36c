#ifndef BROKER_SALVAGE_H
#define BROKER_SALVAGE_H

/*
 * salvage - takes the rows of one table out of a damaged database, passing over what SQLite
 * cannot read
 *
 * SQLite gives up at the first bad page that a statement meets. So a table is read forwards up to
 * there, backwards down to there, and what lies between in ever smaller pieces, down to single
 * keys. Rows that the new table's own checks refuse are no rows.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct salvage {
    sqlite3 *from; /* borrowed; the damaged one, which is only read */
    sqlite3 *to;   /* borrowed; has the same table, empty */
    int64_t saved; /* rows */
    int64_t refused;
    int64_t in_vain; /* tries since a row was saved */
    bool damaged;    /* something could not be read */
};

/*
 * A table and the integer that its rows are sorted by. within: NULL, or a condition that
 * comes before it in the primary key ("job = 3"). 0, or a negative errno of the new database.
 */
int salvage_by_number(struct salvage *self, const char *table, const char *key, const char *within);

/* A table that is sorted by text: from both ends, as far as that goes. */
int salvage_by_text(struct salvage *self, const char *table, const char *key);

#endif
