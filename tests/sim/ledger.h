#ifndef TESTS_SIM_LEDGER_H
#define TESTS_SIM_LEDGER_H

/*
 * ledger - what the broker has put on disk, kept beside it
 *
 * A transaction is applied here when it is given to the store. Once the store says that it is on
 * disk it must be there after any crash; until then the disk may have all of it or nothing.
 */

#include <stdbool.h>

#include "broker/queue/change.h"
#include "tests/sim/oracle_parts.h"

struct ledger_frame {
    struct frame_row row; /* without its names */
    char worker_id[ID_SIZE];
    char worker[NAME_SIZE];
};

struct ledger_job {
    struct job_row row; /* without its names */
    int32_t attempts_max;
    char worker_id[ID_SIZE];
    char worker[NAME_SIZE];
};

void ledger_open(void);
void ledger_close(void);

/* NULL: no row. */
const struct ledger_job *ledger_job(int64_t job);
const struct ledger_frame *ledger_frame(int64_t job, int32_t frame);
int64_t ledger_meta(const char *key); /* 0: none */
int64_t ledger_rows(int64_t job);
int64_t ledger_jobs(void);

/*
 * A transaction: begin, apply its changes, then commit. One that was not committed may be on disk
 * all the same: the same broker tries it again (undo, then begin), another one may read it, and
 * a power cut take it away even then. The next commit makes sure of all of them.
 */
void ledger_begin(void);
void ledger_apply(const struct change *change);
void ledger_commit(void);
void ledger_undo(void);
bool ledger_unsure(void); /* this broker has begun one and not committed it */

/* A restart reads the rows; then it must have read exactly what is here. NULL: so it is. */
void ledger_expect_load(void);
void ledger_loaded_meta(const char *key, int64_t value);
void ledger_loaded_job(const struct job_row *row);
void ledger_loaded_frame(const struct frame_row *row);
const char *ledger_check_load(void);

#endif
