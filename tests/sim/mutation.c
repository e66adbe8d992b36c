#include "tests/sim/mutation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "broker/sql.h"
#include "proto/alloc.h"
#include "tests/sim/disk.h"
#include "tests/sim/oracle.h"
#include "tests/sim/oracle_parts.h"
#include "tests/sim/world.h"

enum mutation mutation;

static const char *const words[] = {
    [MUTATION_NONE] = "none",
    [MUTATION_SKIP_CLAIM_CHECK] = "skip-claim-check",
    [MUTATION_ANSWER_BEFORE_COMMIT] = "answer-before-commit",
    [MUTATION_FORGET_CLAIM_AT_RESTART] = "forget-claim-at-restart",
    [MUTATION_EXPIRE_BY_WALL_CLOCK] = "expire-by-wall-clock",
    [MUTATION_GRANT_TWICE_AFTER_LOST_ANSWER] = "grant-twice-after-lost-answer",
    [MUTATION_ACCEPT_STALE_REPORT] = "accept-stale-report",
    [MUTATION_REPEATED_REPORT_IS_STALE] = "repeated-report-is-stale",
    [MUTATION_FORGET_CLAIM_COUNTER] = "forget-claim-counter",
    [MUTATION_TAKE_OLD_SEQ] = "take-old-seq",
    [MUTATION_NO_SYNC] = "no-sync",
    [MUTATION_FORGET_ATTEMPTS] = "forget-attempts",
    [MUTATION_ONE_ATTEMPT_MORE] = "one-attempt-more",
    [MUTATION_DROP_FAILED_TRANSACTION] = "drop-failed-transaction",
    [MUTATION_MISCOUNT] = "miscount",
    [MUTATION_NEVER_EXPIRE] = "never-expire",
    [MUTATION_EXPIRE_TOO_EARLY] = "expire-too-early",
    [MUTATION_RENDER_DONE_FRAME_AGAIN] = "render-done-frame-again",
    [MUTATION_FORGET_CANCEL] = "forget-cancel",
    [MUTATION_FORGET_REQUEST_KEY] = "forget-request-key",
    [MUTATION_SPLIT_TRANSACTION] = "split-transaction",
    [MUTATION_CHARGE_RETURNED] = "charge-returned",
    [MUTATION_FORGET_LAST_FRAME] = "forget-last-frame",
    [MUTATION_NEVER_AGREE] = "never-agree",
    [MUTATION_NEVER_REST] = "never-rest",
    [MUTATION_IGNORE_LAST_LOOK] = "ignore-last-look",
    [MUTATION_FORGET_RECALL] = "forget-recall",
};
_Static_assert(sizeof words / sizeof *words == MUTATIONS, "a name a mutation");

const char *mutation_name(enum mutation value)
{
    return words[value];
}

int mutation_parse(const char *name, enum mutation *out)
{
    for (int i = 0; i < MUTATIONS; i++) {
        if (strcmp(words[i], name) == 0) {
            *out = (enum mutation)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* ---- the store ---- */

/* What ANSWER_BEFORE_COMMIT has told to be on disk and not written yet. */
static struct {
    store_t *store;
    struct change *changes;
    size_t count;
} late;

static void free_late(void)
{
    for (size_t i = 0; i < late.count; i++) {
        if (late.changes[i].kind == CHANGE_EVENT) {
            free(late.changes[i].as.event.text);
        }
    }
    free(late.changes); /* their JSON is not given back: this ends in a failure anyway */
    late.changes = NULL;
    late.count = 0;
}

void mutation_open(void)
{
    free_late();
}

static void keep_json(const struct change *change)
{
    if (change->kind == CHANGE_JOB_PUT) {
        json_incref(change->as.job.spec);
        json_incref(change->as.job.found);
        json_incref(change->as.job.questions);
        json_incref(change->as.job.warnings);
        json_incref(change->as.job.error);
    } else if (change->kind == CHANGE_FRAME_PUT) {
        json_incref(change->as.frame.error);
        json_incref(change->as.frame.proof);
        json_incref(change->as.frame.tried);
    }
}

static int write_late(void)
{
    int rc = late.count > 0 ? __real_store_apply(late.store, late.changes, late.count, NULL, 0) : 0;
    if (rc == 0) {
        free_late();
    }
    return rc;
}

static int apply_later(store_t *self, const struct change *changes, size_t count)
{
    int rc = write_late();
    if (rc < 0) {
        return rc;
    }
    late.store = self;
    late.changes = alloc_zero(count + 1, sizeof *late.changes);
    late.count = count;
    for (size_t i = 0; i < count; i++) {
        late.changes[i] = changes[i];
        keep_json(&changes[i]);
        if (changes[i].kind == CHANGE_EVENT) {
            late.changes[i].as.event.text = alloc_text(changes[i].as.event.text);
        }
    }
    return 0;
}

void mutation_queue_ends(void)
{
    if (MUTATED(ANSWER_BEFORE_COMMIT) && !disk_dead()) {
        (void)write_late();
    }
    free_late(); /* the names in it were the queue's */
}

static bool left_out(const struct change *change)
{
    return (MUTATED(FORGET_CANCEL) && change->kind == CHANGE_JOB_PUT &&
            change->as.job.state == JOB_CANCELLED) ||
           (MUTATED(FORGET_CLAIM_COUNTER) && change->kind == CHANGE_META &&
            strcmp(change->as.meta.key, "claim") == 0);
}

static int apply_some(store_t *self, const struct change *changes, size_t count,
                      const struct store_request *requests, size_t request_count)
{
    struct change *some = alloc_zero(count + 1, sizeof *some);
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        if (!left_out(&changes[i])) {
            some[left++] = changes[i];
        }
    }
    int rc = __real_store_apply(self, some, left, requests, request_count);
    free(some);
    return rc;
}

static int apply_each(store_t *self, const struct change *changes, size_t count,
                      const struct store_request *requests, size_t request_count)
{
    for (size_t i = 0; i < count; i++) {
        int rc = __real_store_apply(self, &changes[i], 1, NULL, 0);
        if (rc < 0) {
            return rc;
        }
    }
    return __real_store_apply(self, NULL, 0, requests, request_count);
}

int mutation_store_apply(store_t *self, const struct change *changes, size_t change_count,
                         const struct store_request *requests, size_t request_count)
{
    if (MUTATED(ANSWER_BEFORE_COMMIT)) {
        return apply_later(self, changes, change_count);
    }
    if (MUTATED(SPLIT_TRANSACTION)) {
        return apply_each(self, changes, change_count, requests, request_count);
    }
    int rc = mutation == MUTATION_NONE
                 ? __real_store_apply(self, changes, change_count, requests, request_count)
                 : apply_some(self, changes, change_count, requests, request_count);
    return MUTATED(DROP_FAILED_TRANSACTION) && !disk_dead() ? 0 : rc;
}

int __wrap_store_request(store_t *self, const char *key, char **hash, json_t **answer);
int __real_store_request(store_t *self, const char *key, char **hash, json_t **answer);
int __wrap_store_request(store_t *self, const char *key, char **hash, json_t **answer)
{
    return MUTATED(FORGET_REQUEST_KEY) ? STORE_NONE : __real_store_request(self, key, hash, answer);
}

int __wrap_sql_exec(sqlite3 *db, const char *text);
int __real_sql_exec(sqlite3 *db, const char *text);
int __wrap_sql_exec(sqlite3 *db, const char *text)
{
    int rc = __real_sql_exec(db, text);
    if (rc == 0 && MUTATED(NO_SYNC)) {
        rc = __real_sql_exec(db, "PRAGMA synchronous = OFF");
    }
    return rc;
}

/* ---- loading ---- */

int mutation_load_meta(queue_t *self, const char *key, int64_t value)
{
    return __real_queue_load_meta(self, key, value);
}

int mutation_load_frame(queue_t *self, const struct frame_row *row, const char **text)
{
    struct frame_row other = *row;
    if ((MUTATED(FORGET_CLAIM_AT_RESTART) && row->state == FRAME_CLAIMED) ||
        (MUTATED(RENDER_DONE_FRAME_AGAIN) && row->state == FRAME_DONE)) {
        other.state = FRAME_WAITING;
        other.outcome = OUTCOME_LOST;
    }
    return __real_queue_load_frame(self, &other, text);
}

/* ---- the talk ---- */

int __wrap_queue_ready(queue_t *self, struct queue_now now, const struct queue_ready *ready,
                       int64_t *replaced, int64_t *out);
int __real_queue_ready(queue_t *self, struct queue_now now, const struct queue_ready *ready,
                       int64_t *replaced, int64_t *out);
int __wrap_queue_ready(queue_t *self, struct queue_now now, const struct queue_ready *ready,
                       int64_t *replaced, int64_t *out)
{
    int rc = __real_queue_ready(self, now, ready, replaced, out);
    if (rc == QUEUE_OK) {
        oracle_heard(ready->worker_id);
    }
    return rc;
}

static bool names(const struct queue_sync *sync, int64_t claim)
{
    for (size_t i = 0; i < sync->holding_count; i++) {
        if (sync->holding[i].claim == claim) {
            return true;
        }
    }
    for (size_t i = 0; i < sync->report_count; i++) {
        if (sync->reports[i].claim == claim) {
            return true;
        }
    }
    return false;
}

/* The frame of a claim whose grant was lost goes to the next one who asks; the claim stays. */
static void grant_again(queue_t *self, struct worker *worker, const struct queue_sync *sync)
{
    for (struct link *at = worker->claims.next; at != &worker->claims; at = at->next) {
        struct claim *claim = LINK_ITEM(at, struct claim, of_worker);
        if (claim->frame && claim->frame->state == FRAME_CLAIMED && !names(sync, claim->number)) {
            frame_move(self, claim->job, claim->frame, FRAME_WAITING, NULL);
        }
    }
}

int __wrap_queue_sync(queue_t *self, struct queue_now now, const struct queue_sync *given);
int __real_queue_sync(queue_t *self, struct queue_now now, const struct queue_sync *sync);
int __wrap_queue_sync(queue_t *self, struct queue_now now, const struct queue_sync *given)
{
    struct queue_sync sync = *given;
    struct worker *worker = map_get(&self->sessions, sync.session);
    if (worker && MUTATED(TAKE_OLD_SEQ) && sync.seq <= worker->seq) {
        sync.seq = worker->seq + 1;
    }
    if (worker && sync.seq > worker->seq) {
        oracle_heard(worker->id);
        if (MUTATED(GRANT_TWICE_AFTER_LOST_ANSWER)) {
            grant_again(self, worker, &sync);
        }
    }
    return __real_queue_sync(self, now, &sync);
}

void __wrap_queue_gone(queue_t *self, struct queue_now now, int64_t session);
void __real_queue_gone(queue_t *self, struct queue_now now, int64_t session);
void __wrap_queue_gone(queue_t *self, struct queue_now now, int64_t session)
{
    const struct worker *worker = map_get(&self->sessions, session);
    if (worker) {
        oracle_gone(worker->id);
    }
    __real_queue_gone(self, now, session);
}

void __wrap_queue_absent_gone(queue_t *self, struct queue_now now, const char *id);
void __real_queue_absent_gone(queue_t *self, struct queue_now now, const char *id);
void __wrap_queue_absent_gone(queue_t *self, struct queue_now now, const char *id)
{
    oracle_gone(id);
    __real_queue_absent_gone(self, now, id);
}

int __wrap_queue_expire(queue_t *self, struct queue_now now);
int __real_queue_expire(queue_t *self, struct queue_now now);
int __wrap_queue_expire(queue_t *self, struct queue_now now)
{
    if (MUTATED(NEVER_EXPIRE)) {
        return 0;
    }
    if (MUTATED(EXPIRE_TOO_EARLY)) {
        now.ms += 10000;
    }
    return __real_queue_expire(self, now);
}

/* ---- claims and frames ---- */

bool __wrap_report_apply(queue_t *self, struct queue_now now, struct worker *worker,
                         const struct queue_report *report);
bool __real_report_apply(queue_t *self, struct queue_now now, struct worker *worker,
                         const struct queue_report *report);
bool __wrap_report_apply(queue_t *self, struct queue_now now, struct worker *worker,
                         const struct queue_report *report)
{
    struct claim *claim = map_get(&self->claims, report->claim);
    bool own = claim && claim->worker == worker;
    if (!own && MUTATED(REPEATED_REPORT_IS_STALE)) {
        return false;
    }
    if (!own && MUTATED(ACCEPT_STALE_REPORT)) {
        return true;
    }
    if (MUTATED(FORGET_ATTEMPTS) && own && claim->frame && report->what == REPORT_ERROR) {
        claim->frame->attempts--;
    }
    bool skip = MUTATED(SKIP_CLAIM_CHECK) && claim;
    bool live = claim != NULL;
    bool accepted = __real_report_apply(self, now, skip ? claim->worker : worker, report);
    if (accepted && live && !own) {
        world_fail("a report of claim %d is accepted, and it is another worker's",
                   (int)report->claim);
    }
    return accepted;
}

void __wrap_claim_give_up(queue_t *self, struct queue_now now, struct claim *claim,
                          enum claim_outcome outcome, const char *text);
void __real_claim_give_up(queue_t *self, struct queue_now now, struct claim *claim,
                          enum claim_outcome outcome, const char *text);
void __wrap_claim_give_up(queue_t *self, struct queue_now now, struct claim *claim,
                          enum claim_outcome outcome, const char *text)
{
    if (MUTATED(CHARGE_RETURNED) && claim->frame && outcome == OUTCOME_RETURNED) {
        claim->frame->attempts++;
    }
    __real_claim_give_up(self, now, claim, outcome, text);
}

void __wrap_frame_move(queue_t *self, struct job *job, struct frame *frame, enum frame_state to,
                       json_t *proof);
void __real_frame_move(queue_t *self, struct job *job, struct frame *frame, enum frame_state to,
                       json_t *proof);
void __wrap_frame_move(queue_t *self, struct job *job, struct frame *frame, enum frame_state to,
                       json_t *proof)
{
    __real_frame_move(self, job, frame, to, proof);
    if (MUTATED(MISCOUNT) && to == FRAME_FAILED) {
        job->counts.by_state[FRAME_DONE]++;
    }
}

int __wrap_job_from_spec(struct job *job, const char **text);
int __real_job_from_spec(struct job *job, const char **text);
int __wrap_job_from_spec(struct job *job, const char **text)
{
    int rc = __real_job_from_spec(job, text);
    job->attempts_max += MUTATED(ONE_ATTEMPT_MORE);
    return rc;
}

struct frame *__wrap_rows_next(queue_t *self, struct job *job, const struct worker *worker);
struct frame *__real_rows_next(queue_t *self, struct job *job, const struct worker *worker);
struct frame *__wrap_rows_next(queue_t *self, struct job *job, const struct worker *worker)
{
    bool last = job->counts.by_state[FRAME_WAITING] == 1;
    return MUTATED(FORGET_LAST_FRAME) && last ? NULL : __real_rows_next(self, job, worker);
}

/* ---- failures ---- */

bool __wrap_block_agree(queue_t *self, struct queue_now now, struct job *job, const char *name,
                        const char *code);
bool __real_block_agree(queue_t *self, struct queue_now now, struct job *job, const char *name,
                        const char *code);
bool __wrap_block_agree(queue_t *self, struct queue_now now, struct job *job, const char *name,
                        const char *code)
{
    bool agreed = __real_block_agree(self, now, job, name, code) && !MUTATED(NEVER_AGREE);
    oracle_verdict(job->row.job, name, code, agreed);
    return agreed;
}

bool __wrap_block_forget(queue_t *self, struct job *job);
bool __real_block_forget(queue_t *self, struct job *job);
bool __wrap_block_forget(queue_t *self, struct job *job)
{
    oracle_forget_verdicts(job->row.job);
    return __real_block_forget(self, job);
}

void __wrap_block_done(queue_t *self, struct queue_now now, struct job *job, const char *name);
void __real_block_done(queue_t *self, struct queue_now now, struct job *job, const char *name);
void __wrap_block_done(queue_t *self, struct queue_now now, struct job *job, const char *name)
{
    oracle_forget_verdicts(job->row.job);
    __real_block_done(self, now, job, name);
}

bool __wrap_rest_on(const struct worker *worker);
bool __real_rest_on(const struct worker *worker);
bool __wrap_rest_on(const struct worker *worker)
{
    return __real_rest_on(worker) && !MUTATED(NEVER_REST);
}

bool __wrap_recall_on(const struct worker *worker);
bool __real_recall_on(const struct worker *worker);
bool __wrap_recall_on(const struct worker *worker)
{
    return __real_recall_on(worker) && !MUTATED(FORGET_RECALL);
}

/* Whoever gets a frame may have it. */
static void check_may_have(const queue_t *self, const struct worker *worker, const struct job *job)
{
    if (__real_rest_on(worker) || oracle_rests(worker->name)) {
        world_fail("%s rests and is given a frame of job %d", worker->name, (int)job->row.job);
    }
    if (block_on(job, worker->name)) {
        world_fail("%s is blocked for job %d and is given a frame of it", worker->name,
                   (int)job->row.job);
    }
    if (self->paused || worker->drain != DRAIN_NONE || job->row.state != JOB_ACTIVE ||
        job->row.stopped || job->blocked_by != 0) {
        world_fail("a frame of job %d is given to %s, and must not be", (int)job->row.job,
                   worker->name);
    }
}

struct claim *__wrap_claim_grant(queue_t *self, struct worker *worker, enum claim_kind kind,
                                 struct job *job, struct frame *frame);
struct claim *__real_claim_grant(queue_t *self, struct worker *worker, enum claim_kind kind,
                                 struct job *job, struct frame *frame);
struct claim *__wrap_claim_grant(queue_t *self, struct worker *worker, enum claim_kind kind,
                                 struct job *job, struct frame *frame)
{
    if (kind == CLAIM_RENDER && !disk_dead()) {
        check_may_have(self, worker, job);
    }
    return __real_claim_grant(self, worker, kind, job, frame);
}

void __wrap_sweep_done(queue_t *self, struct queue_now now, struct claim *claim,
                       const struct queue_report *given);
void __real_sweep_done(queue_t *self, struct queue_now now, struct claim *claim,
                       const struct queue_report *report);
void __wrap_sweep_done(queue_t *self, struct queue_now now, struct claim *claim,
                       const struct queue_report *given)
{
    struct queue_report report = *given;
    if (MUTATED(IGNORE_LAST_LOOK)) {
        report.wrong = NULL;
    }
    __real_sweep_done(self, now, claim, &report);
}
