#ifndef BROKER_STORE_H
#define BROKER_STORE_H

/*
 * store - the ledger: jobs, frames, events and answered requests in one SQLite file
 *
 * The queue decides, the store writes: store_apply puts one turn's changes on disk in one
 * transaction and is safe to repeat when it failed. The file is locked for this process while it
 * is open (locking_mode=EXCLUSIVE), so that two brokers never work on one ledger. Calls return 0,
 * a STORE_* outcome, or a negative errno as of sql.h. Nothing in here logs.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/queue/queue.h"

typedef struct store store_t;

enum store_outcome {
    STORE_OK,
    STORE_NONE,    /* no such row */
    STORE_REFUSED, /* a newer ledger, a damaged one, or a file that is none: see the text */
    STORE_HELD,    /* another broker has it: see the text */
};

enum store_mode {
    STORE_SERVE, /* create and migrate as needed */
    STORE_LOOK,  /* for --check: neither */
};

/* An answered request, so that sent twice is done once. Pointers are borrowed for the call. */
struct store_request {
    const char *key;
    const char *hash;     /* of what was asked */
    const json_t *answer; /* the body that was, or will be, sent */
    int64_t at_ms;        /* wall clock */
};

struct store_event {
    int64_t id;
    int64_t at_ms;
    const char *event;
    int64_t job;   /* 0: none */
    int32_t frame; /* EVENT_NO_FRAME: none */
    const char *worker;
    const char *text;
};

/* Which events: all zero is all of them from the start. */
struct store_filter {
    int64_t after;  /* ids above this */
    int64_t job;    /* 0: any */
    bool one_frame; /* only those of frame */
    int32_t frame;
    int limit; /* at most so many */
};

/*
 * Open the ledger at path. On STORE_REFUSED and STORE_HELD *text is one line for people that
 * names the file and says what to do; the caller frees it.
 */
int store_open(const char *path, enum store_mode mode, store_t **out, char **text);

/* Close and set *self_p to NULL. Safe on NULL and on a half-opened store. */
void store_close(store_t **self_p);

/* The process that has the ledger at path open, 0 = nobody that can be told. */
pid_t store_holder(const char *path);

/* Does path lie on a network file system, whose locks and fsync cannot be trusted? */
bool store_on_network(const char *path);

/* The farm id: 16 hex digits, made with the ledger. */
const char *store_farm(const store_t *self);

/* Give all that is known to the queue. On STORE_REFUSED *text says which row cannot be. */
int store_load(store_t *self, queue_t *queue, char **text);

/* The row that store_load refused; job 0: none. frame is EVENT_NO_FRAME for that of a job. */
struct store_row {
    int64_t job;
    int32_t frame;
};
struct store_row store_refused(const store_t *self);

/*
 * Write changes and requests in one transaction; on 0 they are on disk. After a failure nothing
 * of it is there, or all of it (a failed fsync cannot be told apart), and the same call made
 * again is right in both cases.
 */
int store_apply(store_t *self, const struct change *changes, size_t change_count,
                const struct store_request *requests, size_t request_count);

/* Why the last store_apply failed, in SQLite's words. Borrowed until the next one. */
const char *store_why(const store_t *self);

/* The id of the newest event that is on disk, 0 = none. */
int64_t store_last_event(const store_t *self);

/* Visit events in order of id until visit returns false. Pointers live for the call of visit. */
int store_events(store_t *self, const struct store_filter *filter,
                 bool (*visit)(void *arg, const struct store_event *event), void *arg);

/* The answer to key and the hash of what it answered. STORE_NONE. Both are the caller's. */
int store_request(store_t *self, const char *key, char **hash, json_t **answer);

/* The proof of a frame, an array of files. STORE_NONE. *out is the caller's. */
int store_proof(store_t *self, int64_t job, int32_t frame, json_t **out);

/* What is known of a published picture: {path, digest, size, mtime_ns, inode}. STORE_NONE. */
int store_picture(store_t *self, const char *path, json_t **out);

/*
 * Forget answers older than request_ms and events older than event_ms (both wall clock), at most
 * STORE_PRUNE_ROWS of each, so that no turn is long. *more: call again soon.
 */
enum { STORE_PRUNE_ROWS = 2000 };
int store_prune(store_t *self, int64_t request_ms, int64_t event_ms, bool *more);

/* Visit one line of text for each thing that is wrong; 0 also when there were some. */
int store_verify(store_t *self, void (*visit)(void *arg, const char *text), void *arg);

/* Count rows by state: visit(arg, "done", 12). table is "job" or "frame". */
int store_count_states(store_t *self, const char *table,
                       void (*visit)(void *arg, const char *state, int64_t count), void *arg);

/* Number of rows of a table of the ledger. */
int store_count(store_t *self, const char *table, int64_t *out);

#endif
