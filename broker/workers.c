#include "broker/workers.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/deaths.h"
#include "broker/json_blocks.h"
#include "broker/sessions.h"
#include "broker/worker_talk.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/json_wire.h"
#include "proto/log.h"
#include "proto/messages.h"
#include "proto/process.h"

/* A lost TCP connection may only be a cable: the worker gets so long to come back. */
enum { REMOTE_DOUBT_MS = 5000 };

/* A local one has ended: what it said last may still be on its way to us. */
enum { LAST_WORDS_MS = 50 };

struct workers {
    struct broker *broker;
    sessions_t *sessions;
    deaths_t *deaths;
};

/* One message on its way through. */
struct letter {
    struct envelope envelope;
    struct sessions_place place;
    const json_t *body;
};

workers_t *workers_new(struct broker *broker)
{
    workers_t *self = alloc_zero(1, sizeof *self);
    json_blocks_keep();
    self->broker = broker;
    self->sessions = sessions_new();
    self->deaths = deaths_new();
    return self;
}

void workers_destroy(workers_t **self_p)
{
    assert(self_p);
    if (*self_p) {
        sessions_destroy(&(*self_p)->sessions);
        deaths_destroy(&(*self_p)->deaths);
        free(*self_p);
        *self_p = NULL;
    }
}

static void forget(workers_t *self, int64_t session)
{
    sessions_forget(self->sessions, session);
    deaths_forget(self->deaths, session);
}

static void drop(workers_t *self, const char *why)
{
    self->broker->dropped.workers++;
    log_debug("drop worker message: %s", why);
}

/* Answers that stand for nothing on disk go out at once; a peer that is gone needs none. */
static void send_now(const struct letter *letter, json_t *answer)
{
    (void)envelope_send_json(letter->place.socket, &letter->place.address, answer);
    json_decref(answer);
}

/* ---- what Blender printed ---- */

struct owned_log {
    size_t blob;
    struct output_attempt attempt;
};

/* Claims end when their report is applied, so whose frame it is must be looked up before. */
static size_t find_owners(workers_t *self, const struct worker_talk_logs *logs,
                          struct owned_log out[QUEUE_REPORTS])
{
    size_t count = 0;
    for (size_t i = 0; i < logs->count; i++) {
        struct owned_log *owned = &out[count];
        *owned = (struct owned_log){ .blob = logs->log[i].blob,
                                     .attempt = { .claim = logs->log[i].claim } };
        if (queue_claim(self->broker->queue, logs->log[i].claim, &owned->attempt.job,
                        &owned->attempt.frame) == QUEUE_OK) {
            count++;
        }
    }
    return count;
}

static void keep_output(workers_t *self, struct queue_now now, struct letter *letter,
                        struct owned_log *owned)
{
    size_t size = 0;
    if (owned->blob >= letter->envelope.blobs) {
        drop(self, "a report promised output that is not there");
        return;
    }
    const char *text = envelope_blob(&letter->envelope, owned->blob, &size);
    struct frame_row row;
    struct output_attempt *attempt = &owned->attempt;
    attempt->at_ms = now.wall_ms;
    attempt->worker = "-";
    if (attempt->frame == EVENT_NO_FRAME) {
        attempt->frame = OUTPUT_NO_FRAME;
    } else if (queue_frame(self->broker->queue, attempt->job, attempt->frame, &row) == QUEUE_OK &&
               row.worker) {
        attempt->worker = row.worker;
    }
    int rc = output_append(self->broker->output, attempt, text, size);
    if (rc < 0) {
        log_warning("keep Blender's output: job=%" PRId64 " frame=%" PRId32 ": %s", attempt->job,
                    attempt->frame, strerror(-rc));
    }
}

/* ---- READY and SYNC ---- */

/* Of a local worker the kernel can tell later whether it still runs. */
static struct queue_process process_of(const workers_t *self, const struct letter *letter,
                                       int64_t pid)
{
    struct queue_process process = { .pid = pid, .boot = self->broker->boot };
    int64_t start = letter->place.remote || pid > INT32_MAX ? -1 : process_start((pid_t)pid);
    if (start > 0 && process.boot > 0) {
        process.start = start;
    }
    return process;
}

static void handle_ready(workers_t *self, struct queue_now now, struct letter *letter)
{
    struct queue_ready ready;
    if (worker_talk_ready(letter->body, &ready) != WORKER_TALK_OK) {
        drop(self, "READY with a word that is none");
        send_now(letter, worker_talk_refused(msg_int_or(letter->body, "seq", 0), "malformed",
                                             "READY is malformed", ""));
        return;
    }
    ready.process = process_of(self, letter, ready.pid);
    int64_t replaced = 0;
    int64_t session = 0;
    if (queue_ready(self->broker->queue, now, &ready, &replaced, &session) != QUEUE_OK) {
        log_debug("ignore READY: worker=%s seq=%" PRId64, ready.name, ready.seq);
        return;
    }
    if (replaced) {
        forget(self, replaced);
    }
    sessions_put(self->sessions, session, &letter->place);
    if (!letter->place.remote) {
        deaths_watch(self->deaths, session, envelope_peer_pid(&letter->envelope));
    }
    log_debug("READY: worker=%s session=%" PRId64, ready.name, session);
}

static void handle_sync(workers_t *self, struct queue_now now, struct letter *letter)
{
    struct queue_sync sync;
    struct worker_talk_logs logs;
    if (worker_talk_sync(letter->body, &sync, &logs) != WORKER_TALK_OK) {
        drop(self, "SYNC with a word that is none");
        return;
    }
    struct owned_log owned[QUEUE_REPORTS];
    size_t count = find_owners(self, &logs, owned);
    int rc = queue_sync(self->broker->queue, now, &sync);
    if (rc == QUEUE_READY_AGAIN) {
        send_now(letter, worker_talk_ready_again(sync.seq));
    } else if (rc == QUEUE_OK) {
        sessions_put(self->sessions, sync.session, &letter->place);
        for (size_t i = 0; i < count; i++) {
            keep_output(self, now, letter, &owned[i]);
        }
    }
}

static void handle_wrong(workers_t *self, const struct letter *letter, int outcome, const char *why)
{
    int64_t seq = msg_int_or(letter->body, "seq", 0);
    drop(self, why);
    if (outcome == MESSAGE_VERSION) {
        send_now(letter, worker_talk_refused(seq, "version", why,
                                             "broker and worker must be of one version"));
    } else if (outcome == MESSAGE_MALFORMED && strcmp(msg_type(letter->body), "READY") == 0) {
        send_now(letter, worker_talk_refused(seq, "malformed", why, ""));
    }
}

static void handle(workers_t *self, struct queue_now now, struct letter *letter)
{
    size_t size = 0;
    const void *bytes = envelope_body(&letter->envelope, &size);
    CLEANUP(cleanup_json) json_t *body = NULL;
    int rc = wire_decode(bytes, size, &wire_worker_limits, &body);
    if (rc != WIRE_OK) {
        drop(self, wire_outcome_name(rc));
        return;
    }
    letter->body = body;
    struct message_fault fault;
    rc = message_check(MESSAGE_FROM_WORKER, body, &fault);
    if (rc != MESSAGE_OK) {
        handle_wrong(self, letter, rc, fault.text);
    } else if (strcmp(msg_type(body), "READY") == 0) {
        handle_ready(self, now, letter);
    } else {
        handle_sync(self, now, letter);
    }
}

int workers_receive(workers_t *self, struct queue_now now, zsock_t *socket, bool remote)
{
    struct letter letter = { .place = { .socket = socket, .remote = remote } };
    int rc = envelope_recv(socket, &envelope_worker_limits, &letter.envelope);
    if (rc == ENVELOPE_MALFORMED) {
        drop(self, "no envelope of a request");
        return rc;
    }
    if (rc != ENVELOPE_OK) {
        return rc;
    }
    letter.place.address = letter.envelope.from;
    handle(self, now, &letter);
    envelope_close(&letter.envelope);
    return ENVELOPE_OK;
}

/* ---- answers ---- */

static void send_answer(workers_t *self, struct queue_now now, const struct queue_answer *answer)
{
    struct broker *broker = self->broker;
    const struct sessions_place *place = sessions_get(self->sessions, answer->session);
    if (!place) {
        return;
    }
    CLEANUP(cleanup_json)
    json_t *body =
        worker_talk_answer(answer, store_farm(broker->store), broker->queue, broker->store);
    int rc = envelope_send_json(place->socket, &place->address, body);
    if (answer->last) {
        forget(self, answer->session);
    } else if (rc == ENVELOPE_GONE) {
        int64_t wait_ms = place->remote ? REMOTE_DOUBT_MS : 0;
        sessions_doubt(self->sessions, answer->session, now.ms + wait_ms);
    } else if (rc != ENVELOPE_OK) {
        /* The worker asks again when its answer is overdue. */
        log_debug("send answer: session=%" PRId64 ": outcome %d", answer->session, rc);
    }
}

void workers_answer(workers_t *self, struct queue_now now)
{
    queue_t *queue = self->broker->queue;
    struct queue_answer answer;
    while (queue_answer_next(queue, now, &answer) == QUEUE_OK) {
        send_answer(self, now, &answer);
    }
    int64_t session = 0;
    while (queue_closed_next(queue, &session) == QUEUE_OK) {
        forget(self, session);
    }
}

int workers_fd(const workers_t *self)
{
    return deaths_fd(self->deaths);
}

void workers_hear_deaths(workers_t *self, struct queue_now now)
{
    int64_t session = 0;
    while (deaths_next(self->deaths, &session)) {
        log_debug("the process of a worker has ended: session=%" PRId64, session);
        sessions_doubt(self->sessions, session, now.ms + LAST_WORDS_MS);
    }
}

void workers_lose(workers_t *self, struct queue_now now)
{
    int64_t session = 0;
    while (sessions_gone(self->sessions, now.ms, &session)) {
        log_debug("session gone: session=%" PRId64, session);
        deaths_forget(self->deaths, session);
        queue_gone(self->broker->queue, now, session);
    }
}

int64_t workers_deadline(const workers_t *self)
{
    return sessions_deadline(self->sessions);
}
