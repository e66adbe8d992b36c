#ifndef BROKER_QUEUE_STATE_H
#define BROKER_QUEUE_STATE_H

/*
 * state - what the queue's modules share among themselves; nobody outside broker/queue includes it
 *
 * Who owns what: the queue owns jobs, workers, classes; a job owns its frames; a worker (one per
 * worker id, with a session or, after a restart, still without) owns its claims. Pointers between
 * them are borrowed and stay valid as long as both ends live: frames and jobs do not move.
 */

#include "broker/queue/gauges.h"
#include "broker/queue/groups.h"
#include "broker/queue/host.h"
#include "broker/queue/link.h"
#include "broker/queue/map.h"
#include "broker/queue/memory.h"
#include "broker/queue/pause.h"
#include "broker/queue/queue.h"
#include "broker/queue/recall.h"
#include "broker/queue/sweep.h"
#include "proto/cleanup.h"
#include "proto/order.h"
#include "proto/ranges.h"

enum {
    CLAIMS_MAX = 4,   /* of a session: one rendering, one ahead, two in proof */
    UNPROVEN_MAX = 2, /* rendering and ahead */
    ATTEMPTS_DEFAULT = 3,
    BLOCK_FAILURES = 3,   /* running, of one worker in one job */
    FAILING_FAILURES = 4, /* running, over two jobs or more */
    VERDICTS_MAX = 16,
    SWEEPS_MAX = 3, /* of the piece that ends a job */
    TIMES_KEPT = 63,
    RECENT_CLAIMS = 1 << 18 /* ended claims whose reports may still be repeated; power of two */
};

#define PARK_MIN_MS 1000
#define LEASE_MIN_MS 15000
#define LOOK_FIRST_MS 5000
#define LOOK_MAX_MS 60000
#define LOST_SHOWN_MS 3600000LL
#define REST_FIRST_MS 10000
#define REST_MAX_MS 300000
#define REST_FAILING "failing" /* the code of a worker that fails everything */
#define BLOCK_FIRST_MS 5000
#define BLOCK_MAX_MS 60000
#define KEEP_DEFAULT_MS (30LL * 86400 * 1000)
#define TAKEN_MIN_MS 600000LL

struct job;
struct worker;
struct claim;

/* What is known of a worker name, as long as the queue lives: a worker that starts again is the
 * same. Nothing of it is durable: a restart of the broker tries all of them again. */
struct standing {
    const char *name;
    struct pause rest;       /* in queue.rests while it rests */
    json_t *error;           /* why it rests */
    enum drain_order recall; /* its device was given back */
    json_t *recall_error;
    int failures; /* running: no frame done between */
    int64_t failed_job;
    bool several; /* they are of more than one job */
};

/* What the workers of one name did to one job: from the first failure to the next frame done. */
struct block {
    struct link link; /* in blocks.list */
    const char *name;
    int failures; /* running */
    bool on;
    char *code; /* of the failure that put it on */
};

/* A failure that would come on every frame, as one worker sees it. */
struct verdict {
    char *code;
    const char *name;
};

struct blocks {
    struct job *job;
    struct map by_name; /* address of the kept name -> block */
    struct link list;
    size_t on;
    struct pause pause; /* in queue.block_pauses while one is on */
    struct verdict verdicts[VERDICTS_MAX];
    size_t verdict_count;
};

/* What only frames in trouble or in flight need. */
struct frame_more {
    struct link back; /* in job->back or job->back_tried while waiting */
    struct claim *live;
    json_t *error;
    const char **tried; /* kept words; worker names */
    size_t tried_count;
    int64_t short_bytes; /* ran out of memory on a card of so much; 0 = did not */
    bool fresh;          /* and is to be tried in a fresh Blender */
    bool sighted;
    struct frame_sighting sighting;
    int64_t first_seen_ms;
    int64_t look_ms; /* when a taken frame is looked at again */
    int32_t looks;
    size_t heap_at; /* place in the heap of taken frames, plus one; 0 = not in it */
    struct job *job;
    struct frame *frame;
};

struct frame {
    int32_t number;
    uint8_t state;
    uint8_t outcome;
    bool again;
    uint8_t wrong; /* last looks running that found it wrong */
    int32_t attempts;
    int32_t losses;
    int64_t claim;
    const char *worker;
    int64_t started_at;
    int64_t finished_at;
    int64_t ms;
    int64_t bytes;
    struct frame_more *more; /* NULL for most */
};

/* One combination of abilities: all workers that have it can take the same jobs. */
struct class
{
    enum device_kind device_kind;
    int64_t memory_bytes; /* of its smallest card; 0 = not known */
    unsigned ways;        /* device_types_bit of what its cards can; 0 = not known */
    bool kinds[CLAIM_KINDS];
    int32_t versions[QUEUE_BLENDERS]; /* 304 for 3.4, each once */
    bool denoiser[QUEUE_BLENDERS];
    size_t version_count;
    size_t live;      /* sessions */
    struct link free; /* of worker.hungry: without an assignment, want more than they have */
    size_t free_count;
};

struct output_name {
    char *view;
    char *head;
    int digits;
    char *tail;
};

struct job {
    struct job_row row;
    /* from spec and found */
    int32_t priority;
    int32_t attempts_max;
    struct order order;
    bool overwrite, mix, allow_cpu, strict, ordered, denoise;
    bool by_cycles, draws, cpu_only; /* Cycles; Eevee, Workbench; Open Shading Language */
    unsigned ways;                   /* device_types_bit of those that are wanted; 0 = any */
    int64_t taken_timeout_ms;        /* 0 = by the median */
    const char *name, *file, *scene; /* borrowed from row's JSON */
    struct job *key_next;            /* of the same words_hash of their spec's key */
    struct job *same_next;           /* of the same fingerprint */
    struct job *file_next;           /* of the same words_hash of their file */
    int64_t fingerprint;             /* of what is rendered, see same.c */
    char *output;                    /* for people */
    struct output_name *outputs;
    size_t output_count;
    struct ranges frames;
    bool counted;
    bool reinspect; /* to be inspected again when it is retried */
    int32_t file_version;
    /* frames */
    struct frame ***pages; /* by rank; NULL, and pages of NULL, where nothing has happened */
    size_t page_count;
    size_t row_count;
    struct job_counts counts;
    int64_t cursor; /* first position of the order that may be without a row */
    struct link back;
    struct link back_tried;
    struct memory_need need;
    struct rows_slab *slabs;
    int64_t *times;    /* TIMES_KEPT of them; NULL = no frame is done */
    size_t time_count; /* ever; the place of the next is time_count % TIMES_KEPT */
    int64_t median_ms; /* of times; -1 = none, -2 = to be computed */
    /* work */
    struct claim *live; /* its inspect or sweep claim */
    struct sweeping sweeping;
    struct link workers; /* of worker.on_job */
    size_t worker_count;
    struct link hungry;   /* of worker.hungry */
    struct link incoming; /* of worker.moving_link: told to come over from lower jobs */
    size_t incoming_count;
    bool ready;            /* in queue.ready */
    bool inspectable;      /* in queue.inspect */
    bool sweepable;        /* in queue.sweep */
    bool clearable;        /* in queue.leftovers */
    int64_t blocked_by;    /* job of the same file and scene on the same output; 0 = none */
    struct blocks *blocks; /* NULL for most: no worker has failed it */
    int32_t target;        /* Blender it would be rendered with; 0 = nobody has one */
    int64_t target_generation;
    bool target_bound;
    const char *why_code; /* why nobody here can take it; NULL = somebody can */
    json_t *why;          /* shown while it waits; made when asked for */
    json_t *open;         /* open questions, made when asked for */
};

struct claim {
    int64_t number;
    enum claim_kind kind;
    struct job *job;
    struct frame *frame; /* render only */
    struct worker *worker;
    struct link of_worker;
    enum claim_phase phase;
    bool started;
    int64_t named_seq; /* the last SYNC that named it */
    enum sweep_kind sweep;
    int64_t from, to; /* of a look: ranks, the second is not part of it */
};

/* What the answer to the request that waits says of claims, as far as it is no grant. */
struct owed {
    struct queue_settled settled[QUEUE_REPORTS];
    size_t settled_count;
    int64_t stale[QUEUE_STALES];
    size_t stale_count;
};

struct worker {
    const char *id;
    const char *name;
    struct standing *standing; /* of its name */
    int64_t session;           /* 0 = none yet after a restart */
    int64_t seq;
    const char *host;
    char *device, *device_name; /* the second for people; NULL = none */
    int64_t pid;
    struct queue_process process;
    enum device_kind device_kind;
    bool draws_shared;   /* nobody can choose the card that its Blender draws on */
    struct class *class; /* NULL without a session */
    json_t *versions;
    struct link heard; /* in queue.heard, oldest first */
    int64_t heard_ms;  /* on the clock that stands still while the broker is late */
    int64_t seen;
    int want;
    enum worker_state state;
    int64_t sync_job; /* what the last SYNC named */
    struct link claims;
    size_t claim_count;
    struct job *job; /* assignment */
    struct link on_job;
    struct link hungry;
    struct job *moving; /* to this job of higher priority */
    struct link moving_link;
    bool waits; /* a request of it is to be answered */
    bool ready; /* that request was READY */
    bool say;   /* in queue.say */
    bool last;
    struct link turn; /* in queue.touched or queue.say */
    struct link park; /* in queue.parked */
    int64_t park_ms;
    int64_t order_n;
    bool order_pause, order_back;
    enum drain_order drain, order_drain, order_rest;
    int64_t *order_stop; /* NULL = none */
    size_t order_stops;
    struct owed *owed; /* NULL for most: nothing but a park's end */
    int64_t done;
    char *progress_text;
    int64_t progress_done, progress_total;
    struct gauges gauges; /* of its last SYNC */
    json_t *own_rest;     /* why it rests by its own decision, or NULL */
    struct host_share share;
    struct grouping grouping;
};

struct lost_worker {
    const char *name;
    char *host, *device;
    int64_t pid;
    json_t *versions;
    int64_t done;
    int64_t at_ms;
    struct link link;
};

struct recent_claim {
    int64_t claim;
    int64_t job;
    int32_t frame;
};

struct job_list {
    struct job **items; /* highest priority first, then oldest */
    bool by_age;        /* oldest first, whatever the priority */
    size_t count;
    size_t room;
};

struct queue {
    struct queue_config config;
    struct words names;
    struct words gauge_names;
    int64_t next_claim, next_job, next_session, next_order;
    bool paused;
    enum drain_order drain;
    struct map jobs;
    struct map keyed;          /* words_hash of a spec's key -> the first of its jobs */
    struct map same;           /* fingerprint -> the first of its jobs */
    struct map files;          /* words_hash of a job's file -> the first of its jobs */
    struct job_list all;       /* every job, by age */
    struct job_list held;      /* by age */
    struct job_list ready;     /* active, not blocked, with waiting frames */
    struct job_list inspect;   /* queued */
    struct job_list sweep;     /* output to be looked over, no claim live */
    struct job_list leftovers; /* the same, but only for those who have nothing better to do */
    int64_t sweep_ms;          /* when a look that failed is tried again; 0 = none waits */
    int32_t sweep_frames[QUEUE_LOOKS];
    int64_t *sweep_live;
    struct map claims;
    struct recent_claim *recent;
    struct map sessions;  /* session -> worker */
    struct map ids;       /* address of the kept id -> worker */
    struct map by_name;   /* address of the kept name -> the worker that came last */
    struct map standings; /* address of the kept name -> its standing */
    struct map hosts;     /* address of the kept name of a machine -> struct host */
    struct pauses rests;
    struct pauses block_pauses;
    struct groups groups;
    size_t rest_count, recall_count; /* names */
    size_t own_rest_count;           /* workers */
    struct link heard;
    int64_t extended_ms;
    struct link parked;
    struct link touched;
    struct link say;
    struct link lost;
    struct class **classes;
    size_t class_count;
    int64_t class_generation;
    size_t session_count, inspector_count, inspect_count;
    json_t *versions;      /* the Blenders of the worker that came last, or NULL */
    struct worker *drying; /* runs dry, to do an inspection that nobody else can */
    struct frame **taken;  /* heap by look_ms */
    size_t taken_count, taken_room;
    int64_t render_claims;
    int64_t keep_check_ms; /* when to look for jobs older than keep */
    bool work;             /* something came up that somebody who waits might take */
    int64_t *closed;
    size_t closed_count, closed_room;
    struct change *changes;
    size_t change_count, change_room;
    size_t meta_claim, meta_job; /* places of their changes in the list, plus one */
};

/* ---- change.c ---- */
void change_job(queue_t *self, const struct job *job, int from);
void change_job_delete(queue_t *self, int64_t job);
void change_frame(queue_t *self, struct job *job, const struct frame *frame, int from,
                  json_t *proof);
void change_frame_delete(queue_t *self, int64_t job, int32_t frame);
void change_meta(queue_t *self, const char *key, int64_t value);
/* NULL: it has ended. id is a kept word. */
void change_worker(queue_t *self, const char *id, const struct queue_process *process);

/* What an event is about. */
struct event_place {
    int64_t job;
    int32_t frame;
    const char *worker;
};
struct event_place event_of(const struct job *job, const char *worker); /* both may be NULL */
struct event_place event_of_frame(const struct job *job, int32_t frame, const char *worker);
/* text is taken, NULL = none */
void change_event(queue_t *self, struct queue_now now, enum event_word word,
                  struct event_place place, char *text);
int64_t change_next_claim(queue_t *self);
int64_t change_next_job(queue_t *self);

/* ---- rows.c: the frames of a job ---- */
struct frame *rows_get(const struct job *job, int32_t number);
/* NULL: the job has no such frame, or it has a row. */
struct frame *rows_make(struct job *job, int32_t number);
/* The first row at or after *rank, which becomes its rank. NULL = none. */
struct frame *rows_from(const struct job *job, int64_t *rank);
/* One row after the other, in no order; *at begins with {0}. NULL after the last. */
struct rows_place {
    struct rows_slab *slab;
    size_t next;
    bool begun;
};
struct frame *rows_each(const struct job *job, struct rows_place *at);
/* The frame list is another one: find the rows by their new ranks. Those that are not in it any
 * more are handed to gone, which must not look for rows. */
void rows_rank_anew(queue_t *self, struct job *job,
                    void (*gone)(queue_t *self, struct job *job, struct frame *frame));
struct frame_more *rows_more(struct job *job, struct frame *frame);
void rows_less(struct frame *frame);
void rows_clear(struct job *job);
void rows_export(const struct job *job, const struct frame *frame, struct frame_row *out);
/* The only place that sets a frame's state; counters, lists and the change follow. */
void frame_move(queue_t *self, struct job *job, struct frame *frame, enum frame_state to,
                json_t *proof);
/* Undo what attempts did: for retry. */
void frame_reset(struct frame *frame);
void rows_try_add(struct frame_more *more, const char *name);
bool rows_tried(const struct frame *frame, const char *name);
/* The frame that comes next for this worker: made if it had no row; NULL = none for it. */
struct frame *rows_next(queue_t *self, struct job *job, const struct worker *worker);
void rows_add_time(struct job *job, int64_t ms);
int64_t rows_median(struct job *job);
void rows_requeue(struct job *job, struct frame *frame);
/* Do frames wait that workers of this class may take? */
bool rows_waiting_for(struct job *job, const struct class *class);

/* ---- taken.c: frames in somebody else's hands ---- */
void taken_add(queue_t *self, struct frame *frame);
void taken_remove(queue_t *self, struct frame *frame);
void taken_sight(queue_t *self, struct queue_now now, struct job *job, struct frame *frame,
                 const struct frame_sighting *sighting);
void taken_turn(queue_t *self, struct queue_now now);
bool taken_abandoned(struct job *job, const struct frame *frame, struct queue_now now);

/* ---- list.c: sorted lists of jobs ---- */
void list_add(struct job_list *self, struct job *job);
void list_remove(struct job_list *self, struct job *job);
/* Place of the first that sorts after job, which may have left the list. */
size_t list_after(const struct job_list *self, const struct job *job);

/* ---- job.c ---- */
/* job_from_spec fills the plain members; text (static or of *fault) says what is wrong. */
struct job *job_new(const struct job_row *row);
void job_free(struct job **self_p);
int job_from_spec(struct job *job, const char **text);
int job_set_found(queue_t *self, struct job *job, json_t *found, const char **text);
/* It is to be inspected again. */
void job_drop_found(queue_t *self, struct queue_now now, struct job *job);
/* As the row of the ledger has it. */
int job_load_found(queue_t *self, struct job *job, const char **text);
void job_move(queue_t *self, struct queue_now now, struct job *job, enum job_state to);
void job_changed(queue_t *self, struct job *job); /* row without a move */
/* After anything that may change what lists it belongs to: ready, inspect, sweep, its end. */
void job_review(queue_t *self, struct queue_now now, struct job *job);
void job_set_error(struct job *job, const char *code, const char *text, const char *hint);
void job_warn(struct job *job, const char *code, const char *text);
/* Fails as a whole. */
void job_stop(queue_t *self, struct queue_now now, struct job *job);
struct job *job_find(const queue_t *self, int64_t number); /* not what is removed */
int64_t job_live(const struct job *job);
bool job_all_ended(const struct job *job);
json_t *job_option(const struct job *job, const char *key);
void job_set_kept(struct job *job, const char *kept);
void job_delete(queue_t *self, struct job *job);
/* Wake its workers: their orders may have changed. */
void job_touch_workers(queue_t *self, struct job *job);

/* ---- end.c ---- */
/* After the end of any claim of the job; the job may be gone then. */
void job_claim_ended(queue_t *self, struct queue_now now, struct job *job);
/* The sweep is over, with trouble (text) or not; the job may be gone then. */
void job_swept(queue_t *self, struct queue_now now, struct job *job, const char *trouble);
bool job_remove_if_idle(queue_t *self, struct job *job);
void job_set_priority(queue_t *self, struct queue_now now, struct job *job, int32_t priority);

/* ---- submit.c, steer.c ---- */
void job_retry(queue_t *self, struct queue_now now, struct job *job); /* one that has ended */
void job_reread(queue_t *self, struct job *job); /* after its spec has changed */
void job_forget(queue_t *self, struct queue_now now, struct job *job);
int queue_say_no(struct queue_error *error, const char *code, const char *text, const char *hint);

/* ---- questions.c ---- */
json_t *questions_open(queue_t *self, struct job *job); /* borrowed; [] = none */
void questions_forget(struct job *job);
/* Does one of these flags (none: acceptance of warnings) speak to a question that is open? */
bool questions_answered_by(queue_t *self, struct job *job, const json_t *options);
/* Inspected, accepted, resumed, retried: becomes active, or held when something is open. */
void questions_settle(queue_t *self, struct queue_now now, struct job *job);

/* ---- owner.c: who owns an output ---- */
void owner_add(queue_t *self, struct job *job);
void owner_remove(queue_t *self, struct job *job);
/* The unfinished job of another file or scene that has one of its names, or NULL. */
struct job *owner_other(queue_t *self, struct job *job);
/* Of the older active jobs of the same file and scene that have one of its names, the first; or
 * NULL. */
struct job *owner_elder(queue_t *self, struct job *job);
bool owner_overlap(const struct job *a, const struct job *b);
/* A job has become active: those that wait for it may be the older ones now. */
void owner_joined(queue_t *self, struct queue_now now, struct job *job);
/* A job has left an output: let those in that waited for it. */
void owner_left(queue_t *self, struct queue_now now, struct job *job);

/* ---- fit.c ---- */
struct class *fit_class(queue_t *self, const struct queue_ready *ready);
bool fit_class_job(queue_t *self, struct job *job, const struct class *class);
void fit_bind(queue_t *self, struct job *job, const struct class *class);
size_t fit_free(queue_t *self, struct job *job);
/* Has the class a Blender for it? */
bool fit_version_fits(const struct job *job, const struct class *class);
bool fit_gpu_bound(const struct job *job); /* its frames are rendered on GPUs, to match */
int32_t fit_version(const char *text);
enum fit_whom {
    FIT_THERE,     /* live, neither resting nor leaving */
    FIT_UNBLOCKED, /* and not blocked for the job */
    FIT_LATER,     /* live and not blocked, but it may be resting */
    FIT_WILLING    /* and at work or asking for some, and what waits is for them, too */
};
/* Does a worker of another name than this one (NULL: any) fit the job? Looks at one worker after
 * the other: for failures and pauses, not for claims. */
bool fit_other(queue_t *self, struct job *job, const char *name, enum fit_whom whom);

/* ---- failure.c: what an attempt that ended badly means ---- */
enum failure_scope {
    FAILURE_FRAME,   /* this frame, this time */
    FAILURE_JOB,     /* every frame of the job */
    FAILURE_MACHINE, /* every frame on this machine */
    FAILURE_FILE     /* the .blend is not what was submitted */
};
enum failure_scope failure_scope(const char *code, bool fatal);
bool failure_of_memory(const char *code);
/* What follows for worker and job of an attempt that ended so; true: the job is to be stopped.
 * The frame has been moved. */
bool failure_judge(queue_t *self, struct queue_now now, struct worker *worker, struct job *job,
                   const struct queue_report *report);
/* A frame of the job needs more memory than the worker has: that says nothing about the worker. */
void failure_too_large(queue_t *self, struct queue_now now, struct worker *worker, struct job *job,
                       const struct queue_report *report);
/* The worker was lost while it rendered a frame of the job. */
void failure_lost(queue_t *self, struct queue_now now, struct worker *worker, struct job *job);
/* The worker has finished a frame of the job. */
void failure_over(queue_t *self, struct queue_now now, struct worker *worker, struct job *job);

/* ---- rest.c: workers whose machine is in trouble get no frames for a while ---- */
struct standing *rest_standing(queue_t *self, const char *name); /* a kept one; made if new */
void rest_free(queue_t *self);
bool rest_on(const struct worker *worker); /* for whatever reason */
void rest_begin(queue_t *self, struct queue_now now, struct worker *worker,
                const struct queue_report *why);
int64_t rest_until(const struct worker *worker, struct queue_now now); /* wall ms; 0 = unknown */
/* It says that it rests, until it does not say so any more (why NULL). */
void rest_own(queue_t *self, struct queue_now now, struct worker *worker,
              const struct queue_rest_reason *why);
/* Of those that rest so and fit the job the reason of one, or NULL; borrowed. */
json_t *rest_own_first(queue_t *self, struct job *job);
/* It has finished a frame: the next rest is a short one. */
void rest_done(queue_t *self, struct worker *worker);
void rest_turn(queue_t *self, struct queue_now now);
/* Of those that rest and fit the job the one that goes on first, or NULL. */
const struct standing *rest_first(queue_t *self, struct job *job);

/* ---- block.c: workers that fail a job leave it to others ---- */
bool block_on(const struct job *job, const char *name);
/* The newest that is on, or NULL. */
const struct block *block_last(const struct job *job);
/* A failure more of this worker in this job. */
void block_fail(queue_t *self, struct queue_now now, struct job *job, const char *name,
                const char *code);
/* It says that every frame would fail. true: so does another, or there is no other. */
bool block_agree(queue_t *self, struct queue_now now, struct job *job, const char *name,
                 const char *code);
/* It has finished a frame of the job. */
void block_done(queue_t *self, struct queue_now now, struct job *job, const char *name);
/* Forget what the workers did to the job, without a word. true: one was blocked. */
bool block_forget(queue_t *self, struct job *job);
void block_free(struct job *job);
void block_turn(queue_t *self, struct queue_now now);

/* ---- claim.c ---- */
struct claim *claim_grant(queue_t *self, struct worker *worker, enum claim_kind kind,
                          struct job *job, struct frame *frame);
struct claim *claim_restore(queue_t *self, struct worker *worker, int64_t number,
                            enum claim_kind kind, struct job *job, struct frame *frame);
/* Ends the claim: out of all lists, remembered for repeated reports, freed. */
void claim_end(queue_t *self, struct claim *claim);
/* Ends it because its worker gave it back, was lost, or left. */
void claim_give_up(queue_t *self, struct queue_now now, struct claim *claim,
                   enum claim_outcome outcome, const char *text);
void claim_remember(queue_t *self, int64_t claim, int64_t job, int32_t frame);

/* ---- report.c ---- */
/* true = accepted, false = stale */
bool report_apply(queue_t *self, struct queue_now now, struct worker *worker,
                  const struct queue_report *report);

/* ---- assign.c ---- */
void assign_job(queue_t *self, struct queue_now now, struct worker *worker, struct job *job);
void assign_fill(queue_t *self, struct queue_now now, struct worker *worker);
void assign_turn(queue_t *self, struct queue_now now);
/* Do its host, its cards and who else draws there let it open the job? */
bool assign_has_room(queue_t *self, const struct job *job, struct worker *worker);
bool assign_back(queue_t *self, const struct worker *worker); /* the order `return` */
void assign_no_longer_hungry(queue_t *self, struct worker *worker);
void assign_stop_moving(struct worker *worker);
void assign_cancel_incoming(queue_t *self, struct job *job);
size_t assign_unproven(const struct worker *worker);

/* ---- worker.c ---- */
struct worker *worker_new(queue_t *self, const char *id);
/* Ends the session or, after a restart, the claims of nobody. outcome: returned or lost. */
void worker_end(queue_t *self, struct queue_now now, struct worker *worker,
                enum claim_outcome outcome);
void worker_free(struct worker **self_p);
void worker_join_class(queue_t *self, struct worker *worker, struct class *class);
void worker_leave_class(queue_t *self, struct worker *worker);
void worker_closed(queue_t *self, int64_t session);
void worker_lost_free(struct lost_worker **self_p);
void worker_touch(queue_t *self, struct worker *worker);
struct owed *worker_owed(struct worker *worker); /* made if it was not there */
void worker_owes_nothing(struct worker *worker);
/* It works on a claim that has ended: say so with its answer, if it waits for one. */
void worker_stale(queue_t *self, struct worker *worker, int64_t claim);
void worker_heard(queue_t *self, struct queue_now now, struct worker *worker);
void worker_forget_lost(queue_t *self, const char *name, int64_t before_ms);

int64_t talk_park(const queue_t *self);
int64_t talk_lease(const queue_t *self);
void talk_turn(queue_t *self, struct queue_now now);

#endif
