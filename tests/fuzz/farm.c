#include "tests/fuzz/farm.h"

#include <stdlib.h>
#include <string.h>

#include "broker/ledger_log.h"
#include "broker/sql.h"
#include "broker/store_private.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "proto/process.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seams.h"

enum {
    ROUNDS = 50,       /* commits of one turn that still make sense */
    FRAMES_LOOKED = 64 /* of a job, in the check after each turn */
};

static const int64_t keep_ms = 30LL * 24 * 3600 * 1000;

/* ---- life ---- */

static void start_broker(struct farm *self)
{
    struct broker *broker = &self->broker;
    struct queue_config config = { .first_session = self->first_session, .keep_ms = keep_ms };
    memcpy(config.farm, store_farm(broker->store), sizeof config.farm);
    CLEANUP(cleanup_free) char *text = NULL;
    broker->queue = queue_new(&config);
    int rc = store_load(broker->store, broker->queue, &text);
    FUZZ_CHECK(rc == 0, "the ledger cannot be loaded: %s", text ? text : strerror(-rc));
    queue_loaded(broker->queue, self->now);
    broker->attend = attend_new();
    broker->saved = saved_new();
    broker->stop = DRAIN_NONE;
    self->workers = workers_new(broker);
    self->submitters = submitters_new(broker, seams_submitters);
}

static void end_broker(struct farm *self)
{
    workers_destroy(&self->workers);
    submitters_destroy(&self->submitters);
    attend_destroy(&self->broker.attend);
    saved_destroy(&self->broker.saved);
    queue_destroy(&self->broker.queue);
}

/* Making the tables anew for each input would be most of its time. */
static void empty_ledger(store_t *store)
{
    static const char tables[] =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'meta'";
    CLEANUP(sql_finalize) sqlite3_stmt *stmt = NULL;
    CLEANUP(cleanup_free) char *text = alloc_text("DELETE FROM meta WHERE key <> 'farm';");
    FUZZ_CHECK(sql_prepare(store->db, tables, &stmt) == 0, "the tables cannot be listed");
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        char *more = alloc_format("%s DELETE FROM %s;", text, sql_column_text(stmt, 0));
        free(text);
        text = more;
    }
    FUZZ_CHECK(sql_exec(store->db, text) == 0, "the tables cannot be emptied");
    store->last_event = 0;
    store->digest_job = 0;
}

static void open_ledger(store_t **out)
{
    CLEANUP(cleanup_free) char *text = NULL;
    if (*out) {
        empty_ledger(*out);
        return;
    }
    int rc = store_open(":memory:", STORE_SERVE, out, &text);
    FUZZ_CHECK(rc == 0, "no ledger: %s", text ? text : strerror(-rc));
}

void farm_open(struct farm *self)
{
    self->now = (struct queue_now){ .ms = 1000000, .wall_ms = 1763820000000 };
    self->first_session = 1000;
    self->full = false;
    self->stuck = false;
    self->broker.home = "/home";
    self->broker.boot = process_boot();
    self->broker.started_at = self->now.wall_ms;
    self->broker.keep_ms = keep_ms;
    self->broker.dropped = (struct broker_dropped){ 0 };
    open_ledger(&self->broker.store);
    start_broker(self);
}

void farm_close(struct farm *self)
{
    end_broker(self);
}

void farm_restart(struct farm *self)
{
    end_broker(self);
    self->first_session += 1000000;
    self->full = false;
    self->stuck = false;
    start_broker(self);
}

/* ---- turns ---- */

void farm_read(struct farm *self)
{
    (void)submitters_receive(self->submitters, self->now);
    (void)workers_receive(self->workers, self->now, seams_workers, false);
}

static bool commit(struct farm *self)
{
    struct broker *broker = &self->broker;
    size_t change_count = 0;
    size_t request_count = 0;
    const struct change *changes = queue_changes(broker->queue, &change_count);
    const struct store_request *requests = submitters_requests(self->submitters, &request_count);
    self->stuck = self->full;
    if (self->full) {
        return false;
    }
    int rc = store_apply(broker->store, changes, change_count, requests, request_count);
    FUZZ_CHECK(rc == 0, "the ledger refuses a change: %s", store_why(broker->store));
    ledger_log_changes(broker->log, changes, change_count);
    for (size_t i = 0; i < change_count; i++) {
        if (changes[i].kind == CHANGE_JOB_DELETE) {
            (void)output_remove(broker->output, changes[i].as.job_id);
        }
    }
    queue_changes_clear(broker->queue);
    return true;
}

static void check_frames(struct farm *self, const struct job_view *view)
{
    int64_t by_state[FRAME_STATES] = { 0 };
    struct frame_row row;
    int32_t after = INT32_MIN;
    while (queue_frame_next(self->broker.queue, view->row->job, after, &row) == QUEUE_OK) {
        FUZZ_CHECK(row.frame > after, "frames go back");
        after = row.frame;
        by_state[row.state]++;
        int64_t job = 0;
        int32_t frame = 0;
        bool live = farm_claim(self, row.claim, &job, &frame);
        FUZZ_CHECK((row.state == FRAME_CLAIMED) == (row.outcome == OUTCOME_LIVE),
                   "job %d frame %d: state %s, outcome %s", (int)row.job, row.frame,
                   frame_state_name(row.state), claim_outcome_name(row.outcome));
        FUZZ_CHECK(row.state != FRAME_CLAIMED ||
                       (live && job == row.job && frame == row.frame && row.worker_id),
                   "job %d frame %d: its claim is not live", (int)row.job, row.frame);
        FUZZ_CHECK(row.attempts <= 1000 && row.losses <= 1000, "attempts without end");
    }
    for (int state = 0; state < FRAME_STATES; state++) {
        FUZZ_CHECK(by_state[state] == view->counts.by_state[state],
                   "job %d: %d frames are %s, %d counted", (int)view->row->job,
                   (int)by_state[state], frame_state_name((enum frame_state)state),
                   (int)view->counts.by_state[state]);
    }
}

static void check_jobs(struct farm *self)
{
    queue_t *queue = self->broker.queue;
    struct queue_stats stats;
    queue_stats(queue, &stats);
    int64_t open = 0;
    for (int64_t job = 0; (job = queue_job_next(queue, job)) != 0;) {
        struct job_view view;
        FUZZ_CHECK(queue_job(queue, self->now, job, &view) == QUEUE_OK, "no job %d", (int)job);
        open += !job_state_ended(view.row->state);
        int64_t sum = 0;
        for (int state = 0; state < FRAME_STATES; state++) {
            sum += view.counts.by_state[state];
        }
        FUZZ_CHECK(!view.counted || sum == view.counts.total, "job %d: total", (int)job);
        FUZZ_CHECK(view.row->state != JOB_DONE ||
                       view.counts.by_state[FRAME_DONE] + view.counts.by_state[FRAME_KEPT] == sum,
                   "job %d is done, but not its frames", (int)job);
        FUZZ_CHECK(view.row->state != JOB_ACTIVE || view.counted, "active without frames");
        FUZZ_CHECK(view.row->state != JOB_HELD || json_array_size(view.open) > 0,
                   "job %d is held without a question", (int)job);
        if (view.counted && view.counts.total <= FRAMES_LOOKED) {
            check_frames(self, &view);
        }
    }
    FUZZ_CHECK(open <= stats.jobs, "%d jobs are not ended, %d counted", (int)open, (int)stats.jobs);
}

void farm_turn(struct farm *self)
{
    queue_t *queue = self->broker.queue;
    size_t left = 1;
    submitters_collect(self->submitters, self->now);
    for (int round = 0; left > 0; round++) {
        FUZZ_CHECK(round < ROUNDS, "a turn without end");
        queue_turn(queue, self->now);
        if (!commit(self)) {
            return; /* and no answer goes out */
        }
        workers_answer(self->workers, self->now);
        submitters_answer(self->submitters, self->now);
        workers_lose(self->workers, self->now);
        (void)queue_changes(queue, &left);
        if (left == 0) {
            left = (size_t)queue_expire(queue, self->now);
        }
    }
    FUZZ_CHECK(queue_deadline(queue, self->now) > self->now.ms, "what was due is not done");
    check_jobs(self);
}

bool farm_claim(const struct farm *self, int64_t claim, int64_t *job, int32_t *frame)
{
    return claim > 0 && queue_claim(self->broker.queue, claim, job, frame) == QUEUE_OK;
}

/* ---- the ledger ---- */

static void keep_first(void *arg, const char *text)
{
    FUZZ_CHECK(false, "the ledger is damaged: %s%s", text, arg ? "" : ".");
}

static void check_same_frames(struct farm *self, queue_t *loaded, int64_t job)
{
    struct frame_row live;
    struct frame_row stored;
    int32_t after = INT32_MIN;
    while (queue_frame_next(self->broker.queue, job, after, &live) == QUEUE_OK) {
        after = live.frame;
        int rc = queue_frame(loaded, job, live.frame, &stored);
        FUZZ_CHECK(rc == QUEUE_OK, "job %d frame %d is not in the ledger", (int)job, live.frame);
        FUZZ_CHECK(live.state == stored.state && live.claim == stored.claim &&
                       live.outcome == stored.outcome && live.attempts == stored.attempts &&
                       live.losses == stored.losses && live.again == stored.again,
                   "job %d frame %d: %s claim %d, in the ledger %s claim %d", (int)job, live.frame,
                   frame_state_name(live.state), (int)live.claim, frame_state_name(stored.state),
                   (int)stored.claim);
    }
}

static void check_same_job(struct farm *self, queue_t *loaded, int64_t job)
{
    struct job_view live;
    struct job_view stored;
    (void)queue_job(self->broker.queue, self->now, job, &live);
    FUZZ_CHECK(queue_job(loaded, self->now, job, &stored) == QUEUE_OK,
               "job %d is not in the ledger", (int)job);
    FUZZ_CHECK(live.row->state == stored.row->state && live.counted == stored.counted &&
                   live.counts.total == stored.counts.total && live.priority == stored.priority &&
                   live.row->attempts == stored.row->attempts &&
                   live.row->sweep_due == stored.row->sweep_due &&
                   json_equal(live.row->spec, stored.row->spec),
               "job %d: %s, in the ledger %s", (int)job, job_state_name(live.row->state),
               job_state_name(stored.row->state));
    if (live.counted && live.counts.total <= FRAMES_LOOKED) {
        check_same_frames(self, loaded, job);
    }
}

void farm_check_ledger(struct farm *self)
{
    size_t left = 0;
    (void)queue_changes(self->broker.queue, &left);
    if (left > 0) {
        return; /* not committed, and nobody was told */
    }
    FUZZ_CHECK(store_verify(self->broker.store, keep_first, self) == 0, "the ledger is damaged");
    struct queue_config config = { .first_session = 1, .keep_ms = keep_ms };
    CLEANUP(cleanup_free) char *text = NULL;
    CLEANUP(queue_destroy) queue_t *loaded = queue_new(&config);
    int rc = store_load(self->broker.store, loaded, &text);
    FUZZ_CHECK(rc == 0, "the ledger cannot be loaded: %s", text ? text : strerror(-rc));
    queue_loaded(loaded, self->now);
    for (int64_t job = 0; (job = queue_job_next(self->broker.queue, job)) != 0;) {
        check_same_job(self, loaded, job);
    }
    for (int64_t job = 0; (job = queue_job_next(loaded, job)) != 0;) {
        struct job_view view;
        FUZZ_CHECK(queue_job(self->broker.queue, self->now, job, &view) == QUEUE_OK,
                   "job %d is only in the ledger", (int)job);
    }
}
