#ifndef BROKER_QUEUE_MEMORY_H
#define BROKER_QUEUE_MEMORY_H

/*
 * memory - what jobs and frames need of a card's memory, and which workers have it
 *
 * Two things are known: what a frame took (the peaks of the job), and that a frame ran out on a
 * card of some size (it needs more than that). A job is not given to a card that is known to be
 * too small for it, unless a frame of it was done on one no larger: then frames differ, and only
 * the frame that ran out waits for a larger card.
 *
 * Out of memory is no attempt as long as something follows from it: first the frame is tried once
 * more in a fresh Blender, then on larger cards, then on the CPU where the job allows that. Each of
 * these steps can be taken once, so it ends.
 */

#include <stdbool.h>
#include <stdint.h>

#include "broker/queue/link.h"
#include "broker/queue/queue.h"

struct class;
struct frame;
struct job;
struct worker;

/* Of a job, made from what is known; nothing of it is durable. */
struct memory_need {
    struct link large;     /* of frame_more.back: waiting frames that ran out, smallest first */
    int64_t largest_bytes; /* of the live cards that can take the job; INT64_MAX: not known */
    bool gpu_fits;         /* there is such a card */
    bool too_small;        /* a live card is excluded by its memory alone */
};

/* More than that is nonsense. */
#define MEMORY_MAX_BYTES ((int64_t)1 << 50)

enum memory_step {
    MEMORY_OTHER,  /* it says nothing about memory: an attempt like any other */
    MEMORY_FRESH,  /* once more, in a fresh Blender */
    MEMORY_LARGER, /* on a card with more */
    MEMORY_CPU,    /* on a CPU worker */
    MEMORY_NONE    /* nobody here has more: the frame fails */
};

/* Is the card of this class known to be too small for the job? false for CPU workers. */
bool memory_excludes(const struct job *job, const struct class *class);

/* May a CPU worker take frames of this job whose others are rendered on GPUs? */
bool memory_allows_cpu(const struct job *job);

/* Those that it may take are only the ones that are too large for every card. */
bool memory_large_only(const struct job *job, const struct class *class);

/* May a worker of this class try the frame, as far as memory goes? */
bool memory_frame_fits(const struct job *job, const struct frame *frame, const struct class *class);

/* Among the frames that ran out: has this class memory enough for one? */
bool memory_any_large(const struct job *job, const struct class *class);

/* Does this CPU worker hold such a frame? What made the job fit it waits no longer then. */
bool memory_holds_large(const struct worker *worker);

/* A frame that ran out comes back: into its place among the others. */
void memory_requeue(struct job *job, struct frame *frame);

/* An attempt ended so; what follows. Notes what it says about job and frame. */
enum memory_step memory_ran_out(queue_t *self, struct job *job, struct frame *frame,
                                const struct worker *worker, const struct queue_report *report);

/* A frame of the job is done: what it took. */
void memory_done(queue_t *self, struct job *job, const struct worker *worker,
                 const struct queue_report *report);

/* A person tries again: only what was measured still counts. true: something was forgotten. */
bool memory_forget(queue_t *self, struct job *job);

/* "needs more than 24 GiB of GPU memory; the largest card here has 24 GiB", new text. short_bytes:
 * of a frame; 0 = of the job. */
char *memory_text(queue_t *self, const struct job *job, int64_t short_bytes);

/* Do frames wait that no worker here has the memory for? */
bool memory_wanting(queue_t *self, struct job *job);

/* More than a card may have without being enough for all that waits, as far as is known. */
int64_t memory_needed(const struct job *job);

/* "24 GiB", "7.5 GiB", "512 MiB"; new text. */
char *memory_size(int64_t bytes);

#endif
