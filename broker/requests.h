#ifndef BROKER_REQUESTS_H
#define BROKER_REQUESTS_H

/*
 * requests - what submitters may ask (PROTOCOL.md, Submitters): one table of {type, handler}
 *
 * A request that changes something is applied while the socket is drained, and its answer goes
 * out after the commit. One that only reads is answered after the commit of its turn, so that it
 * shows nothing that is not on disk. Some readers may wait: their handler is asked again whenever
 * something happened, and a last time when their time is over.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/broker.h"

enum request_kind {
    REQUEST_READ,
    REQUEST_WAIT,   /* reads, and may have no answer yet */
    REQUEST_CHANGE, /* carries a key: sent twice, done once */
};

struct request {
    struct broker *broker;
    struct queue_now now;
    const json_t *body;  /* checked against the message table */
    const json_t *files; /* results of filework, if the type asked for it; else NULL */
    bool last;           /* REQUEST_WAIT: the time is over, answer now */
};

struct request_type {
    const char *type;
    enum request_kind kind;
    int most_wait_ms;     /* REQUEST_WAIT: when the request does not say how long, or longer */
    const char *wait_key; /* where it says it; NULL: it does not */
    json_t *(*handle)(const struct request *request); /* NULL: no answer yet */
    json_t *(*files)(const struct request *request);  /* tasks of filework, to be done before; the
                                                         caller's; NULL: none */
};

/* The entry of a type; NULL for none. */
const struct request_type *requests_find(const char *type);

/* How long this request may be parked. */
int64_t requests_wait_ms(const struct request_type *type, const json_t *body);

/* What names the content of a request: 64 hex digits, whatever order its keys came in. */
enum { REQUESTS_HASH_SIZE = 65 };
void requests_hash(const json_t *body, char out[REQUESTS_HASH_SIZE]);

/* Answer of a reader whom the ledger, or a file beside it, failed; rc is a negative errno. */
json_t *requests_fault(int rc);

/* Answers: OK without keys yet, ERROR. */
json_t *requests_ok(void);
json_t *requests_error(const char *code, const char *text, const char *hint, int64_t job);

/* ---- handlers, by file ---- */

/* request_farm.c */
json_t *request_hello(const struct request *request);
json_t *request_attend(const struct request *request);
json_t *request_workers(const struct request *request);
json_t *request_drain(const struct request *request);
json_t *request_rest(const struct request *request);
json_t *request_stop(const struct request *request);

/* request_jobs.c */
json_t *request_submit(const struct request *request);
json_t *request_pause(const struct request *request);
json_t *request_resume(const struct request *request);
json_t *request_cancel(const struct request *request);
json_t *request_remove(const struct request *request);
json_t *request_retry(const struct request *request);
json_t *request_verify(const struct request *request);
json_t *request_priority(const struct request *request);
json_t *request_accept(const struct request *request);
json_t *request_clear(const struct request *request);
json_t *request_resume_files(const struct request *request);
json_t *request_retry_files(const struct request *request);
json_t *request_verify_files(const struct request *request);

/* request_read.c */
json_t *request_list(const struct request *request);
json_t *request_show(const struct request *request);
json_t *request_list_files(const struct request *request);
json_t *request_show_files(const struct request *request);
json_t *request_frames(const struct request *request);
json_t *request_log(const struct request *request);
json_t *request_wait(const struct request *request);

/* request_output.c */
json_t *request_output(const struct request *request);

#endif
