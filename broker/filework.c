#include "broker/filework.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/child.h"
#include "proto/cleanup.h"
#include "proto/filehash.h"
#include "proto/kept.h"
#include "proto/messages.h"

enum { TRIES = 3 };

struct filework {
    child_t *child;
    int result_fd;
};

static int write_tasks(const json_t *tasks, int fd)
{
    errno = 0;
    if (json_dumpfd(tasks, fd, JSON_COMPACT) != 0 || lseek(fd, 0, SEEK_SET) < 0) {
        return errno ? -errno : -EIO;
    }
    return 0;
}

static int spawn(int task_fd, int result_fd, const char *farm_id, child_t **out)
{
    const char *const argv[] = { "/proc/self/exe", "--filework", farm_id, NULL };
    const struct child_pass pass[] = { { task_fd, FILEWORK_TASK_FD },
                                       { result_fd, FILEWORK_RESULT_FD } };
    const struct child_spec spec = {
        .argv = argv,
        .pass = pass,
        .pass_count = sizeof pass / sizeof pass[0],
    };
    return child_spawn(&spec, out);
}

/* Files in memory need no reader while they are written: neither side waits for the other. */
int filework_start(const json_t *tasks, const char *farm_id, filework_t **out)
{
    CLEANUP(filework_destroy) filework_t *self = alloc_zero(1, sizeof *self);
    CLEANUP(cleanup_fd) int task_fd = memfd_create("tasks", MFD_CLOEXEC);
    self->result_fd = memfd_create("results", MFD_CLOEXEC);
    if (task_fd < 0 || self->result_fd < 0) {
        return -errno;
    }
    int rc = write_tasks(tasks, task_fd);
    if (rc == 0) {
        rc = spawn(task_fd, self->result_fd, farm_id, &self->child);
    }
    if (rc < 0) {
        return rc;
    }
    *out = self;
    self = NULL; /* handed to the caller */
    return 0;
}

void filework_destroy(filework_t **self_p)
{
    assert(self_p);
    filework_t *self = *self_p;
    if (self) {
        child_destroy(&self->child);
        cleanup_fd(&self->result_fd);
        free(self);
        *self_p = NULL;
    }
}

int filework_fd(const filework_t *self)
{
    return child_pidfd(self->child);
}

bool filework_ended(filework_t *self)
{
    struct child_end end;
    return child_reap(self->child, &end) != CHILD_RUNNING;
}

/* One line of JSON a result, so that what is whole can be read even if the child was killed. */
json_t *filework_results(filework_t *self)
{
    json_t *results = json_array();
    (void)lseek(self->result_fd, 0, SEEK_SET);
    int fd = dup(self->result_fd);
    CLEANUP(cleanup_file) FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file) {
        if (fd >= 0) {
            close(fd);
        }
        return results;
    }
    for (;;) {
        json_t *result = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL);
        if (!result) {
            return results;
        }
        json_array_append_new(results, result);
    }
}

/* ---- in the child ---- */

static const char *failed(json_t *result, int rc)
{
    if (rc == -ENOENT || rc == -ENOTDIR) {
        return "missing";
    }
    msg_set_str(result, "text", rc < 0 ? strerror(-rc) : "it is being written to");
    return "failed";
}

/* The file as it is. Without a kept copy the job does without. */
static const char *look(const char *file, const char *farm_id, const json_t *task, json_t *result)
{
    struct filehash_facts facts;
    int rc = FILEHASH_CHANGED;
    for (int i = 0; i < TRIES && rc == FILEHASH_CHANGED; i++) {
        rc = filehash_facts(file, &facts);
    }
    if (rc != FILEHASH_OK) {
        return failed(result, rc);
    }
    msg_set_int(result, "size", facts.size);
    msg_set_int(result, "mtime_ns", facts.mtime_ns);
    msg_set_str(result, "hash", facts.hash);
    CLEANUP(cleanup_free) char *kept = NULL;
    if (kept_make(file, &facts, farm_id, &kept) == KEPT_OK) {
        msg_set_str(result, "kept", kept);
    }
    const char *old = msg_str_or(task, "old", NULL);
    if (old && !(kept && strcmp(old, kept) == 0)) {
        (void)kept_remove(old); /* one that stays is litter, and no fault */
    }
    return "now";
}

static bool has_bytes(const char *path, const char *hash)
{
    struct filehash_facts facts;
    return filehash_facts(path, &facts) == FILEHASH_OK && strcmp(facts.hash, hash) == 0;
}

/* The submitted bytes from the file itself. Another mtime alone is no other file: the hash
 * decides. */
static const char *keep_anew(const char *file, const char *farm_id, const json_t *task,
                             json_t *result)
{
    struct filehash_facts now;
    int rc = filehash_facts(file, &now);
    if (rc == FILEHASH_CHANGED ||
        (rc == FILEHASH_OK && strcmp(now.hash, msg_str_or(task, "hash", "")) != 0)) {
        return "changed";
    }
    if (rc != FILEHASH_OK) {
        return failed(result, rc);
    }
    CLEANUP(cleanup_free) char *kept = NULL;
    rc = kept_make(file, &now, farm_id, &kept);
    if (rc == KEPT_CHANGED) {
        return "changed";
    }
    if (rc != KEPT_OK) {
        return failed(result, rc);
    }
    msg_set_str(result, "kept", kept);
    return "kept";
}

/* Else from the kept file that the job still names. */
static const char *keep(const char *file, const char *farm_id, const json_t *task, json_t *result)
{
    const char *is = keep_anew(file, farm_id, task, result);
    const char *kept = msg_str_or(task, "kept", NULL);
    if (kept && strcmp(is, "kept") != 0 && has_bytes(kept, msg_str_or(task, "hash", ""))) {
        msg_set_str(result, "kept", kept);
        return "kept";
    }
    return is;
}

/* Has somebody saved it since? Another mtime alone is no other file, and is hashed only once. */
static const char *compare(const char *file, const json_t *task, json_t *result)
{
    struct filehash_facts now;
    int rc = filehash_stat(file, &now);
    if (rc != FILEHASH_OK) {
        return failed(result, rc);
    }
    msg_set_int(result, "mtime_ns", now.mtime_ns);
    if (now.size != msg_int_or(task, "size", -1)) {
        return "saved";
    }
    bool known = now.mtime_ns == msg_int_or(task, "mtime_ns", -1) ||
                 now.mtime_ns == msg_int_or(task, "same_mtime_ns", 0);
    return known || has_bytes(file, msg_str_or(task, "hash", "")) ? "same" : "saved";
}

static const char *find_out(const json_t *task, const char *farm_id, json_t *result)
{
    const char *file = msg_str_or(task, "file", "");
    if (json_object_get(task, "same_mtime_ns")) {
        return compare(file, task, result);
    }
    return json_object_get(task, "hash") ? keep(file, farm_id, task, result)
                                         : look(file, farm_id, task, result);
}

static void do_task(const json_t *task, const char *farm_id, FILE *out)
{
    CLEANUP(cleanup_json) json_t *result = json_object();
    msg_set_int(result, "job", msg_int_or(task, "job", 0));
    msg_set_str(result, "is", find_out(task, farm_id, result));
    (void)json_dumpf(result, out, JSON_COMPACT); /* what is missing is seen as not done */
    (void)fputc('\n', out);
    (void)fflush(out);
}

int filework_main(int task_fd, int result_fd, const char *farm_id)
{
    CLEANUP(cleanup_json) json_t *tasks = json_loadfd(task_fd, 0, NULL);
    CLEANUP(cleanup_file) FILE *out = fdopen(result_fd, "w");
    if (!tasks || !out) {
        return EXIT_FAILURE;
    }
    size_t index = 0;
    json_t *task = NULL;
    json_array_foreach(tasks, index, task)
    {
        do_task(task, farm_id, out);
    }
    return EXIT_SUCCESS;
}
