#include "broker/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/check.h"
#include "broker/salvage.h"
#include "broker/sql.h"
#include "broker/store.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/log.h"

enum { EXIT_HELD = 3, PAGE_BYTES = 4096, BAD_ROWS_MOST = 1000, CLAIMS_AHEAD = 1000000 };

struct recover {
    const char *path;
    char *reading; /* a copy of the damaged ledger */
    char *fresh;   /* what will be in its place */
    char *aside;   /* what the damaged one will be called */
    sqlite3 *from;
    sqlite3 *to;
    FILE *out;
    bool grafted; /* its first page was bad, too */
};

/* ---- files ---- */

static int copy_bytes(int from, int to)
{
    char buffer[65536];
    for (;;) {
        ssize_t count = read(from, buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return count < 0 ? -errno : 0;
        }
        for (ssize_t at = 0; at < count;) {
            ssize_t written = write(to, buffer + at, (size_t)(count - at));
            if (written < 0 && errno != EINTR) {
                return -errno;
            }
            at += written > 0 ? written : 0;
        }
    }
}

/* 0 also when there is nothing to copy and it may be so. */
static int copy_file(const char *from, const char *to, bool must)
{
    CLEANUP(cleanup_fd) int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) {
        return errno == ENOENT && !must ? 0 : -errno;
    }
    CLEANUP(cleanup_fd) int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return out < 0 ? -errno : copy_bytes(in, out);
}

static void remove_with(const char *path)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        CLEANUP(cleanup_free) char *name = alloc_format("%s%s", path, ends[i]);
        (void)unlink(name); /* what is not there is no fault */
    }
}

static int copy_ledger(struct recover *self)
{
    CLEANUP(cleanup_free) char *wal = alloc_format("%s-wal", self->path);
    CLEANUP(cleanup_free) char *wal_copy = alloc_format("%s-wal", self->reading);
    remove_with(self->reading);
    remove_with(self->fresh);
    int rc = copy_file(self->path, self->reading, true);
    return rc == 0 ? copy_file(wal, wal_copy, false) : rc;
}

static int sync_folder(const char *path)
{
    CLEANUP(cleanup_free) char *folder = alloc_text(path);
    char *slash = strrchr(folder, '/');
    if (slash) {
        *slash = '\0';
    }
    CLEANUP(cleanup_fd) int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) != 0 ? -errno : 0;
}

/* There is a ledger under the name at every moment, and never beside a log that is another's. */
static int put_in_place(const struct recover *self)
{
    CLEANUP(cleanup_free) char *wal = alloc_format("%s-wal", self->path);
    CLEANUP(cleanup_free) char *wal_aside = alloc_format("%s-wal", self->aside);
    if (link(self->path, self->aside) != 0 || (link(wal, wal_aside) != 0 && errno != ENOENT)) {
        return -errno;
    }
    (void)unlink(wal); /* it has another name now, or was not there */
    return rename(self->fresh, self->path) != 0 ? -errno : sync_folder(self->path);
}

/* ---- reading the damaged one ---- */

static bool knows_tables(sqlite3 *db)
{
    int64_t count = 0;
    return sql_read_int(db,
                        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND"
                        " (name = 'job' OR name = 'frame' OR name = 'event')",
                        &count) == 0 &&
           count == 3;
}

static int open_from(struct recover *self)
{
    sqlite3_close(self->from);
    self->from = NULL;
    int rc = sqlite3_open_v2(self->reading, &self->from,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        return sql_fault(rc);
    }
    /* One wrong line of the schema is not to hide the others. */
    (void)sql_exec(self->from, "PRAGMA writable_schema = ON"); /* fails where page 1 is bad */
    return 0;
}

/* SQLite's file format, 1.3: how many pages there are, and that this number is valid. */
static void put_size(unsigned char *page, uint32_t pages)
{
    static const int places[] = { 24, 92, 28 }; /* two counters that must be equal, the size */
    for (int i = 0; i < 3; i++) {
        uint32_t value = i < 2 ? 1 : pages;
        for (int byte = 0; byte < 4; byte++) {
            page[places[i] + byte] = (unsigned char)(value >> (24 - 8 * byte));
        }
    }
}

/*
 * The first page says where the tables begin, and a ledger of this schema has them where each
 * other one has. So a bad one is replaced by that of the fresh ledger.
 */
static int graft_first_page(struct recover *self)
{
    unsigned char page[PAGE_BYTES];
    struct stat info;
    CLEANUP(cleanup_fd) int from = open(self->fresh, O_RDONLY | O_CLOEXEC);
    CLEANUP(cleanup_fd) int to = open(self->reading, O_WRONLY | O_CLOEXEC);
    if (from < 0 || to < 0 || fstat(to, &info) != 0) {
        return -errno;
    }
    if (pread(from, page, sizeof page, 0) != (ssize_t)sizeof page) {
        return -EIO;
    }
    put_size(page, (uint32_t)(info.st_size / PAGE_BYTES));
    self->grafted = true;
    return pwrite(to, page, sizeof page, 0) == (ssize_t)sizeof page ? 0 : -EIO;
}

static int read_damaged(struct recover *self)
{
    int rc = open_from(self);
    if (rc == 0 && !knows_tables(self->from)) {
        sqlite3_close(self->from);
        self->from = NULL;
        rc = graft_first_page(self);
        rc = rc == 0 ? open_from(self) : rc;
    }
    return rc;
}

/* ---- building the new one ---- */

static int make_fresh(struct recover *self)
{
    CLEANUP(store_close) store_t *store = NULL;
    CLEANUP(cleanup_free) char *text = NULL;
    int rc = store_open(self->fresh, STORE_SERVE, &store, &text);
    return rc > 0 ? -EIO : rc;
}

static void report(const struct recover *self, const char *what, const struct salvage *salvage)
{
    fprintf(self->out, "%s: %" PRId64 " saved", what, salvage->saved);
    if (salvage->refused > 0) {
        fprintf(self->out, ", %" PRId64 " were not what they should be", salvage->refused);
    }
    fprintf(self->out, "%s\n", salvage->damaged ? ", others cannot be read" : "");
}

static int save_frames(struct recover *self, struct salvage *salvage)
{
    CLEANUP(sql_finalize) sqlite3_stmt *jobs = NULL;
    int rc = sql_prepare(self->to, "SELECT id FROM job ORDER BY id", &jobs);
    while (rc == 0 && sqlite3_step(jobs) == SQLITE_ROW) {
        CLEANUP(cleanup_free)
        char *within = alloc_format("job = %" PRId64, (int64_t)sqlite3_column_int64(jobs, 0));
        rc = salvage_by_number(salvage, "frame", "number", within);
    }
    return rc;
}

static int save_tables(struct recover *self)
{
    static const struct {
        const char *what, *table, *key;
        bool by_text;
    } tables[] = {
        { "jobs", "job", "id", false },          { "frames", "frame", NULL, false },
        { "events", "event", "id", false },      { "answered requests", "request", "key", true },
        { "pictures", "picture", "path", true }, { "settings", "meta", "key", true },
    };
    int rc = sql_exec(self->to, "DELETE FROM meta"); /* the fresh ledger's own farm id */
    for (size_t i = 0; rc == 0 && i < sizeof tables / sizeof tables[0]; i++) {
        struct salvage salvage = { .from = self->from, .to = self->to };
        if (!tables[i].key) {
            rc = save_frames(self, &salvage);
        } else if (tables[i].by_text) {
            rc = salvage_by_text(&salvage, tables[i].table, tables[i].key);
        } else {
            rc = salvage_by_number(&salvage, tables[i].table, tables[i].key, NULL);
        }
        report(self, tables[i].what, &salvage);
    }
    return rc;
}

/*
 * Numbers only rise in the life of a farm. Where the counter is lost nobody knows the last claim
 * that was given: one far ahead is right. The farm id is in the names of kept files, too; without
 * any the next broker makes a new one.
 */
static int mend_settings(struct recover *self)
{
    CLEANUP(cleanup_free)
    char *text = alloc_format(
        "INSERT INTO meta(key, value) SELECT 'claim',"
        "  max(coalesce((SELECT max(claim) FROM frame), 0),"
        "      coalesce((SELECT max(claim) FROM job), 0)) + 1 +"
        "  iif((SELECT count(*) FROM meta WHERE key = 'claim') = 0, %d, 0)"
        " WHERE 1 ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value);"
        "INSERT INTO meta(key, value) SELECT 'job',"
        "  max(coalesce((SELECT max(id) FROM job), 0),"
        "      coalesce((SELECT max(job) FROM event), 0)) + 1"
        " WHERE 1 ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value);"
        "INSERT OR IGNORE INTO meta(key, value) SELECT 'farm', substr(kept, -87, 16) FROM"
        "  (SELECT spec ->> '$.kept' AS kept FROM job) WHERE kept GLOB"
        "  '*.[0-9a-f][0-9a-f][0-9a-f][0-9a-f]*.blend' AND substr(kept, -88, 1) = '.'"
        "  AND length(substr(kept, -87, 16)) = 16 AND substr(kept, -71, 1) = '.' LIMIT 1",
        CLAIMS_AHEAD);
    return sql_exec(self->to, text);
}

static int build(struct recover *self)
{
    int rc =
        sqlite3_open_v2(self->fresh, &self->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    rc = rc == SQLITE_OK ? sql_exec(self->to, "BEGIN IMMEDIATE") : sql_fault(rc);
    rc = rc == 0 ? save_tables(self) : rc;
    rc = rc == 0 ? mend_settings(self) : rc;
    rc = rc == 0 ? sql_exec(self->to, "COMMIT") : rc;
    sqlite3_close(self->to);
    self->to = NULL;
    return rc;
}

/* ---- does it load? ---- */

static int drop_row(const struct recover *self, const struct store_row *row)
{
    sqlite3 *db = NULL;
    CLEANUP(cleanup_free)
    char *one = alloc_format("DELETE FROM frame WHERE job = %" PRId64 " AND number = %" PRId32,
                             row->job, row->frame);
    CLEANUP(cleanup_free)
    char *all = alloc_format("DELETE FROM frame WHERE job = %" PRId64
                             "; DELETE FROM job WHERE id = %" PRId64,
                             row->job, row->job);
    int rc = sql_fault(sqlite3_open_v2(self->fresh, &db, SQLITE_OPEN_READWRITE, NULL));
    rc = rc == 0 ? sql_exec(db, row->frame == EVENT_NO_FRAME ? all : one) : rc;
    sqlite3_close(db);
    return rc;
}

/* 0, STORE_REFUSED with the row that is to blame, or a negative errno. */
static int try_load(const struct recover *self, struct store_row *row, char **text)
{
    CLEANUP(store_close) store_t *store = NULL;
    int rc = store_open(self->fresh, STORE_SERVE, &store, text);
    if (rc != 0) {
        return rc < 0 ? rc : -EIO;
    }
    struct queue_config config = { .first_session = 1 };
    memcpy(config.farm, store_farm(store), sizeof config.farm);
    CLEANUP(queue_destroy) queue_t *queue = queue_new(&config);
    rc = store_load(store, queue, text);
    *row = store_refused(store);
    return rc;
}

/* Rows that cannot be go, until the rest is a ledger. */
static int make_loadable(const struct recover *self)
{
    for (int i = 0; i < BAD_ROWS_MOST; i++) {
        struct store_row row = { 0 };
        CLEANUP(cleanup_free) char *text = NULL;
        int rc = try_load(self, &row, &text);
        if (rc != STORE_REFUSED) {
            return rc;
        }
        fprintf(self->out, "given up: %s\n", text);
        rc = row.job != 0 ? drop_row(self, &row) : -EIO;
        if (rc < 0) {
            return rc;
        }
    }
    return -EUCLEAN;
}

/* ---- all of it ---- */

static int recover(struct recover *self)
{
    int rc = make_fresh(self);
    rc = rc == 0 ? read_damaged(self) : rc;
    if (rc == 0 && self->grafted) {
        fprintf(self->out, "the first page cannot be read; that of a new ledger stands in\n");
    }
    rc = rc == 0 ? build(self) : rc;
    rc = rc == 0 ? make_loadable(self) : rc;
    rc = rc == 0 ? put_in_place(self) : rc;
    if (rc == 0) {
        fprintf(self->out, "the damaged ledger is kept as %s\n", self->aside);
        fprintf(self->out, "frames whose row is lost wait again: their pictures are looked at\n");
    }
    return rc;
}

static bool is_whole(const struct recover *self)
{
    CLEANUP(cleanup_file) FILE *nowhere = fopen("/dev/null", "w");
    return nowhere && check_ledger(self->reading, nowhere) == 0;
}

int recover_ledger(const char *path, FILE *out)
{
    pid_t holder = store_holder(path);
    if (holder > 0) {
        log_error("%s: a dblend-broker works on this ledger (process %d); end it first", path,
                  (int)holder);
        return EXIT_HELD;
    }
    char stamp[CLOCK_TEXT_SIZE];
    clock_rfc3339(clock_wall_ms(), stamp);
    struct recover self = {
        .path = path,
        .reading = alloc_format("%s.reading", path),
        .fresh = alloc_format("%s.recovered", path),
        .aside = alloc_format("%s.damaged-%s", path, stamp),
        .out = out,
    };
    fprintf(out, "ledger: %s\n", path);
    int rc = copy_ledger(&self);
    if (rc == 0 && is_whole(&self)) {
        fprintf(out, "whole: nothing to recover\n");
    } else if (rc == 0) {
        rc = copy_ledger(&self); /* looking may have changed it */
        rc = rc == 0 ? recover(&self) : rc;
    }
    if (rc < 0) {
        log_error("%s: cannot be recovered: %s; it is as it was", path, strerror(-rc));
    }
    sqlite3_close(self.from);
    remove_with(self.reading);
    remove_with(self.fresh);
    free(self.reading);
    free(self.fresh);
    free(self.aside);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
