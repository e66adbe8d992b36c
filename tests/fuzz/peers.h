#ifndef TESTS_FUZZ_PEERS_H
#define TESTS_FUZZ_PEERS_H

/*
 * peers - workers and submitters as the input wants them: near enough to real ones to get far
 *
 * A worker keeps what it was granted and reports on it as the input says, loses answers, sends
 * again, comes back under another session. Every answer is held against what was asked.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/envelope.h"
#include "tests/fuzz/fuzz.h"

enum { PEERS_WORKERS = 4, PEERS_SUBMITTERS = 2, PEERS_HELD = 12, PEERS_REPORTS = 8 };

/* Forget everything: a new input begins. */
void peers_reset(void);

/* The body of a message, as the bytes of the input say; the caller's. */
json_t *peers_ready(size_t worker, struct fuzz_bytes *bytes);
json_t *peers_sync(size_t worker, struct fuzz_bytes *bytes);
json_t *peers_submit(struct fuzz_bytes *bytes);
json_t *peers_change(struct fuzz_bytes *bytes);
json_t *peers_read(struct fuzz_bytes *bytes);

/* A new request of a peer: where its answer goes. */
struct envelope_address peers_ask(bool is_worker, size_t peer, const json_t *body);

/* Its next answer is lost on the way; or the peer is gone, until it asks again. */
void peers_lose(size_t worker);
void peers_leave(size_t worker);

/* The broker was killed: it need not answer what it was asked before. */
void peers_broker_gone(void);

/* An answer came, as of seams_sent. */
int peers_answered(bool is_worker, const struct envelope_address *to, const void *body,
                   size_t size);

/* Has the last request of this submitter its answer? */
bool peers_has_answer(size_t submitter);

/* Messages of the broker to workers that can be held against claims: who was granted which. */
int peers_owner(int64_t claim);

#endif
