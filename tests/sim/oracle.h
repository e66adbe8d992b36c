#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

/*
 * oracle - what must hold, checked after every step
 *
 * Stands between the broker's modules (linker option --wrap): it sees each transaction on its way
 * to the ledger and keeps what was acknowledged; each row that a restart loads; each answer on
 * its way out. The invariants are those of issue 3: no frame with two live claims, nothing
 * acknowledged lost, states only along the table, attempts within the limit, every job ends,
 * counters equal the frames; and the smaller ones that these rest on.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { ORACLE_JOBS = 32, ORACLE_FRAMES = 64 }; /* jobs 1 .. 31, frames 1 .. 63 */

void oracle_open(void);
void oracle_close(void);

void oracle_broker_starts(void);
void oracle_broker_ended(bool well);

/* After each thing that the broker did. */
void oracle_turn(void);

/* An answer that the broker sends; worker_id: "" when it is not to a worker. */
void oracle_answer(const char *worker_id, const json_t *body);

/* A person asks for what allows moves that nobody makes otherwise. */
enum oracle_leave { LEAVE_RETRY, LEAVE_REMOVE, LEAVE_LOOK, LEAVES };
void oracle_allow(enum oracle_leave leave, int64_t job); /* 0: every job */
bool oracle_allowed(enum oracle_leave leave, int64_t job);

/* A worker lied about this claim: what it reports of it proves nothing. */
void oracle_lie(int64_t claim);

/*
 * A person asks a worker to rest or to go on, and hears whether that is done. ticket: of the
 * asking. Who was told to rest gets no frame until anybody asks it to go on, or the broker starts
 * again.
 */
int64_t oracle_rest_asked(bool rest, const char *name);
void oracle_rest_heard(bool rest, const char *name, bool done, int64_t ticket);
bool oracle_rests(const char *name);

/* Have all jobs ended, and all claims? why: what is left, for people. */
bool oracle_all_over(char *why, size_t size);

/* A job that the ledger has. */
bool oracle_has_job(int64_t job);

/* For the figures at the end. */
struct oracle_figures {
    int64_t grants, accepted, restarts, failed_writes, transactions;
};
extern struct oracle_figures oracle_figures;

#endif
