#ifndef TESTS_SIM_HAND_PARTS_H
#define TESTS_SIM_HAND_PARTS_H

/*
 * hand_parts - a worker of the simulation: what its talk (hand.c) and its work (hand_work.c) share
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/queue/queue.h"
#include "tests/sim/oracle_parts.h"

enum { HELD_MOST = 8, LOOK_MOST = 64 };

struct held {
    int64_t claim;
    enum claim_kind kind;
    enum claim_phase phase;
    int64_t job;
    int32_t frame;
    int file;
    int32_t look[LOOK_MOST]; /* of a sweep: frames whose pictures it looks at */
    size_t look_count;
    bool again;     /* render over what is there */
    bool abandoned; /* the broker says that what was seen is nobody's any more */
    int64_t due_ms; /* its phase is over */
};

struct report {
    int64_t claim;
    json_t *body;
};

#define HAND_GIB ((int64_t)1 << 30)

struct hand {
    char id[ID_SIZE];
    char name[NAME_SIZE];
    enum device_kind kind;
    int64_t memory_bytes; /* of its card; 0: it does not say */
    bool remote;
    bool alive;
    bool liar;
    int64_t life;
    int64_t stopped_until_ms, cut_until_ms;
    int64_t connection;
    uint32_t request;
    bool waiting; /* for the answer to request */
    int64_t overdue_ms;
    int64_t pause_ms;
    int tries;
    int64_t seq, session, seen, job, park_ms;
    bool urgent; /* something to say at once */
    bool paused, back, resting, leaving, left;
    struct held held[HELD_MOST];
    size_t held_count;
    struct report reports[QUEUE_REPORTS];
    size_t report_count;
    int64_t wake_ms; /* the earliest timer that is set; INT64_MAX: none */
};

/* Do what is due. The worker may be dead then. */
void work_do(struct hand *self);

/* A report that ends a claim as returned; only while there is room for it. */
void work_give_back(struct hand *self, const struct held *held);
bool work_has_room(const struct hand *self);

/* The order `rest`: its device is its owner's for a while, or ("") its own again. */
void work_rest(struct hand *self, const char *order);

/* The claim is out of its hands, whatever becomes of it. */
void work_drop(struct hand *self, int64_t claim);

/* A report; the files of a frame. New references. */
json_t *work_new_report(int64_t claim, const char *what);
json_t *work_files(const struct held *held);

/* Dies, see hand_kill. */
void hand_die(struct hand *self);

#endif
