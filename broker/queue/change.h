#ifndef BROKER_QUEUE_CHANGE_H
#define BROKER_QUEUE_CHANGE_H

/*
 * change - what a call of the queue changed: the list that the store writes in one transaction
 *
 * Changes are values in the order in which they happened; a later one of the same row wins. They
 * stay until queue_changes_clear: a transaction that failed is simply tried again.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/queue/frame.h"
#include "broker/queue/job.h"
#include "broker/queue/session.h"

enum change_kind {
    CHANGE_JOB_PUT,       /* insert or replace the row of job.job */
    CHANGE_JOB_DELETE,    /* delete the row of id and all frame rows of it */
    CHANGE_FRAME_PUT,     /* insert or replace; see frame.h for proof */
    CHANGE_FRAME_DELETE,  /* as.frame: job and frame only */
    CHANGE_META,          /* put meta key = value */
    CHANGE_WORKER_PUT,    /* insert or replace the process of a worker id */
    CHANGE_WORKER_DELETE, /* that process has no claims any more */
    CHANGE_EVENT          /* append to the event log */
};

/* The words of the event log. */
enum event_word {
    EVENT_JOB_ADDED,
    EVENT_JOB_INSPECTED,
    EVENT_JOB_HELD,
    EVENT_JOB_ACCEPTED,
    EVENT_JOB_PAUSED,
    EVENT_JOB_RESUMED,
    EVENT_JOB_RETRIED,
    EVENT_JOB_CANCELLED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_DONE,
    EVENT_JOB_FAILED,
    EVENT_BROKER_STARTED, /* the four of broker and farm are the loop's to write */
    EVENT_BROKER_STOPPED,
    EVENT_FARM_STARTED,
    EVENT_FARM_STOPPED,
    EVENT_FARM_NOTICE, /* what it is about to do with the machine */
    EVENT_WORKER_STARTED,
    EVENT_WORKER_STOPPED,
    EVENT_WORKER_LOST,
    EVENT_WORKER_RESTING,
    EVENT_WORKER_WOKEN,   /* by a person; a rest that ends by itself is none */
    EVENT_WORKER_BLOCKED, /* for the event's job */
    EVENT_WORKER_UNBLOCKED,
    EVENT_RENDER_STARTED,
    EVENT_RENDER_RETURNED,
    EVENT_FRAME_STARTED,
    EVENT_FRAME_DONE,
    EVENT_FRAME_KEPT,
    EVENT_FRAME_TAKEN,
    EVENT_FRAME_RETURNED,
    EVENT_FRAME_ERROR,
    EVENT_FRAME_FAILED,
    EVENT_FRAME_CANCELLED,
    EVENT_FRAME_WRONG,
    EVENT_JOB_VERIFIED,
    EVENT_WORDS
};

enum { EVENT_NO_FRAME = INT32_MIN };

struct change_event {
    enum event_word word;
    int64_t at;         /* wall ms */
    int64_t job;        /* 0 = none */
    int32_t frame;      /* EVENT_NO_FRAME = none */
    const char *worker; /* name, lives as long as the queue; NULL = none */
    char *text;         /* one line for people, owned by the change; NULL = none */
};

struct change {
    enum change_kind kind;
    int from; /* puts: the state before; the same = the row changed without a move */
    union {
        struct job_row job; /* JSON in it is owned by the change, and so is frame's */
        struct frame_row frame;
        int64_t job_id;
        struct {
            const char *key; /* "claim", "job", "paused", ...: static */
            int64_t value;
        } meta;
        struct {
            const char *id; /* lives as long as the queue */
            struct queue_process process;
        } worker;
        struct change_event event;
    } as;
};

/* "job-added" ... */
const char *event_word_name(enum event_word word);

#endif
