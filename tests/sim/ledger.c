#include "tests/sim/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/messages.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

enum { METAS = 4, ATTEMPTS_USUAL = 3, LEVELS = 100 };

/* One row as it was before the transaction. */
struct undo {
    enum { ROW_JOB, ROW_FRAME, ROW_META } kind;
    size_t job;
    size_t frame; /* or the meta */
    void *row;    /* owned; NULL: there was none */
    int64_t value;
};

/*
 * The contents that the disk may have, and whether what is read is still like that: with so many
 * of the transactions that were not committed.
 */
struct reading {
    bool is[LEVELS + 1];
    int64_t jobs, frames;
    char what[200]; /* the first row that is not */
};

static const char *const keys[METAS] = { "claim", "job", "paused", "" };
static struct ledger_job *jobs[ORACLE_JOBS];
static struct ledger_frame *frames[ORACLE_JOBS][ORACLE_FRAMES];
static int64_t rows[ORACLE_JOBS];
static int64_t metas[METAS];
static struct undo *undos;
static size_t undo_count;
static size_t undo_room;
static size_t marks[LEVELS]; /* where the undos of each transaction that is not committed begin */
static size_t levels;
static bool unsure;
static struct reading reading;

static void free_job(struct ledger_job *job)
{
    if (job) {
        json_decref(job->row.spec);
        json_decref(job->row.found);
        json_decref(job->row.questions);
        json_decref(job->row.warnings);
        json_decref(job->row.error);
        free(job);
    }
}

static void free_frame(struct ledger_frame *frame)
{
    if (frame) {
        json_decref(frame->row.error);
        json_decref(frame->row.proof);
        json_decref(frame->row.tried);
        free(frame);
    }
}

static void free_undo(struct undo *undo)
{
    if (undo->kind == ROW_JOB) {
        free_job(undo->row);
    } else if (undo->kind == ROW_FRAME) {
        free_frame(undo->row);
    }
}

void ledger_close(void)
{
    ledger_commit();
    for (size_t i = 0; i < ORACLE_JOBS; i++) {
        free_job(jobs[i]);
        jobs[i] = NULL;
        for (size_t k = 0; rows[i] > 0 && k < ORACLE_FRAMES; k++) {
            rows[i] -= frames[i][k] != NULL;
            free_frame(frames[i][k]);
            frames[i][k] = NULL;
        }
    }
}

void ledger_open(void)
{
    ledger_close();
    memset(metas, 0, sizeof metas);
}

const struct ledger_job *ledger_job(int64_t job)
{
    return job > 0 && job < ORACLE_JOBS ? jobs[job] : NULL;
}

const struct ledger_frame *ledger_frame(int64_t job, int32_t frame)
{
    return job > 0 && job < ORACLE_JOBS && frame > 0 && frame < ORACLE_FRAMES ? frames[job][frame]
                                                                              : NULL;
}

static size_t meta_place(const char *key)
{
    size_t i = 0;
    while (i < METAS - 1 && strcmp(keys[i], key) != 0) {
        i++;
    }
    return i;
}

int64_t ledger_meta(const char *key)
{
    return metas[meta_place(key)];
}

int64_t ledger_rows(int64_t job)
{
    return rows[job];
}

int64_t ledger_jobs(void)
{
    int64_t count = 0;
    for (size_t i = 0; i < ORACLE_JOBS; i++) {
        count += jobs[i] != NULL;
    }
    return count;
}

/* ---- transactions ---- */

static struct undo *add_undo(void)
{
    if (undo_count == undo_room) {
        undo_room = undo_room ? 2 * undo_room : 64;
        undos = alloc_resize(undos, undo_room, sizeof *undos);
    }
    return &undos[undo_count++];
}

static void set_job(size_t job, struct ledger_job *row)
{
    *add_undo() = (struct undo){ .kind = ROW_JOB, .job = job, .row = jobs[job] };
    jobs[job] = row;
}

static void set_frame(size_t job, size_t frame, struct ledger_frame *row)
{
    *add_undo() =
        (struct undo){ .kind = ROW_FRAME, .job = job, .frame = frame, .row = frames[job][frame] };
    rows[job] += (row != NULL) - (frames[job][frame] != NULL);
    frames[job][frame] = row;
}

void ledger_begin(void)
{
    if (levels == LEVELS) {
        world_fail("more transactions without a commit than the simulation has room for");
    }
    marks[levels++] = undo_count;
    unsure = true;
}

bool ledger_unsure(void)
{
    return unsure;
}

void ledger_commit(void)
{
    for (size_t i = 0; i < undo_count; i++) {
        free_undo(&undos[i]);
    }
    undo_count = 0;
    levels = 0;
    unsure = false;
}

void ledger_undo(void)
{
    levels--;
    while (undo_count > marks[levels]) {
        struct undo *undo = &undos[--undo_count];
        if (undo->kind == ROW_JOB) {
            free_job(jobs[undo->job]);
            jobs[undo->job] = undo->row;
        } else if (undo->kind == ROW_FRAME) {
            rows[undo->job] += (undo->row != NULL) - (frames[undo->job][undo->frame] != NULL);
            free_frame(frames[undo->job][undo->frame]);
            frames[undo->job][undo->frame] = undo->row;
        } else {
            metas[undo->frame] = undo->value;
        }
    }
    unsure = false;
}

static void copy_name(char *out, size_t size, const char *name)
{
    (void)snprintf(out, size, "%s", name ? name : "");
}

static void put_job(const struct job_row *row)
{
    struct ledger_job *job = alloc_zero(1, sizeof *job);
    job->row = *row;
    json_incref(row->spec);
    json_incref(row->found);
    json_incref(row->questions);
    json_incref(row->warnings);
    json_incref(row->error);
    copy_name(job->worker, sizeof job->worker, row->worker);
    copy_name(job->worker_id, sizeof job->worker_id, row->worker_id);
    job->attempts_max =
        (int32_t)msg_int_or(json_object_get(row->spec, "options"), "attempts", ATTEMPTS_USUAL);
    /* who goes on with a job with fewer attempts does not take back those that were made */
    const struct ledger_job *old = jobs[row->job];
    if (old && old->attempts_max > job->attempts_max) {
        job->attempts_max = old->attempts_max;
    }
    set_job((size_t)row->job, job);
}

static void put_frame(const struct frame_row *row)
{
    if (row->frame <= 0 || row->frame >= ORACLE_FRAMES) {
        world_fail("frame %d is none of the simulation's", (int)row->frame);
    }
    const struct ledger_frame *old = frames[row->job][row->frame];
    bool proven = row->state == FRAME_DONE || row->state == FRAME_KEPT;
    struct ledger_frame *frame = alloc_zero(1, sizeof *frame);
    frame->row = *row;
    if (!row->proof && proven && old) {
        frame->row.proof = old->row.proof;
    }
    json_incref(frame->row.proof);
    json_incref(row->error);
    json_incref(row->tried);
    copy_name(frame->worker, sizeof frame->worker, row->worker);
    copy_name(frame->worker_id, sizeof frame->worker_id, row->worker_id);
    set_frame((size_t)row->job, (size_t)row->frame, frame);
}

static void delete_job(size_t job)
{
    for (size_t i = 0; i < ORACLE_FRAMES; i++) {
        if (frames[job][i]) {
            set_frame(job, i, NULL);
        }
    }
    set_job(job, NULL);
}

static void put_meta(const char *key, int64_t value)
{
    size_t place = meta_place(key);
    *add_undo() = (struct undo){ .kind = ROW_META, .frame = place, .value = metas[place] };
    metas[place] = value;
}

void ledger_apply(const struct change *change)
{
    switch (change->kind) {
    case CHANGE_JOB_PUT:
        put_job(&change->as.job);
        return;
    case CHANGE_JOB_DELETE:
        delete_job((size_t)change->as.job_id);
        return;
    case CHANGE_FRAME_PUT:
        put_frame(&change->as.frame);
        return;
    case CHANGE_FRAME_DELETE:
        set_frame((size_t)change->as.frame.job, (size_t)change->as.frame.frame, NULL);
        return;
    case CHANGE_META:
        put_meta(change->as.meta.key, change->as.meta.value);
        return;
    default: /* events; and what is known of a worker */
        return;
    }
}

/* ---- a restart ---- */

void ledger_expect_load(void)
{
    reading = (struct reading){ 0 };
    for (size_t i = 0; i <= levels; i++) {
        reading.is[i] = true;
    }
    unsure = false;
}

/* The row as it was before the level-th of the transactions; NULL: as it is. */
static const struct undo *undo_of(int kind, size_t job, size_t frame, size_t level)
{
    for (size_t i = level < levels ? marks[level] : undo_count; i < undo_count; i++) {
        if ((int)undos[i].kind == kind && undos[i].job == job && undos[i].frame == frame) {
            return &undos[i];
        }
    }
    return NULL;
}

static void note_other(const char *what, int64_t job, int64_t frame)
{
    bool some = false;
    for (size_t i = 0; i <= levels; i++) {
        some = some || reading.is[i];
    }
    if (!some && reading.what[0] == '\0') {
        (void)snprintf(reading.what, sizeof reading.what, "%s %" PRId64 " of job %" PRId64, what,
                       frame, job);
    }
}

void ledger_loaded_meta(const char *key, int64_t value)
{
    size_t place = meta_place(key);
    for (size_t i = 0; i <= levels; i++) {
        const struct undo *undo = undo_of(ROW_META, 0, place, i);
        reading.is[i] = reading.is[i] && (undo ? undo->value : metas[place]) == value;
    }
    note_other(key, 0, value);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_json(const json_t *a, const json_t *b)
{
    return a == b || (a && b && json_equal(a, b));
}

static bool same_job_row(const struct ledger_job *kept, const struct job_row *row)
{
    return kept && kept->row.state == row->state && kept->row.claim == row->claim &&
           kept->row.claim_kind == row->claim_kind &&
           kept->row.claim_outcome == row->claim_outcome &&
           kept->row.active_order == row->active_order && kept->row.attempts == row->attempts &&
           kept->row.sweeps == row->sweeps && kept->row.stopped == row->stopped &&
           kept->row.sweep_due == row->sweep_due && kept->row.removing == row->removing &&
           kept->row.bound_blender == row->bound_blender &&
           kept->row.bound_kind == row->bound_kind &&
           kept->row.warnings_accepted == row->warnings_accepted &&
           memcmp(&kept->row.memory, &row->memory, sizeof row->memory) == 0 &&
           same_text(kept->worker, row->worker) && same_text(kept->worker_id, row->worker_id) &&
           same_json(kept->row.spec, row->spec) && same_json(kept->row.found, row->found) &&
           same_json(kept->row.questions, row->questions) &&
           same_json(kept->row.warnings, row->warnings) && same_json(kept->row.error, row->error);
}

static bool same_frame_row(const struct ledger_frame *kept, const struct frame_row *row)
{
    return kept && kept->row.state == row->state && kept->row.claim == row->claim &&
           kept->row.outcome == row->outcome && kept->row.again == row->again &&
           kept->row.attempts == row->attempts && kept->row.losses == row->losses &&
           kept->row.started_at == row->started_at && kept->row.finished_at == row->finished_at &&
           kept->row.ms == row->ms && kept->row.bytes == row->bytes &&
           kept->row.sighted == row->sighted && kept->row.fresh == row->fresh &&
           kept->row.short_bytes == row->short_bytes && same_text(kept->worker, row->worker) &&
           same_text(kept->worker_id, row->worker_id) && same_json(kept->row.error, row->error) &&
           same_json(kept->row.tried, row->tried);
}

void ledger_loaded_job(const struct job_row *row)
{
    bool may_be = row->job > 0 && row->job < ORACLE_JOBS;
    for (size_t i = 0; i <= levels; i++) {
        const struct undo *undo = may_be ? undo_of(ROW_JOB, (size_t)row->job, 0, i) : NULL;
        const struct ledger_job *kept = undo ? undo->row : ledger_job(row->job);
        reading.is[i] = reading.is[i] && same_job_row(kept, row);
    }
    reading.jobs++;
    note_other("row", row->job, 0);
}

void ledger_loaded_frame(const struct frame_row *row)
{
    bool may_be = ledger_job(row->job) || levels > 0;
    for (size_t i = 0; i <= levels; i++) {
        const struct undo *undo =
            may_be ? undo_of(ROW_FRAME, (size_t)row->job, (size_t)row->frame, i) : NULL;
        const struct ledger_frame *kept = undo ? undo->row : ledger_frame(row->job, row->frame);
        reading.is[i] = reading.is[i] && same_frame_row(kept, row);
    }
    reading.frames++;
    note_other("frame", row->job, row->frame);
}

static int64_t all_rows(void)
{
    int64_t count = 0;
    for (size_t i = 0; i < ORACLE_JOBS; i++) {
        count += rows[i];
    }
    return count;
}

const char *ledger_check_load(void)
{
    for (;;) {
        if (reading.is[levels] && reading.jobs == ledger_jobs() && reading.frames == all_rows()) {
            unsure = false;
            return NULL;
        }
        if (levels == 0) {
            break;
        }
        ledger_undo();
    }
    if (reading.what[0] == '\0') {
        (void)snprintf(reading.what, sizeof reading.what,
                       "%" PRId64 " jobs and %" PRId64 " frames, or a part of a transaction",
                       reading.jobs, reading.frames);
    }
    return reading.what;
}
