/* What looks at pictures found: wrong frames go back, and the end of a job or an answer to a
 * person. */

#include <stdlib.h>
#include <string.h>

#include "broker/queue/state.h"
#include "proto/alloc.h"

enum {
    WRONG_MAX = 3,
    FAILURES_MAX = 3, /* of a look that a person waits for */
    CRASHES_MAX = 3,  /* over one picture; a worker reports one after some of its provers */
    PAUSE_MIN_MS = 1000,
    PAUSE_MAX_MS = 60000
};

/* One piece of a look, after its claim has ended. */
struct piece {
    enum sweep_kind kind;
    struct job *job;
    const char *worker;
    int64_t claim;
    int64_t from, to; /* ranks */
    const json_t *wrong;
    bool superseded; /* what is of another version is a later job's */
};

static const json_t *wrong_of(const struct piece *piece, int32_t number)
{
    for (size_t i = 0; i < json_array_size(piece->wrong); i++) {
        const json_t *item = json_array_get(piece->wrong, i);
        const char *code = json_string_value(json_object_get(item, "code"));
        if (json_integer_value(json_object_get(item, "frame")) == number) {
            return piece->superseded && code && strcmp(code, "changed") == 0 ? NULL : item;
        }
    }
    return NULL;
}

/* Has a job rendered to the same names that became active later? */
static bool superseded(const queue_t *self, const struct job *job)
{
    for (size_t i = 0; i < self->all.count; i++) {
        const struct job *other = self->all.items[i];
        if (other != job && other->row.active_order > job->row.active_order &&
            owner_overlap(other, job)) {
            return true;
        }
    }
    return false;
}

static json_t *frame_error(const json_t *wrong)
{
    const char *code = json_string_value(json_object_get(wrong, "code"));
    const char *text = json_string_value(json_object_get(wrong, "text"));
    bool gone = code && strcmp(code, "gone") == 0;
    return json_pack("{s:s, s:s, s:s}", "code", gone ? "gone" : "bad-picture", "text",
                     text ? text : "", "hint", "something else writes to the output folder");
}

static void tell_wrong(queue_t *self, struct queue_now now, const struct piece *piece,
                       const struct frame *frame, const json_t *wrong)
{
    const char *code = json_string_value(json_object_get(wrong, "code"));
    const char *text = json_string_value(json_object_get(wrong, "text"));
    change_event(self, now, EVENT_FRAME_WRONG,
                 event_of_frame(piece->job, frame->number, piece->worker),
                 alloc_format("%s: %s", code ? code : "broken", text ? text : ""));
}

/* Rendered again; a frame that is wrong time after time is somebody else's doing, and failed. */
static void put_back(queue_t *self, struct queue_now now, const struct piece *piece,
                     struct frame *frame, const json_t *wrong)
{
    struct job *job = piece->job;
    struct frame_more *more = rows_more(job, frame);
    uint8_t times = frame->wrong;
    bool fails = times >= WRONG_MAX;
    frame_reset(frame);
    frame->wrong = fails ? 0 : times;
    frame->again = false;
    more->error = frame_error(wrong);
    frame_move(self, job, frame, fails ? FRAME_FAILED : FRAME_WAITING, NULL);
    if (fails) {
        const char *code = json_string_value(json_object_get(more->error, "code"));
        const char *text = json_string_value(json_object_get(more->error, "text"));
        change_event(self, now, EVENT_FRAME_FAILED,
                     event_of_frame(job, frame->number, frame->worker),
                     alloc_format("%s: %s", code, text));
    }
}

/* What a piece says of each of its frames. counted: looks of the last look count towards failed. */
static int64_t apply_wrong(queue_t *self, struct queue_now now, const struct piece *piece,
                           bool counted, bool requeue)
{
    int64_t count = 0;
    struct frame *frame;
    for (int64_t rank = piece->from;
         rank < piece->to && (frame = rows_from(piece->job, &rank)) != NULL; rank++) {
        if (rank >= piece->to || !sweep_looks_at(frame, piece->claim)) {
            continue;
        }
        const json_t *wrong = wrong_of(piece, frame->number);
        if (!wrong) {
            frame->wrong = 0;
            continue;
        }
        count++;
        frame->wrong = (uint8_t)(counted ? frame->wrong + 1 : 0);
        tell_wrong(self, now, piece, frame, wrong);
        if (requeue) {
            put_back(self, now, piece, frame, wrong);
        }
    }
    return count;
}

static int64_t count_looked(const struct piece *piece)
{
    int64_t count = 0;
    const struct frame *frame;
    for (int64_t rank = piece->from;
         rank < piece->to && (frame = rows_from(piece->job, &rank)) != NULL; rank++) {
        count += rank < piece->to && sweep_looks_at(frame, piece->claim);
    }
    return count;
}

/* Are there proven frames from this rank on? */
static bool more_from(const struct job *job, int64_t rank)
{
    const struct frame *frame;
    for (; (frame = rows_from(job, &rank)) != NULL; rank++) {
        if (sweep_is_proven(frame)) {
            return true;
        }
    }
    return false;
}

static void looked(queue_t *self, struct queue_now now, const struct piece *piece)
{
    struct job *job = piece->job;
    struct sweeping *sweeping = &job->sweeping;
    if (job->row.state != JOB_ACTIVE && job->row.state != JOB_PAUSED) {
        sweeping->begun = false; /* cancelled or stopped meanwhile: nobody asks any more */
        return;
    }
    (void)apply_wrong(self, now, piece, true, true);
    sweeping->at = piece->to;
    if (!more_from(job, sweeping->at)) {
        sweeping->begun = false;
        sweeping->looked = !sweeping->fresh && job_all_ended(job);
    }
}

/* Every frame was looked at, or cannot be. */
static void verified(queue_t *self, struct queue_now now, struct job *job, const char *trouble)
{
    struct verify *verify = job->sweeping.verify;
    char *text = alloc_format("%lld looked at, %lld wrong%s%.200s", (long long)verify->looked,
                              (long long)verify->wrong, trouble ? "; the rest cannot be: " : "",
                              trouble ? trouble : "");
    change_event(self, now, EVENT_JOB_VERIFIED, event_of(job, NULL), text);
    free(verify);
    job->sweeping.verify = NULL;
    if (job_state_ended(job->row.state) && json_object_get(job->row.spec, "kept")) {
        job->row.sweep_due = true; /* the kept file was made anew in case of need */
    }
}

/* Wrong frames were put back by a person's wish: the job is on again, as after retry. */
static void revive(queue_t *self, struct queue_now now, struct job *job)
{
    struct verify *verify = job->sweeping.verify;
    if (job_state_ended(job->row.state)) {
        job_retry(self, now, job);
        change_event(self, now, EVENT_JOB_RETRIED, event_of(job, NULL), NULL);
        if (verify->source_changed) {
            (void)queue_pause_changed(self, now, job->row.job);
        }
    }
}

static void verified_piece(queue_t *self, struct queue_now now, struct piece *piece)
{
    struct job *job = piece->job;
    struct verify *verify = job->sweeping.verify;
    if (!verify) {
        return; /* the job was asked to go meanwhile */
    }
    bool requeue = verify->requeue && job->row.state != JOB_CANCELLED;
    piece->superseded = json_array_size(piece->wrong) > 0 && superseded(self, job);
    verify->looked += count_looked(piece);
    int64_t wrong = apply_wrong(self, now, piece, false, requeue);
    verify->wrong += wrong;
    verify->at = piece->to;
    if (wrong > 0) {
        job->sweeping.looked = false; /* the last look found them right: it is out of date */
    }
    if (wrong > 0 && requeue) {
        revive(self, now, job);
    }
    if (!more_from(job, verify->at)) {
        verified(self, now, job, NULL);
    }
}

static void went_well(struct job *job)
{
    job->sweeping.failures = 0;
    free(job->sweeping.trouble);
    job->sweeping.trouble = NULL;
}

/* How far a look came, as a rank: its prover may have stopped early. */
static int64_t reached(const struct claim *claim, const struct queue_report *report)
{
    int64_t rank = report->partly ? ranges_rank(&claim->job->frames, report->last) : -1;
    return rank >= claim->from && rank < claim->to ? rank + 1 : claim->to;
}

static void apply_piece(queue_t *self, struct queue_now now, struct piece *piece)
{
    if (piece->kind == SWEEP_LOOK) {
        looked(self, now, piece);
    } else if (piece->kind == SWEEP_VERIFY) {
        verified_piece(self, now, piece);
    }
    job_changed(self, piece->job);
    job_claim_ended(self, now, piece->job);
}

/* Ends the claim; what it was about. */
static struct piece end_piece(queue_t *self, struct claim *claim, enum claim_outcome outcome)
{
    struct piece piece = {
        .kind = claim->sweep,
        .job = claim->job,
        .worker = claim->worker->name,
        .claim = claim->number,
        .from = claim->from,
        .to = claim->to,
    };
    claim->job->row.claim_outcome = outcome;
    claim_end(self, claim);
    return piece;
}

void sweep_done(queue_t *self, struct queue_now now, struct claim *claim,
                const struct queue_report *report)
{
    struct job *job = claim->job;
    int64_t to = reached(claim, report);
    struct piece piece = end_piece(self, claim, OUTCOME_SWEPT);
    piece.to = to;
    piece.wrong = report->wrong;
    went_well(job);
    if (piece.kind == SWEEP_END) {
        job_swept(self, now, job, NULL);
    } else {
        apply_piece(self, now, &piece);
    }
}

static void pause(queue_t *self, struct queue_now now, struct job *job)
{
    int64_t pause_ms = PAUSE_MIN_MS;
    for (int32_t i = 1; i < job->sweeping.failures && pause_ms < PAUSE_MAX_MS; i++) {
        pause_ms *= 2;
    }
    job->sweeping.again_ms = now.ms + (pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS);
    if (self->sweep_ms == 0 || job->sweeping.again_ms < self->sweep_ms) {
        self->sweep_ms = job->sweeping.again_ms;
    }
}

/* The only frame of a piece; NULL if there are more. */
static const struct frame *only_frame(const struct piece *piece)
{
    const struct frame *frame;
    int64_t rank = piece->from;
    while ((frame = rows_from(piece->job, &rank)) && !sweep_looks_at(frame, piece->claim)) {
        rank++;
    }
    return count_looked(piece) == 1 ? frame : NULL;
}

/* Time after time whoever looked at this one picture died: it is none. */
static void call_broken(queue_t *self, struct queue_now now, struct piece *piece,
                        const struct frame *frame)
{
    CLEANUP(cleanup_json)
    json_t *wrong = json_pack("[{s:i, s:s, s:s}]", "frame", (int)frame->number, "code", "broken",
                              "text", "whoever looks at it dies of it");
    piece->wrong = wrong;
    went_well(piece->job);
    apply_piece(self, now, piece);
}

/* A look that could not be: later again, in smaller pieces. */
static void not_looked(queue_t *self, struct queue_now now, struct piece *piece, const char *code,
                       const char *text)
{
    struct job *job = piece->job;
    bool died = strcmp(code, "crashed") == 0;
    const struct frame *frame = only_frame(piece);
    if (died && frame && job->sweeping.failures >= CRASHES_MAX - 1) {
        call_broken(self, now, piece, frame);
        return;
    }
    job->sweeping.failures++;
    free(job->sweeping.trouble);
    job->sweeping.trouble = alloc_text(text);
    if (piece->kind == SWEEP_VERIFY && job->sweeping.verify &&
        job->sweeping.failures >= FAILURES_MAX && !died) {
        verified(self, now, job, text);
        went_well(job);
    } else {
        pause(self, now, job);
    }
    job_changed(self, job);
    job_claim_ended(self, now, job);
}

/* The last piece does not hold up the end of the job for ever: it only clears up. */
static void not_ended(queue_t *self, struct queue_now now, struct job *job, const char *text)
{
    if (++job->row.sweeps >= SWEEPS_MAX) {
        job_swept(self, now, job, text);
        return;
    }
    job_changed(self, job);
    job_claim_ended(self, now, job);
}

void sweep_failed(queue_t *self, struct queue_now now, struct claim *claim,
                  enum claim_outcome outcome, const char *code, const char *text)
{
    struct job *job = claim->job;
    struct piece piece = end_piece(self, claim, outcome);
    if (outcome == OUTCOME_RETURNED) {
        job->sweeping.leftovers = job->sweeping.leftovers || piece.kind == SWEEP_LEFTOVERS;
        job_changed(self, job);
        job_claim_ended(self, now, job);
    } else if (piece.kind == SWEEP_LOOK || piece.kind == SWEEP_VERIFY) {
        not_looked(self, now, &piece, code, text);
    } else if (piece.kind == SWEEP_END) {
        not_ended(self, now, job, text);
    } else {
        job_changed(self, job); /* leftovers: the job's end sweeps again */
        job_claim_ended(self, now, job);
    }
}

/* ---- a person asks ---- */

int queue_verify(queue_t *self, struct queue_now now, int64_t number,
                 const struct queue_verify *how, struct queue_error *error)
{
    struct job *job = job_find(self, number);
    if (!job) {
        return QUEUE_NO_JOB;
    }
    if (!job->counted) {
        return queue_say_no(error, "not-inspected", "nothing of it was rendered yet", "");
    }
    if (how->requeue && job->row.state == JOB_CANCELLED) {
        return queue_say_no(error, "ended", "it is cancelled, nothing is put back",
                            "dblend retry, or verify without --requeue");
    }
    if (how->kept) {
        job_set_kept(job, how->kept);
    }
    free(job->sweeping.verify);
    job->sweeping.verify = alloc_zero(1, sizeof *job->sweeping.verify);
    *job->sweeping.verify = (struct verify){
        .requeue = how->requeue,
        .source_changed = how->source_changed,
    };
    job->sweeping.again_ms = 0;
    if (job->live && job->live->sweep == SWEEP_VERIFY) {
        job->live->sweep = SWEEP_NONE; /* it begins anew: that one would count twice */
    }
    if (sweep_needless(job)) {
        verified(self, now, job, NULL);
    }
    job_changed(self, job);
    job_review(self, now, job);
    return QUEUE_OK;
}
