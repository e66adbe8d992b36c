#include "tests/sim/disk.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "tests/sim/world.h"

enum { FILES = 3, NAME_SIZE = 64, SECTOR = 4096 };

/* A write, or a truncation (size < 0), that no sync has made safe. */
struct pending {
    int64_t offset;
    int64_t size;
    size_t at; /* of its bytes in the file's pending bytes */
};

struct bytes {
    uint8_t *data;
    size_t size;
    size_t room;
};

struct file {
    char name[NAME_SIZE];
    bool exists;
    struct bytes now;
    struct bytes safe;
    struct bytes pending_bytes;
    struct pending *pending;
    size_t pending_count;
    size_t pending_room;
};

struct handle {
    sqlite3_file base;
    struct file *file;
};

static struct file files[FILES];
static struct bytes images[DISK_IMAGES];
static bool dead;
static int64_t die_in;
static int64_t break_in;
static int64_t free_bytes = -1;
static int page_bytes;
static int checkpoint_pages;

static void bytes_fit(struct bytes *self, size_t size)
{
    if (size > self->room) {
        self->room = size > 2 * self->room ? size : 2 * self->room;
        self->data = alloc_resize(self->data, self->room, 1);
    }
    if (size > self->size) {
        memset(self->data + self->size, 0, size - self->size);
    }
}

static void bytes_put(struct bytes *self, size_t at, const void *data, size_t size)
{
    if (size == 0) {
        return;
    }
    if (at + size > self->size) {
        bytes_fit(self, at + size);
        self->size = at + size;
    }
    memcpy(self->data + at, data, size);
}

static void bytes_cut(struct bytes *self, size_t size)
{
    if (size > self->size) {
        bytes_fit(self, size);
    }
    self->size = size;
}

static void bytes_copy(struct bytes *self, const struct bytes *from)
{
    self->size = 0;
    bytes_put(self, 0, from->data, from->size);
}

void disk_open(int image)
{
    for (size_t i = 0; i < FILES; i++) {
        files[i].exists = false;
        files[i].now.size = 0;
        files[i].safe.size = 0;
        files[i].pending_count = 0;
        files[i].pending_bytes.size = 0;
    }
    if (image >= 0) {
        (void)snprintf(files[0].name, sizeof files[0].name, "%s", "/ledger.db");
        files[0].exists = true;
        bytes_copy(&files[0].now, &images[image]);
        bytes_copy(&files[0].safe, &images[image]);
    }
    dead = false;
    die_in = 0;
    break_in = 0;
    free_bytes = -1;
}

void disk_keep(int image)
{
    bytes_copy(&images[image], &files[0].now);
}

void disk_set_sqlite(int page, int checkpoint)
{
    page_bytes = page;
    checkpoint_pages = checkpoint;
}

void disk_revive(void)
{
    dead = false;
}

bool disk_dead(void)
{
    return dead;
}

void disk_die_in(int64_t breaths)
{
    die_in = breaths;
}

bool disk_breathe(void)
{
    if (!dead && die_in > 0 && --die_in == 0) {
        TRACE("the broker dies here");
        dead = true;
    }
    return !dead;
}

void disk_set_room(int64_t bytes)
{
    free_bytes = bytes;
}

void disk_break_in(int64_t calls)
{
    break_in = calls;
}

static bool breaks(void)
{
    if (break_in > 0 && --break_in == 0) {
        TRACE("the disk fails here");
        return true;
    }
    return false;
}

static void note(struct file *file, int64_t offset, int64_t size, const void *data)
{
    if (file->pending_count == file->pending_room) {
        file->pending_room = file->pending_room ? 2 * file->pending_room : 64;
        file->pending = alloc_resize(file->pending, file->pending_room, sizeof *file->pending);
    }
    file->pending[file->pending_count++] =
        (struct pending){ .offset = offset, .size = size, .at = file->pending_bytes.size };
    if (size > 0) {
        bytes_put(&file->pending_bytes, file->pending_bytes.size, data, (size_t)size);
    }
}

static void settle(struct file *file, const struct pending *item, int64_t size)
{
    if (item->size < 0) {
        bytes_cut(&file->safe, (size_t)item->offset);
    } else {
        bytes_put(&file->safe, (size_t)item->offset, file->pending_bytes.data + item->at,
                  (size_t)size);
    }
}

static void forget_pending(struct file *file)
{
    file->pending_count = 0;
    file->pending_bytes.size = 0;
}

void disk_power_cut(void)
{
    uint32_t keep = world_below(3) * 500; /* all is lost, half, or nothing */
    for (size_t i = 0; i < FILES; i++) {
        struct file *file = &files[i];
        for (size_t k = 0; k < file->pending_count; k++) {
            const struct pending *item = &file->pending[k];
            if (world_chance(keep)) {
                bool torn = item->size > 0 && world_chance(125);
                settle(file, item, torn ? world_below((uint32_t)item->size) : item->size);
            }
        }
        forget_pending(file);
        bytes_copy(&file->now, &file->safe);
    }
}

/* ---- SQLite's calls ---- */

static struct file *file_of(sqlite3_file *handle)
{
    return ((struct handle *)handle)->file;
}

static int on_close(sqlite3_file *handle)
{
    (void)handle;
    return SQLITE_OK;
}

static int on_read(sqlite3_file *handle, void *out, int size, sqlite3_int64 offset)
{
    const struct file *file = file_of(handle);
    if (!dead && breaks()) {
        return SQLITE_IOERR_READ;
    }
    int64_t there = (int64_t)file->now.size - offset;
    there = there < 0 ? 0 : there < size ? there : size;
    if (there > 0) {
        memcpy(out, file->now.data + offset, (size_t)there);
    }
    if (there < size) {
        memset((uint8_t *)out + there, 0, (size_t)(size - there));
        return SQLITE_IOERR_SHORT_READ;
    }
    return SQLITE_OK;
}

static void put(struct file *file, int64_t offset, const void *data, int64_t size)
{
    bytes_put(&file->now, (size_t)offset, data, (size_t)size);
    note(file, offset, size, data);
}

static int on_write(sqlite3_file *handle, const void *data, int size, sqlite3_int64 offset)
{
    struct file *file = file_of(handle);
    bool was_dead = dead;
    if (!disk_breathe()) {
        if (!was_dead) { /* killed inside of this write */
            put(file, offset, data, world_below((uint32_t)size));
        }
        return SQLITE_IOERR_WRITE;
    }
    if (breaks()) {
        put(file, offset, data, world_below((uint32_t)size));
        return SQLITE_IOERR_WRITE;
    }
    int64_t more = offset + size - (int64_t)file->now.size;
    if (free_bytes >= 0 && more > 0) {
        if (more > free_bytes) {
            return SQLITE_FULL;
        }
        free_bytes -= more;
    }
    put(file, offset, data, size);
    return SQLITE_OK;
}

static int on_truncate(sqlite3_file *handle, sqlite3_int64 size)
{
    struct file *file = file_of(handle);
    if (!disk_breathe() || breaks()) {
        return SQLITE_IOERR_TRUNCATE;
    }
    bytes_cut(&file->now, (size_t)size);
    note(file, size, -1, NULL);
    return SQLITE_OK;
}

/* A failed fsync is an answer that is given once: what was to be written may be gone all the same
 * (Linux forgets that the pages were dirty). */
static int on_sync(sqlite3_file *handle, int flags)
{
    struct file *file = file_of(handle);
    (void)flags;
    if (!disk_breathe()) {
        return SQLITE_IOERR_FSYNC;
    }
    if (breaks()) {
        forget_pending(file);
        return SQLITE_IOERR_FSYNC;
    }
    for (size_t i = 0; i < file->pending_count; i++) {
        settle(file, &file->pending[i], file->pending[i].size);
    }
    forget_pending(file);
    world.now_ms += world_chance(world.faults.slow_disk) ? world_below(3000) : world_below(2);
    return SQLITE_OK;
}

static int on_size(sqlite3_file *handle, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)file_of(handle)->now.size;
    return SQLITE_OK;
}

static int on_lock(sqlite3_file *handle, int lock)
{
    (void)handle;
    (void)lock;
    return SQLITE_OK;
}

static int on_check_lock(sqlite3_file *handle, int *out)
{
    (void)handle;
    *out = 0;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *handle, int what, void *arg)
{
    (void)handle;
    (void)what;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int on_sector(sqlite3_file *handle)
{
    (void)handle;
    return SECTOR;
}

static int on_device(sqlite3_file *handle)
{
    (void)handle;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as SQLite's own on Linux */
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_lock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_device,
};

static struct file *find(const char *name, bool make)
{
    struct file *unused = NULL;
    for (size_t i = 0; i < FILES; i++) {
        if (files[i].exists && strcmp(files[i].name, name) == 0) {
            return &files[i];
        }
        if (!files[i].exists && !unused) {
            unused = &files[i];
        }
    }
    if (!make || !unused) {
        return NULL;
    }
    (void)snprintf(unused->name, sizeof unused->name, "%s", name);
    unused->exists = true;
    unused->now.size = 0;
    unused->safe.size = 0;
    forget_pending(unused);
    return unused;
}

static int on_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *out, int flags,
                   int *out_flags)
{
    struct handle *handle = (struct handle *)(void *)out;
    (void)vfs;
    handle->base.pMethods = NULL;
    handle->file = name ? find(name, (flags & SQLITE_OPEN_CREATE) != 0) : NULL;
    if (!handle->file) {
        return SQLITE_CANTOPEN;
    }
    handle->base.pMethods = &methods;
    if (out_flags) {
        *out_flags = flags;
    }
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    (void)sync;
    struct file *file = find(name, false);
    if (!disk_breathe() || breaks()) {
        return SQLITE_IOERR_DELETE;
    }
    if (file) {
        file->exists = false;
    }
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    const struct file *file = find(name, false);
    *out = file && (flags != SQLITE_ACCESS_EXISTS || file->now.size > 0);
    return SQLITE_OK;
}

static int on_full_name(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    (void)snprintf(out, (size_t)size, "%s", name);
    return SQLITE_OK;
}

static int on_random(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    for (int i = 0; i < size; i++) {
        out[i] = (char)world_below(256);
    }
    return size;
}

static int on_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return microseconds;
}

static int on_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    *out = world_wall_ms() + 210866760000000; /* Julian day, in ms */
    return SQLITE_OK;
}

static int on_time_days(sqlite3_vfs *vfs, double *out)
{
    sqlite3_int64 ms = 0;
    int rc = on_time(vfs, &ms);
    *out = (double)ms / 86400000.0;
    return rc;
}

static int on_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    if (size > 0) {
        out[0] = '\0';
    }
    return 0;
}

/* Checkpoints are rare in short histories, so they come earlier than the product has them. */
static int set_up(sqlite3 *db, char **text, const struct sqlite3_api_routines *api)
{
    char pragma[64];
    (void)text;
    (void)api;
    (void)snprintf(pragma, sizeof pragma, "PRAGMA page_size = %d", page_bytes);
    int rc = files[0].now.size == 0 ? sqlite3_exec(db, pragma, NULL, NULL, NULL) : SQLITE_OK;
    return rc == SQLITE_OK ? sqlite3_wal_autocheckpoint(db, checkpoint_pages) : rc;
}

void disk_register(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .szOsFile = sizeof(struct handle),
        .mxPathname = NAME_SIZE,
        .zName = "sim",
        .xOpen = on_open,
        .xDelete = on_delete,
        .xAccess = on_access,
        .xFullPathname = on_full_name,
        .xRandomness = on_random,
        .xSleep = on_sleep,
        .xCurrentTime = on_time_days,
        .xCurrentTimeInt64 = on_time,
        .xGetLastError = on_last_error,
    };
    (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_vfs_register(&vfs, 1);
    (void)sqlite3_auto_extension((void (*)(void))set_up);
}
