#ifndef TESTS_BROKER_QUEUE_SIM_H
#define TESTS_BROKER_QUEUE_SIM_H

/*
 * sim - a queue with a ledger in memory and workers that are plain structs
 *
 * The ledger is built from the changes alone, so that a restart (sim_restart) proves that the
 * changes say everything. Each change is held against the tables of life cycles on its way.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/queue/map.h"
#include "broker/queue/queue.h"

enum { SIM_HELD = 16, SIM_EVENTS = 512 };

struct sim_held {
    struct queue_grant grant;
    enum claim_phase phase;
};

struct sim_worker {
    char id[33];
    char name[64];
    enum device_kind kind;
    const char *versions[4]; /* NULL-terminated; "3.4.1" when empty */
    bool no_denoiser, no_sweeps;
    const char *host;  /* "host" when NULL */
    json_t *telemetry; /* owned, or NULL */
    struct queue_rest_reason rest;
    const char *device_name; /* for people, or NULL */
    int64_t memory_bytes;    /* of a card; 0: it does not say */
    unsigned ways;           /* device_types_bit of its cards; likewise */
    bool draws_shared;
    int64_t largest_bytes;
    int64_t cards, regroups;      /* 0: it does not say */
    struct queue_process process; /* said in READY */
    struct queue_process written; /* as the ledger has it; start 0: it has none */
    int64_t session, seq, seen, job;
    int64_t opened; /* by READY; it knows of it only by the answer */
    struct sim_held held[SIM_HELD];
    size_t held_count;
    struct queue_report reports[QUEUE_REPORTS];
    size_t report_count;
    int want;
    bool leave;
    bool answered;              /* since the last send */
    struct queue_answer answer; /* the last one */
};

struct sim {
    queue_t *queue;
    struct queue_now now;
    int64_t first_session;
    struct map jobs;   /* job -> struct job_row * */
    struct map frames; /* job << 32 | frame -> struct frame_row * */
    struct map metas;  /* by first letter */
    enum event_word events[SIM_EVENTS];
    size_t event_count; /* ever; the list turns */
    struct sim_worker *workers[64];
    size_t worker_count;
    bool lose_answers;
    bool retrying;    /* done frames may go back to waiting */
    int64_t wrong;    /* the last frame that a look found wrong: it may, too */
    char text[256];   /* of the last event */
    char failed[256]; /* of the last frame-error */
};

void sim_open(struct sim *self);
void sim_close(struct sim *self);

/* queue_turn, the changes into the ledger, the answers to the workers. */
void sim_turn(struct sim *self);

/* Forget the queue with what it has not written, load a new one from the ledger. */
void sim_restart(struct sim *self);

void sim_pass(struct sim *self, int64_t ms);
bool sim_event(const struct sim *self, enum event_word word); /* seen since sim_open? */
size_t sim_events(const struct sim *self, enum event_word word);

/* Specs and what inspection finds. options is taken and may be NULL. */
json_t *sim_spec(const char *file, json_t *options);
json_t *sim_found(int32_t start, int32_t end);
json_t *sim_found_at(int32_t start, int32_t end, const char *head);

/* Submit, inspect with a worker of its own, and be active: the number of the job. */
int64_t sim_active(struct sim *self, const char *file, int32_t start, int32_t end, json_t *options);
/* The same with what was found, and questions (taken, may be NULL); whatever state follows. */
int64_t sim_inspected(struct sim *self, const char *file, json_t *found, json_t *questions,
                      json_t *options);
int64_t sim_submit(struct sim *self, const char *file, json_t *options);

struct sim_worker *sim_worker(struct sim *self, const char *name);
void sim_ready(struct sim *self, struct sim_worker *worker);
int sim_sync(struct sim *self, struct sim_worker *worker);
/* Sync and turn. */
void sim_step(struct sim *self, struct sim_worker *worker);
/* Until it holds a claim; fails the test otherwise. Its place in held. */
size_t sim_get(struct sim *self, struct sim_worker *worker);
void sim_report(struct sim_worker *worker, size_t held, enum report_what what);
void sim_error(struct sim_worker *worker, size_t held, const char *code, bool fatal);

struct job_view sim_job(struct sim *self, int64_t job);
struct frame_row sim_frame(struct sim *self, int64_t job, int32_t frame);

/* Counters equal frames, the ledger equals the queue, no frame has two claims. */
void sim_check(struct sim *self);

#endif
