#include "tests/sim/oracle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "broker/store.h"
#include "proto/alloc.h"
#include "proto/messages.h"
#include "tests/sim/broker.h"
#include "tests/sim/disk.h"
#include "tests/sim/ledger.h"
#include "tests/sim/mutation.h"
#include "tests/sim/oracle_parts.h"
#include "tests/sim/picture.h"
#include "tests/sim/world.h"

enum { HEARD = 64, LEASE_MS = 15000 };

struct oracle_figures oracle_figures;

/* A claim number means one worker and one frame for ever. */
struct given {
    char worker_id[ID_SIZE];
    int64_t job;
    int32_t frame;
    bool lied;
};

/* When the broker last heard a worker, or began to wait for it. */
struct heard {
    char worker_id[ID_SIZE];
    int64_t at_ms;
    bool gone; /* its connection was found closed */
};

static queue_t *queue;
static struct given *given; /* by claim number */
static size_t given_room;
static int64_t newest_claim;
static int64_t newest_job;
static struct heard heard[HEARD];
static size_t heard_count;
static int64_t started_at_ms; /* of this broker */
static unsigned allowed[ORACLE_JOBS];

void oracle_open(void)
{
    ledger_open();
    oracle_rest_open();
    if (given_room > 0) {
        memset(given, 0, given_room * sizeof *given);
    }
    newest_claim = 0;
    newest_job = 0;
    heard_count = 0;
    memset(allowed, 0, sizeof allowed);
    queue = NULL;
}

void oracle_close(void)
{
    ledger_close();
}

void oracle_broker_starts(void)
{
    oracle_forget_all_verdicts();
    oracle_rest_forget();
    started_at_ms = world.now_ms;
    ledger_expect_load();
    oracle_figures.restarts++;
}

void oracle_broker_ended(bool well)
{
    if (well && ledger_unsure()) {
        world_fail("the broker ended well with a transaction that was not written");
    }
}

/* What a look found wrong last: it may be given again. */
static struct {
    int64_t job;
    int32_t frame;
} wrong;

void oracle_allow(enum oracle_leave leave, int64_t job)
{
    for (int64_t i = 0; i < ORACLE_JOBS; i++) {
        if (job == 0 || i == job) {
            allowed[i] |= 1U << leave;
        }
    }
}

bool oracle_allowed(enum oracle_leave leave, int64_t job)
{
    return (allowed[job] & (1U << leave)) != 0;
}

bool oracle_has_job(int64_t job)
{
    return ledger_job(job) != NULL;
}

queue_t *broker_queue(void)
{
    return queue;
}

/* ---- who was heard when ---- */

static struct heard *heard_of(const char *worker_id)
{
    for (size_t i = 0; i < heard_count; i++) {
        if (strcmp(heard[i].worker_id, worker_id) == 0) {
            return &heard[i];
        }
    }
    struct heard *item = &heard[heard_count % HEARD];
    heard_count += heard_count < HEARD;
    *item = (struct heard){ .at_ms = started_at_ms };
    (void)snprintf(item->worker_id, sizeof item->worker_id, "%s", worker_id);
    return item;
}

void oracle_heard(const char *worker_id)
{
    struct heard *item = heard_of(worker_id);
    item->at_ms = world.now_ms;
    item->gone = false;
}

void oracle_gone(const char *worker_id)
{
    heard_of(worker_id)->gone = true;
}

/* Time decides when a claim is given away: not before a lease without a word is over. */
static void check_lost(const char *worker_id, int64_t claim)
{
    const struct heard *item = heard_of(worker_id);
    int64_t since_ms = item->at_ms > started_at_ms ? item->at_ms : started_at_ms;
    if (!item->gone && world.now_ms - since_ms < LEASE_MS) {
        world_fail("claim %" PRId64 " expired %" PRId64 " ms after its worker was heard", claim,
                   world.now_ms - since_ms);
    }
}

/* ---- transactions ---- */

static struct given *given_at(int64_t claim)
{
    if ((size_t)claim >= given_room) {
        size_t room = (size_t)claim * 2 + 256;
        given = alloc_resize(given, room, sizeof *given);
        memset(given + given_room, 0, (room - given_room) * sizeof *given);
        given_room = room;
    }
    return &given[claim];
}

void oracle_lie(int64_t claim)
{
    if (claim > 0 && claim <= newest_claim) {
        given_at(claim)->lied = true;
    }
}

static void check_grant(int64_t claim, int64_t job, int32_t frame, const char *worker_id)
{
    struct given *at = given_at(claim);
    if (at->job == 0) {
        if (claim <= newest_claim) {
            world_fail("claim %" PRId64 " is given after %" PRId64, claim, newest_claim);
        }
        *at = (struct given){ .job = job, .frame = frame };
        (void)snprintf(at->worker_id, sizeof at->worker_id, "%s", worker_id);
        oracle_figures.grants++;
    } else if (at->job != job || at->frame != frame || strcmp(at->worker_id, worker_id) != 0) {
        world_fail("claim %" PRId64 " is given twice: job %" PRId64 " frame %d, job %" PRId64
                   " frame %d",
                   claim, at->job, (int)at->frame, job, (int)frame);
    }
}

static bool charged(const struct frame_row *row)
{
    return row->outcome == OUTCOME_ERROR || row->outcome == OUTCOME_FINISHED;
}

static void check_attempts(const struct frame_row *row, const struct ledger_frame *old)
{
    const struct ledger_job *job = ledger_job(row->job);
    int32_t before = old ? old->row.attempts : 0;
    if (job && row->attempts > job->attempts_max) {
        world_fail("job %" PRId64 " frame %d: %d attempts, %d are allowed", row->job,
                   (int)row->frame, (int)row->attempts, (int)job->attempts_max);
    }
    if (row->attempts > before + 1 || (row->attempts > before && !charged(row))) {
        world_fail("job %" PRId64 " frame %d: charged for %s", row->job, (int)row->frame,
                   claim_outcome_name(row->outcome));
    }
    bool ended = old && old->row.state == FRAME_CLAIMED && row->state != FRAME_CLAIMED;
    if (ended && charged(row) && row->error == NULL && row->outcome == OUTCOME_ERROR) {
        world_fail("job %" PRId64 " frame %d: failed without a reason", row->job, (int)row->frame);
    }
}

static void check_frame(const struct change *change)
{
    const struct frame_row *row = &change->as.frame;
    const struct ledger_frame *old = ledger_frame(row->job, row->frame);
    enum frame_state from = old ? old->row.state : FRAME_WAITING;
    if (!ledger_job(row->job)) {
        world_fail("a frame of job %" PRId64 ", which is not there", row->job);
    }
    if (change->from != (int)from || (from != row->state && !frame_may_move(from, row->state))) {
        world_fail("job %" PRId64 " frame %d: %s -> %s", row->job, (int)row->frame,
                   frame_state_name(from), frame_state_name(row->state));
    }
    if ((row->state == FRAME_CLAIMED) != (row->worker_id != NULL) ||
        (row->state == FRAME_CLAIMED) != (row->outcome == OUTCOME_LIVE)) {
        world_fail("job %" PRId64 " frame %d: %s, and its claim is %s", row->job, (int)row->frame,
                   frame_state_name(row->state), claim_outcome_name(row->outcome));
    }
    if (old && row->claim < old->row.claim) {
        world_fail("job %" PRId64 " frame %d: claim %" PRId64 " after %" PRId64, row->job,
                   (int)row->frame, row->claim, old->row.claim);
    }
    bool was_proven = from == FRAME_DONE || from == FRAME_KEPT;
    bool is_proven = row->state == FRAME_DONE || row->state == FRAME_KEPT;
    bool found_wrong = wrong.job == row->job && wrong.frame == row->frame;
    if (was_proven && !is_proven && !found_wrong && !oracle_allowed(LEAVE_RETRY, row->job)) {
        world_fail("job %" PRId64 " frame %d was %s and is given again", row->job, (int)row->frame,
                   frame_state_name(from));
    }
    if (is_proven && !was_proven && !row->proof) {
        world_fail("job %" PRId64 " frame %d: %s without a proof", row->job, (int)row->frame,
                   frame_state_name(row->state));
    }
    if (row->state == FRAME_CLAIMED) {
        check_grant(row->claim, row->job, row->frame, row->worker_id);
    }
    if (from == FRAME_CLAIMED && row->outcome == OUTCOME_LOST) {
        check_lost(old->worker_id, row->claim);
    }
    check_attempts(row, old);
}

/* Every submit has a name of its own: sent twice, done once. */
static void check_new_job(const struct job_row *row)
{
    const char *name = msg_str_or(row->spec, "name", "");
    if (row->job <= newest_job) {
        world_fail("job number %" PRId64 " is given twice", row->job);
    }
    for (int64_t i = 1; i < ORACLE_JOBS; i++) {
        const struct ledger_job *other = ledger_job(i);
        if (other && strcmp(msg_str_or(other->row.spec, "name", ""), name) == 0) {
            world_fail("one submit made the jobs %" PRId64 " and %" PRId64, i, row->job);
        }
    }
}

/* A job never ends done with a frame missing or broken. */
static void check_done(const struct job_row *row)
{
    int file = picture_file_of(msg_str_or(row->spec, "file", "/files/a"));
    for (int32_t i = 1; i < ORACLE_FRAMES; i++) {
        if (ledger_frame(row->job, i) && !picture_is_promised(row->job, file, i)) {
            world_fail("job %" PRId64 " is done, and the picture of frame %d is not there",
                       row->job, (int)i);
        }
    }
}

static void check_job(const struct change *change)
{
    const struct job_row *row = &change->as.job;
    const struct ledger_job *old = ledger_job(row->job);
    enum job_state from = old ? old->row.state : JOB_QUEUED;
    if (row->job <= 0 || row->job >= ORACLE_JOBS) {
        world_fail("more jobs than the simulation has room for");
    }
    if (!old) {
        check_new_job(row);
    }
    if (change->from != (int)from || (from != row->state && !job_may_move(from, row->state))) {
        world_fail("job %" PRId64 ": %s -> %s", row->job, job_state_name(from),
                   job_state_name(row->state));
    }
    if (row->state == JOB_DONE && from != JOB_DONE) {
        check_done(row);
    }
    if (row->claim_outcome == OUTCOME_LIVE) {
        check_grant(row->claim, row->job, EVENT_NO_FRAME, row->worker_id);
    }
    if (old && old->row.claim_outcome == OUTCOME_LIVE && row->claim_outcome == OUTCOME_LOST) {
        check_lost(old->worker_id, row->claim);
    }
    if (job_state_ended(from) && !job_state_ended(row->state) &&
        !oracle_allowed(LEAVE_RETRY, row->job)) {
        world_fail("job %" PRId64 " was %s and lives again", row->job, job_state_name(from));
    }
    if (row->attempts > 1000 || (old && row->attempts > old->attempts_max)) {
        world_fail("job %" PRId64 ": %d inspections", row->job, (int)row->attempts);
    }
}

static void check_change(const struct change *change)
{
    switch (change->kind) {
    case CHANGE_JOB_PUT:
        check_job(change);
        return;
    case CHANGE_JOB_DELETE:
        if (!oracle_allowed(LEAVE_REMOVE, change->as.job_id)) {
            world_fail("job %" PRId64 " is deleted", change->as.job_id);
        }
        return;
    case CHANGE_FRAME_PUT:
        check_frame(change);
        return;
    case CHANGE_EVENT:
        if (change->as.event.word == EVENT_FRAME_WRONG) {
            wrong.job = change->as.event.job;
            wrong.frame = change->as.event.frame;
            oracle_allow(LEAVE_LOOK, change->as.event.job);
        }
        return;
    default:
        return;
    }
}

/* The newest numbers that are on disk: what a crash took away may be given once more. */
static void note_newest(const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct change *change = &changes[i];
        if (change->kind == CHANGE_META && strcmp(change->as.meta.key, "claim") == 0) {
            newest_claim = change->as.meta.value - 1;
        } else if (change->kind == CHANGE_JOB_PUT && change->as.job.job > newest_job) {
            newest_job = change->as.job.job;
        }
    }
}

static void forget_given(void)
{
    for (size_t i = (size_t)newest_claim + 1; i < given_room && given[i].job != 0; i++) {
        given[i] = (struct given){ 0 };
    }
}

/* Mutations stand between us and the product's store. */
int mutation_store_apply(store_t *self, const struct change *changes, size_t change_count,
                         const struct store_request *requests, size_t request_count);

int __wrap_store_apply(store_t *self, const struct change *changes, size_t change_count,
                       const struct store_request *requests, size_t request_count)
{
    if (change_count == 0 && request_count == 0) {
        return mutation_store_apply(self, changes, change_count, requests, request_count);
    }
    bool dying = disk_dead(); /* what a dead broker decides nobody will ever see */
    if (ledger_unsure()) {
        ledger_undo();
    }
    if (dying) {
        return -EIO;
    }
    forget_given();
    ledger_begin();
    for (size_t i = 0; i < change_count; i++) {
        check_change(&changes[i]);
        ledger_apply(&changes[i]);
    }
    int rc = mutation_store_apply(self, changes, change_count, requests, request_count);
    oracle_figures.transactions++;
    if (rc < 0) {
        oracle_figures.failed_writes++;
        TRACE("    transaction of %d changes not written: %s", (int)change_count, store_why(self));
        return rc;
    }
    note_newest(changes, change_count);
    ledger_commit();
    return 0;
}

/* ---- restarts ---- */

queue_t *__wrap_queue_new(const struct queue_config *config)
{
    queue = __real_queue_new(config);
    return queue;
}

void __wrap_queue_destroy(queue_t **self_p)
{
    mutation_queue_ends();
    queue = NULL;
    __real_queue_destroy(self_p);
}

int __wrap_queue_load_meta(queue_t *self, const char *key, int64_t value)
{
    ledger_loaded_meta(key, value);
    return mutation_load_meta(self, key, value);
}

int __wrap_queue_load_job(queue_t *self, const struct job_row *row, const char **text)
{
    ledger_loaded_job(row);
    return __real_queue_load_job(self, row, text);
}

int __wrap_queue_load_frame(queue_t *self, const struct frame_row *row, const char **text)
{
    ledger_loaded_frame(row);
    return mutation_load_frame(self, row, text);
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(struct worker *const *)a)->id, (*(struct worker *const *)b)->id);
}

/* Those that the ledger tells of are found by address, which is another one in each process. */
static void sort_heard(queue_t *self)
{
    struct worker *sorted[HEARD];
    size_t count = 0;
    for (struct link *at = self->heard.next; at != &self->heard && count < HEARD; at = at->next) {
        sorted[count++] = LINK_ITEM(at, struct worker, heard);
    }
    qsort(sorted, count, sizeof(struct worker *), by_id);
    for (size_t i = 0; i < count; i++) {
        link_append(&self->heard, &sorted[i]->heard);
    }
}

void __wrap_queue_loaded(queue_t *self, struct queue_now now)
{
    const char *what = ledger_check_load();
    if (what) {
        world_fail("the restart does not find what was acknowledged: %s", what);
    }
    newest_claim = ledger_meta("claim") > 0 ? ledger_meta("claim") - 1 : 0;
    forget_given();
    heard_count = 0;
    __real_queue_loaded(self, now);
    sort_heard(self);
}

/* ---- answers ---- */

static void check_granted(const char *worker_id, const json_t *grant)
{
    int64_t claim = msg_int_or(grant, "claim", 0);
    int64_t job = msg_int_or(grant, "job", 0);
    bool render = strcmp(msg_str_or(grant, "kind", ""), "render") == 0;
    const struct ledger_frame *frame =
        render ? ledger_frame(job, (int32_t)msg_int_or(grant, "frame", 0)) : NULL;
    const struct ledger_job *row = ledger_job(job);
    bool live = render ? frame && frame->row.claim == claim && frame->row.state == FRAME_CLAIMED &&
                             strcmp(frame->worker_id, worker_id) == 0
                       : row && row->row.claim == claim && row->row.claim_outcome == OUTCOME_LIVE &&
                             strcmp(row->worker_id, worker_id) == 0;
    if (!live) {
        world_fail("claim %" PRId64 " is granted and not in the ledger", claim);
    }
}

/* Its outcome, as the ledger has it for this claim; OUTCOME_NONE: another claim, or no row. */
static enum claim_outcome outcome_of(int64_t claim)
{
    const struct given *at = given_at(claim);
    const struct ledger_job *job = ledger_job(at->job);
    const struct ledger_frame *frame = NULL;
    if (!job) {
        return OUTCOME_NONE;
    }
    if (at->frame == EVENT_NO_FRAME) {
        return job->row.claim == claim ? job->row.claim_outcome : OUTCOME_NONE;
    }
    frame = ledger_frame(at->job, at->frame);
    return frame && frame->row.claim == claim ? frame->row.outcome : OUTCOME_NONE;
}

static enum claim_outcome wanted_outcome(const char *what)
{
    enum claim_outcome outcome = OUTCOME_NONE;
    return claim_outcome_parse(what, &outcome) == 0 ? outcome : OUTCOME_NONE;
}

static void check_settled(const char *worker_id, const json_t *settled)
{
    int64_t claim = msg_int_or(settled, "claim", 0);
    const char *what = msg_str_or(settled, "what", "");
    bool accepted = strcmp(msg_str_or(settled, "st", ""), "accepted") == 0;
    enum claim_outcome wanted = wanted_outcome(what);
    if (wanted == OUTCOME_NONE || claim > newest_claim || given_at(claim)->job == 0) {
        if (accepted && wanted != OUTCOME_NONE) {
            world_fail("%s of claim %" PRId64 ", which was never given, is accepted", what, claim);
        }
        return; /* started; or of nothing */
    }
    const struct given *at = given_at(claim);
    bool own = strcmp(at->worker_id, worker_id) == 0;
    enum claim_outcome outcome = outcome_of(claim);
    bool final = wanted == OUTCOME_FINISHED || wanted == OUTCOME_KEPT;
    bool other_since = oracle_allowed(LEAVE_RETRY, at->job) ||
                       oracle_allowed(LEAVE_LOOK, at->job) ||
                       oracle_allowed(LEAVE_REMOVE, at->job) ||
                       (!final && outcome == OUTCOME_NONE); /* it has a newer claim already */
    oracle_figures.accepted += accepted;
    /* a returned claim that was charged is an error */
    bool equal = outcome == wanted || (wanted == OUTCOME_RETURNED && outcome == OUTCOME_ERROR);
    if (accepted && !equal && !other_since) {
        world_fail("%s of claim %" PRId64 " is accepted, and the ledger has %s", what, claim,
                   claim_outcome_name(outcome));
    }
    if (!accepted && own && outcome == wanted && !at->lied) {
        world_fail("%s of claim %" PRId64 " is stale, and the ledger has it", what, claim);
    }
}

static void check_worker_answer(const char *worker_id, const json_t *body)
{
    size_t index = 0;
    json_t *item = NULL;
    json_array_foreach(msg_array_or_null(body, "grants"), index, item)
    {
        check_granted(worker_id, item);
    }
    json_array_foreach(msg_array_or_null(body, "settled"), index, item)
    {
        check_settled(worker_id, item);
    }
}

static bool changes_wait(void)
{
    size_t count = 0;
    const struct change *changes = queue_changes(queue, &count);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].kind != CHANGE_EVENT) {
            return true;
        }
    }
    return false;
}

void oracle_answer(const char *worker_id, const json_t *body)
{
    const char *type = msg_type(body);
    if (strcmp(type, "READY-AGAIN") == 0 || strcmp(type, "REFUSED") == 0) {
        return; /* these stand for nothing on disk */
    }
    if (ledger_unsure() || changes_wait()) {
        world_fail("%s is sent before what it says is on disk", type);
    }
    if (strcmp(type, "ANSWER") == 0) {
        check_worker_answer(worker_id, body);
    }
}
