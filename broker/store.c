#include "broker/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "broker/sql.h"
#include "broker/store_private.h"
#include "broker/wal.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/random.h"

/* A ledger over this size is not read as a whole at every start; loading reads what matters. */
enum { CHECKED_PAGES = 8192 };

bool store_on_network(const char *path)
{
    enum { SMB2_MAGIC = (int)0xfe534d42, CIFS_MAGIC = (int)0xff534d42 }; /* not in magic.h here */
    struct statfs info;
    if (statfs(path, &info) != 0) {
        return false;
    }
    int type = (int)info.f_type;
    return type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC || type == CIFS_MAGIC ||
           type == SMB2_MAGIC;
}

/* SQLite's lock is a byte range of the file, and the kernel tells who has it. 0: unknown. */
pid_t store_holder(const char *path)
{
    CLEANUP(cleanup_fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    struct flock lock = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = 0x40000000 + 2, /* SHARED_FIRST, "File Format", 2.1 and os.h */
        .l_len = 510,
    };
    if (fd < 0 || fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) {
        return 0;
    }
    return lock.l_pid;
}

static int refuse_held(const char *path, char **text)
{
    pid_t pid = store_holder(path);
    *text = pid > 0 ? alloc_format(
                          "%s: another dblend-broker has this ledger (process %d); "
                          "use that one, or end it first",
                          path, (int)pid)
                    : alloc_format(
                          "%s: another dblend-broker has this ledger; use that one, or "
                          "end it first",
                          path);
    return STORE_HELD;
}

static int refuse_damaged(const char *path, const char *what, char **text)
{
    *text = alloc_format(
        "%s: the ledger is damaged (%s); dblend-broker --recover saves what can be read of it; or "
        "move it away to start with an empty one, or bring back a copy",
        path, what);
    return STORE_REFUSED;
}

static void keep_first(void *arg, const char *text)
{
    char **first = arg;
    if (!*first) {
        *first = alloc_text(text);
    }
}

/* Is this a ledger, and one that we know? *version is 0 for a new file. */
static int check_version(store_t *self, const char *path, enum store_mode mode, int64_t *version,
                         char **text)
{
    int64_t application = 0;
    int64_t tables = 0;
    int rc = sql_read_int(self->db, "PRAGMA user_version", version);
    if (rc == 0) {
        rc = sql_read_int(self->db, "PRAGMA application_id", &application);
    }
    if (rc == 0) {
        rc = sql_read_int(self->db, "SELECT count(*) FROM sqlite_schema", &tables);
    }
    if (rc < 0) {
        return rc;
    }

    if (application != STORE_APPLICATION && (tables > 0 || *version != 0)) {
        *text = alloc_format("%s: this is a database, but no dblend ledger; move it away", path);
        return STORE_REFUSED;
    }
    if (*version > store_schema_version()) {
        *text = alloc_format(
            "%s: the ledger was written by a newer dblend (version %d, this "
            "program knows %d); use that one",
            path, (int)*version, store_schema_version());
        return STORE_REFUSED;
    }
    if (mode == STORE_LOOK && *version < store_schema_version()) {
        *text = alloc_format(
            "%s: the ledger was written by an older dblend (version %d); a broker that starts on "
            "it brings it up to date",
            path, (int)*version);
        return STORE_REFUSED;
    }
    return 0;
}

static int check_pages(store_t *self, const char *path, char **text)
{
    int64_t pages = 0;
    int rc = sql_read_int(self->db, "PRAGMA page_count", &pages);
    if (rc < 0 || pages > CHECKED_PAGES) {
        return rc;
    }
    CLEANUP(cleanup_free) char *what = NULL;
    rc = store_verify(self, keep_first, &what);
    if (rc == 0 && what) {
        return refuse_damaged(path, what, text);
    }
    return rc;
}

/* Reading anything takes the lock, and locking_mode keeps it. */
static int take_lock(store_t *self)
{
    int rc = sql_exec(self->db,
                      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY;"
                      "PRAGMA synchronous = FULL;");
    return rc == 0 ? sql_exec(self->db, "BEGIN EXCLUSIVE; COMMIT") : rc;
}

/*
 * What stands in the ledger has been checked by now, page by page and row by row or, where it is
 * large, by loading; what we write are words of our own tables and texts of json_dumps. To have
 * SQLite parse and compare all that again at each write is an eighth of what a report costs it. The
 * checks stay in the schema for everybody else who writes, and for the next look at it.
 */
static int trust_ourselves(store_t *self)
{
    return sql_exec(self->db, "PRAGMA ignore_check_constraints = ON");
}

static int prepare_all(store_t *self)
{
    for (int i = 0; i < STMTS; i++) {
        int rc = sql_prepare(self->db, store_stmt_text[i], &self->stmt[i]);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* The farm id is made with the ledger and never changes. */
static int read_farm(store_t *self, enum store_mode mode)
{
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    int rc = sql_prepare(self->db, "SELECT value FROM meta WHERE key = 'farm'", &stmt);
    if (rc < 0) {
        return rc;
    }
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        const char *text = sql_column_text(stmt, 0);
        if (!text || strlen(text) != sizeof self->farm - 1) {
            return -EUCLEAN;
        }
        memcpy(self->farm, text, sizeof self->farm);
        return 0;
    }
    if (rc != SQLITE_DONE || mode == STORE_LOOK) {
        return sql_fault(rc);
    }
    random_hex(self->farm, sizeof self->farm - 1);
    sqlite3_stmt *put = self->stmt[STMT_PUT_META];
    sql_bind_text(put, 1, "farm");
    sql_bind_text(put, 2, self->farm);
    return sql_run(put);
}

static int set_up(store_t *self, const char *path, enum store_mode mode, char **text)
{
    int rc = take_lock(self);
    if (rc == -EBUSY) {
        return refuse_held(path, text);
    }
    int64_t version = 0;
    if (rc == 0) {
        rc = check_version(self, path, mode, &version, text);
    }
    if (rc == 0 && mode == STORE_SERVE) {
        rc = check_pages(self, path, text);
    }
    if (rc == 0) {
        rc = sql_exec(self->db, "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 67108864;");
    }
    if (rc == 0 && mode == STORE_SERVE) {
        rc = wal_write_anew(self->db);
    }
    if (rc == 0 && mode == STORE_SERVE) {
        rc = store_migrate(self->db, version);
    }
    if (rc == 0 && mode == STORE_SERVE) {
        rc = trust_ourselves(self);
    }
    if (rc == 0) {
        rc = prepare_all(self);
    }
    if (rc == 0) {
        rc = read_farm(self, mode);
    }
    if (rc == 0) {
        rc = sql_read_int(self->db, "SELECT coalesce(max(id), 0) FROM event", &self->last_event);
    }
    return rc == -EUCLEAN ? refuse_damaged(path, sqlite3_errmsg(self->db), text) : rc;
}

int store_open(const char *path, enum store_mode mode, store_t **out, char **text)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (mode == STORE_SERVE) {
        flags |= SQLITE_OPEN_CREATE;
    }
    sql_set_up();
    CLEANUP(store_close) store_t *self = alloc_zero(1, sizeof *self);
    int rc = sqlite3_open_v2(path, &self->db, flags, NULL);
    if (rc != SQLITE_OK) {
        int error = self->db ? sqlite3_system_errno(self->db) : 0;
        return error > 0 ? -error : sql_fault(rc);
    }
    /* A close copies the log into the ledger: not before its bytes are known to be on the disk. */
    (void)sqlite3_db_config(self->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    rc = set_up(self, path, mode, text);
    if (rc != 0) {
        return rc;
    }
    (void)sqlite3_db_config(self->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, mode == STORE_LOOK, NULL);
    *out = self;
    self = NULL; /* handed to the caller */
    return 0;
}

void store_close(store_t **self_p)
{
    assert(self_p);
    store_t *self = *self_p;
    if (self) {
        for (int i = 0; i < STMTS; i++) {
            sql_finalize(&self->stmt[i]);
        }
        sqlite3_close(self->db);
        free(self);
        *self_p = NULL;
    }
}

const char *store_farm(const store_t *self)
{
    return self->farm;
}

int64_t store_last_event(const store_t *self)
{
    return self->last_event;
}

const char *store_why(const store_t *self)
{
    return self->why;
}
