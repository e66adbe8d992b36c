/* The oracle's look into the queue's memory: counters, frames and claims agree with the ledger. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "broker/queue/state.h"
#include "tests/sim/broker.h"
#include "tests/sim/disk.h"
#include "tests/sim/ledger.h"
#include "tests/sim/oracle.h"
#include "tests/sim/picture.h"
#include "tests/sim/world.h"

static void check_row(const struct job *job, const struct frame *frame, int64_t counts[])
{
    const struct ledger_frame *kept = ledger_frame(job->row.job, frame->number);
    const struct claim *live = frame->more ? frame->more->live : NULL;
    counts[frame->state]++;
    if (!kept || kept->row.state != (enum frame_state)frame->state ||
        kept->row.claim != frame->claim ||
        kept->row.outcome != (enum claim_outcome)frame->outcome ||
        kept->row.attempts != frame->attempts || kept->row.losses != frame->losses ||
        kept->row.again != frame->again ||
        kept->row.short_bytes != (frame->more ? frame->more->short_bytes : 0) ||
        kept->row.fresh != (frame->more && frame->more->fresh)) {
        world_fail("job %" PRId64 " frame %d: the ledger has %s, the queue %s", job->row.job,
                   (int)frame->number, kept ? frame_state_name(kept->row.state) : "no row",
                   frame_state_name((enum frame_state)frame->state));
    }
    if ((frame->state == FRAME_CLAIMED) != (live != NULL) ||
        (live && live->number != frame->claim)) {
        world_fail("job %" PRId64 " frame %d: %s, its live claim is %" PRId64, job->row.job,
                   (int)frame->number, frame_state_name((enum frame_state)frame->state),
                   live ? live->number : 0);
    }
}

static int64_t check_job_rows(const struct job *job)
{
    const struct ledger_job *kept = ledger_job(job->row.job);
    int64_t counts[FRAME_STATES] = { 0 };
    int64_t rows = 0;
    int64_t total = 0;
    struct rows_place at = { 0 };
    const struct frame *frame = NULL;
    if (!kept || kept->row.state != job->row.state || kept->row.claim != job->row.claim ||
        kept->row.claim_outcome != job->row.claim_outcome ||
        kept->row.stopped != job->row.stopped || kept->row.attempts != job->row.attempts ||
        kept->row.removing != job->row.removing ||
        memcmp(&kept->row.memory, &job->row.memory, sizeof job->row.memory) != 0) {
        world_fail("job %" PRId64 ": the ledger has %s, the queue %s", job->row.job,
                   kept ? job_state_name(kept->row.state) : "no row",
                   job_state_name(job->row.state));
    }
    while ((frame = rows_each(job, &at)) != NULL) {
        check_row(job, frame, counts);
        rows++;
    }
    counts[FRAME_WAITING] += job->counts.total - rows;
    for (size_t i = 0; i < FRAME_STATES; i++) {
        total += job->counts.by_state[i];
        if (counts[i] != job->counts.by_state[i]) {
            world_fail("job %" PRId64 " counts %d frames %s, there are %d", job->row.job,
                       (int)job->counts.by_state[i], frame_state_name((enum frame_state)i),
                       (int)counts[i]);
        }
    }
    if (total != job->counts.total || rows != ledger_rows(job->row.job)) {
        world_fail("job %" PRId64 ": %d frames of %d, %d rows, the ledger has %d", job->row.job,
                   (int)total, (int)job->counts.total, (int)rows, (int)ledger_rows(job->row.job));
    }
    if (job->row.state == JOB_DONE &&
        counts[FRAME_DONE] + counts[FRAME_KEPT] != job->counts.total) {
        world_fail("job %" PRId64 " is done, and %d of its %d frames are", job->row.job,
                   (int)(counts[FRAME_DONE] + counts[FRAME_KEPT]), (int)job->counts.total);
    }
    return counts[FRAME_CLAIMED];
}

/* No file of an output is in the hands of two claims, whatever jobs they are of. */
static void check_names(const struct claim *claim, int64_t names[][ORACLE_FRAMES])
{
    int64_t *name = &names[picture_file_of(claim->job->file)][claim->frame->number];
    if (*name != 0) {
        world_fail("claims %" PRId64 " and %" PRId64 " write to the same file", *name,
                   claim->number);
    }
    *name = claim->number;
}

static int64_t check_claim(const struct claim *claim)
{
    bool own = claim->worker->claim_count <= CLAIMS_MAX || claim->worker->session == 0;
    if (!own) {
        world_fail("a session holds %d claims", (int)claim->worker->claim_count);
    }
    if (claim->kind == CLAIM_RENDER && claim->frame->claim != claim->number) {
        world_fail("job %" PRId64 " frame %d has two live claims, %" PRId64 " and %" PRId64,
                   claim->job->row.job, (int)claim->frame->number, claim->number,
                   claim->frame->claim);
    }
    if (claim->kind != CLAIM_RENDER && claim->job->live != claim) {
        world_fail("job %" PRId64 " has two live claims", claim->job->row.job);
    }
    return claim->kind == CLAIM_RENDER;
}

void oracle_turn(void)
{
    const queue_t *queue = broker_queue();
    size_t count = 0;
    if (!queue || disk_dead() || ledger_unsure()) {
        return;
    }
    (void)queue_changes(queue, &count);
    if (count > 0) {
        return; /* decided, and not answered yet */
    }
    int64_t claimed = 0;
    int64_t renders = 0;
    for (size_t i = 0; i < queue->all.count; i++) {
        claimed += check_job_rows(queue->all.items[i]);
    }
    int64_t names[PICTURE_FILES][ORACLE_FRAMES] = { 0 };
    for (size_t i = 0; i < queue->claims.size; i++) {
        const struct claim *claim = queue->claims.slots[i].value;
        if (claim) {
            renders += check_claim(claim);
        }
        if (claim && claim->kind == CLAIM_RENDER && claim->job->counted) {
            check_names(claim, names);
        }
    }
    if ((int64_t)queue->all.count != ledger_jobs() || claimed != renders ||
        renders != queue->render_claims) {
        world_fail("%d jobs, the ledger has %d; %d frames claimed, %d claims",
                   (int)queue->all.count, (int)ledger_jobs(), (int)claimed, (int)renders);
    }
}

bool oracle_all_over(char *why, size_t size)
{
    const queue_t *queue = broker_queue();
    if (!queue || !broker_up() || ledger_unsure()) {
        (void)snprintf(why, size, "no broker");
        return false;
    }
    for (size_t i = 0; i < queue->all.count; i++) {
        const struct job *job = queue->all.items[i];
        if (!job_state_ended(job->row.state) || job_live(job) > 0) {
            (void)snprintf(
                why, size, "job %" PRId64 " is %s: %d waiting, %d claimed, %d taken, %d live%s%s",
                job->row.job, job_state_name(job->row.state),
                (int)job->counts.by_state[FRAME_WAITING], (int)job->counts.by_state[FRAME_CLAIMED],
                (int)job->counts.by_state[FRAME_TAKEN], (int)job_live(job),
                job->row.sweep_due ? ", to be swept" : "", job->blocked_by ? ", blocked" : "");
            return false;
        }
    }
    return true;
}
