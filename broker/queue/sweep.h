#ifndef BROKER_QUEUE_SWEEP_H
#define BROKER_QUEUE_SWEEP_H

/*
 * sweep - work over a job's output: leftovers, the last look, a look that a person asked for
 *
 * sweep.c says which piece of it is due and who gets it, looked.c what comes of it. Part of what
 * the queue's modules share (broker/queue/state.h); PROTOCOL.md 3.3 has the rules.
 */

#include <stdbool.h>
#include <stdint.h>

#include "broker/queue/queue.h"

struct claim;
struct frame;
struct job;
struct worker;

/* What a sweep is for; next_piece in sweep.c has their order. */
enum sweep_kind {
    SWEEP_NONE, /* of an older broker, or not wanted any more: what it says counts for nothing */
    SWEEP_LEFTOVERS, /* what dead claims left is removed, while frames are rendered */
    SWEEP_LOOK,      /* a piece of the last look */
    SWEEP_VERIFY,    /* a piece of a look that a person asked for */
    SWEEP_END        /* leftovers, and the kept file */
};

struct verify {
    bool requeue;
    bool source_changed; /* the submitted bytes are gone: the job pauses when it comes back */
    int64_t at;          /* rank where it goes on */
    int64_t looked, wrong;
};

/* What is to be looked over in a job's output. A restart forgets it and begins again; that it is
 * due at the end is row.sweep_due. */
struct sweeping {
    bool leftovers;        /* somebody may have left some */
    bool begun;            /* a pass of the last look is under way */
    bool fresh;            /* a frame was finished since that pass began */
    bool looked;           /* a pass found nothing wrong, and nothing was finished since */
    int64_t at;            /* rank where the pass goes on */
    struct verify *verify; /* NULL: nobody asked */
    int32_t failures;      /* looks running that could not be */
    int64_t again_ms;      /* nothing before; 0 = at once */
    char *trouble;         /* why the last one could not be, or NULL */
};

/* ---- sweep.c ---- */
/* Is a piece of work over its output due? For job_review. */
void sweep_review(queue_t *self, struct job *job);
void sweep_unlist(queue_t *self, struct job *job); /* until the next review */
void sweep_free(struct job *job);
/* Its frames are others now: looks begin anew. */
void sweep_anew(struct job *job);
/* Give this worker the first piece that is due; leftovers: of those that wait for the idle. */
bool sweep_grant(queue_t *self, struct queue_now now, struct worker *worker, bool leftovers);
void sweep_turn(queue_t *self, struct queue_now now);
/* Why a job whose frames have ended does not end itself: the caller's, or NULL. */
char *sweep_why(const queue_t *self, const struct job *job, const char **code);
bool sweep_is_proven(const struct frame *frame);
/* Is it in a look of this claim? What was claimed later has another proof by now. */
bool sweep_looks_at(const struct frame *frame, int64_t claim);
bool sweep_needless(const struct job *job); /* nothing is proven */

/* ---- looked.c ---- */
/* The end of a sweep's claim; the job may be gone then. */
void sweep_done(queue_t *self, struct queue_now now, struct claim *claim,
                const struct queue_report *report);
void sweep_failed(queue_t *self, struct queue_now now, struct claim *claim,
                  enum claim_outcome outcome, const char *code, const char *text);

#endif
