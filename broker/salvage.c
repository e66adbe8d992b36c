#include "broker/salvage.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/sql.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"

/* Tries without a row before a table is given up: two for each row of some thirty bad pages. */
enum { IN_VAIN_MOST = 3000, BEYOND = 100000 };

/* One table on its way: its statements and how far it came. */
struct table {
    struct salvage *salvage;
    char *columns; /* common to both, separated by commas; the key is the first */
    int column_count;
    sqlite3_stmt *insert;
    char *name;
    char *key;
    char *within; /* " AND job = 3", or "" */
    int fault;    /* negative errno of the new database */
};

static void free_table(struct table *self)
{
    sql_finalize(&self->insert);
    free(self->columns);
    free(self->name);
    free(self->key);
    free(self->within);
}

/* The columns of the new table, key first. A damaged database with another schema lacks some. */
static int read_columns(struct table *self)
{
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    CLEANUP(cleanup_free)
    char *text = alloc_format(
        "SELECT name FROM pragma_table_info('%s')"
        " ORDER BY name <> '%s', cid",
        self->name, self->key);
    int rc = sql_prepare(self->salvage->to, text, &stmt);
    while (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
        CLEANUP(cleanup_free) char *before = self->columns;
        self->columns = alloc_format("%s%s%s", before ? before : "", before ? ", " : "",
                                     sql_column_text(stmt, 0));
        self->column_count++;
    }
    return rc;
}

static int open_table(struct table *self, struct salvage *salvage, const char *name,
                      const char *key, const char *within)
{
    *self = (struct table){
        .salvage = salvage,
        .name = alloc_text(name),
        .key = alloc_text(key),
        .within = within ? alloc_format(" AND %s", within) : alloc_text(""),
    };
    int rc = read_columns(self);
    if (rc < 0) {
        return rc;
    }
    CLEANUP(cleanup_free) char *places = alloc_text("?");
    for (int i = 1; i < self->column_count; i++) {
        CLEANUP(cleanup_free) char *before = places;
        places = alloc_format("%s, ?", before);
    }
    CLEANUP(cleanup_free)
    char *text =
        alloc_format("INSERT OR IGNORE INTO %s(%s) VALUES(%s)", name, self->columns, places);
    return sql_prepare(salvage->to, text, &self->insert);
}

/* A row that breaks a check was made by the damage. */
static void save(struct table *self, sqlite3_stmt *row)
{
    for (int i = 0; i < self->column_count; i++) {
        (void)sqlite3_bind_value(self->insert, i + 1, sqlite3_column_value(row, i));
    }
    int step = sqlite3_step(self->insert);
    sqlite3_reset(self->insert);
    sqlite3_clear_bindings(self->insert);
    if (step == SQLITE_DONE) {
        self->salvage->saved += sqlite3_changes(self->salvage->to);
    } else if ((step & 0xff) == SQLITE_CONSTRAINT || (step & 0xff) == SQLITE_MISMATCH) {
        self->salvage->refused++;
    } else {
        self->fault = sql_fault(step);
    }
}

/*
 * Rows of low..high, forwards or backwards. *last is the key of the last one that was read, and
 * stays what it was when there was none. true: all were read.
 */
static bool read_some(struct table *self, int64_t low, int64_t high, bool backwards, int64_t *last)
{
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    CLEANUP(cleanup_free)
    char *text = alloc_format("SELECT %s FROM %s WHERE %s BETWEEN %lld AND %lld%s ORDER BY %s%s",
                              self->columns, self->name, self->key, (long long)low, (long long)high,
                              self->within, self->key, backwards ? " DESC" : "");
    int64_t before = backwards ? high : low;
    int step = SQLITE_CORRUPT;
    if (sql_prepare(self->salvage->from, text, &stmt) == 0) {
        while (self->fault == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
            int64_t key = sqlite3_column_int64(stmt, 0);
            if (backwards ? key > before : key < before) {
                step = SQLITE_CORRUPT; /* pages that lead in a circle */
                break;
            }
            before = key;
            *last = key;
            save(self, stmt);
        }
    }
    return step == SQLITE_DONE;
}

struct piece {
    int64_t low;
    int64_t high;
};

struct pieces {
    struct piece *list;
    size_t first;
    size_t count;
    size_t room;
};

static void add_piece(struct pieces *self, int64_t low, int64_t high)
{
    if (low > high) {
        return;
    }
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 64;
        self->list = alloc_resize(self->list, self->room, sizeof self->list[0]);
    }
    self->list[self->count++] = (struct piece){ low, high };
}

/* From both ends; what is left in the middle is two pieces more. */
static void read_piece(struct table *self, struct pieces *pieces, struct piece piece)
{
    int64_t first = piece.low - 1;
    int64_t last = piece.high + 1;
    if (read_some(self, piece.low, piece.high, false, &first)) {
        return;
    }
    self->salvage->damaged = true;
    if (read_some(self, first + 1, piece.high, true, &last) || last - first <= 2) {
        return; /* a single key is where the two stopped */
    }
    int64_t middle = first + (last - first) / 2;
    add_piece(pieces, first + 1, middle);
    add_piece(pieces, middle + 1, last - 1);
}

/*
 * What lies between bad pages is halved until only keys are left that cannot be read. Large
 * pieces come first, so that what can be read is found before it is time to give up.
 */
static void read_pieces(struct table *self, int64_t low, int64_t high)
{
    struct pieces pieces = { 0 };
    add_piece(&pieces, low, high);
    while (pieces.first < pieces.count && self->fault == 0) {
        int64_t before = self->salvage->saved;
        read_piece(self, &pieces, pieces.list[pieces.first++]);
        self->salvage->in_vain = self->salvage->saved > before ? 0 : self->salvage->in_vain + 1;
        if (self->salvage->in_vain > IN_VAIN_MOST) {
            break;
        }
    }
    free(pieces.list);
}

/* Bounds that the halving can work with: the ends may be what cannot be read. */
static int64_t upper_bound(struct table *self)
{
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    CLEANUP(cleanup_free)
    char *text =
        alloc_format("SELECT max(%s) FROM %s WHERE 1%s", self->key, self->name, self->within);
    if (sql_prepare(self->salvage->from, text, &stmt) == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
        return sqlite3_column_int64(stmt, 0);
    }
    int64_t last = 0;
    (void)read_some(self, INT32_MIN, INT64_MAX / 2, false, &last); /* as far as it goes */
    return last + BEYOND;
}

static int64_t lower_bound(struct table *self)
{
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    CLEANUP(cleanup_free)
    char *text =
        alloc_format("SELECT min(%s) FROM %s WHERE 1%s", self->key, self->name, self->within);
    if (sql_prepare(self->salvage->from, text, &stmt) == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
        return sqlite3_column_int64(stmt, 0);
    }
    return -BEYOND;
}

int salvage_by_number(struct salvage *self, const char *table, const char *key, const char *within)
{
    struct table at;
    int rc = open_table(&at, self, table, key, within);
    if (rc == 0) {
        read_pieces(&at, lower_bound(&at), upper_bound(&at));
        rc = at.fault;
    }
    free_table(&at);
    return rc;
}

static bool read_by_text(struct table *self, bool backwards)
{
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    CLEANUP(cleanup_free)
    char *text = alloc_format("SELECT %s FROM %s ORDER BY %s%s", self->columns, self->name,
                              self->key, backwards ? " DESC" : "");
    int step = SQLITE_CORRUPT;
    if (sql_prepare(self->salvage->from, text, &stmt) == 0) {
        while (self->fault == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
            save(self, stmt);
        }
    }
    return step == SQLITE_DONE;
}

int salvage_by_text(struct salvage *self, const char *table, const char *key)
{
    struct table at;
    int rc = open_table(&at, self, table, key, NULL);
    if (rc == 0 && !read_by_text(&at, false)) {
        self->damaged = true;
        (void)read_by_text(&at, true);
    }
    rc = rc == 0 ? at.fault : rc;
    free_table(&at);
    return rc;
}
