#ifndef BROKER_STORE_PRIVATE_H
#define BROKER_STORE_PRIVATE_H

/*
 * store_private - what the files of the module store share; nobody else includes it
 */

#include <sqlite3.h>

#include "broker/store.h"

/* The statements that are kept prepared. Texts are in store_schema.c, in this order. */
enum store_stmt {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_PUT_JOB,
    STMT_DELETE_JOB,
    STMT_DELETE_FRAMES,
    STMT_PUT_FRAME,
    STMT_PUT_FRAMES, /* STORE_ROWS at once */
    STMT_PUT_PROVEN,
    STMT_DELETE_FRAME,
    STMT_PUT_META,
    STMT_PUT_WORKER,
    STMT_DELETE_WORKER,
    STMT_PUT_EVENT,
    STMT_PUT_EVENTS, /* STORE_ROWS at once */
    STMT_PUT_REQUEST,
    STMT_PUT_PICTURE,
    STMT_GET_DIGEST,
    STMT_GET_REQUEST,
    STMT_GET_PROOF,
    STMT_GET_PICTURE,
    STMT_GET_EVENTS,
    STMT_GET_JOB_EVENTS,
    STMT_PRUNE_REQUESTS,
    STMT_PRUNE_EVENTS,
    STMTS
};

/* Rows of a statement that writes several. */
enum { STORE_ROWS = 8 };

struct store {
    sqlite3 *db;
    sqlite3_stmt *stmt[STMTS];
    char farm[17];
    int64_t last_event;
    struct store_row refused;
    int64_t digest_job; /* whose digest is below, so that it is not looked up for each frame */
    char digest[96];    /* "": its pictures carry it themselves */
    char why[200];      /* a rollback makes SQLite forget it */
};

extern const char *const store_stmt_text[STMTS];

/* PRAGMA application_id of a ledger: "DBLF". */
enum { STORE_APPLICATION = 0x44424c46 };

/* The newest schema this program knows. */
int store_schema_version(void);

/* Bring the schema from version to the newest, one transaction a step. */
int store_migrate(sqlite3 *db, int64_t version);

#endif
