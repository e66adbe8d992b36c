#include "broker/submitters.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "broker/filework.h"
#include "broker/parked.h"
#include "broker/requests.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/json_wire.h"
#include "proto/log.h"
#include "proto/messages.h"

/* What goes out after the commit: a finished body, or a request that is read then. */
struct outgoing {
    struct envelope_address address;
    json_t *body;                    /* owned: the answer, or the request */
    const struct request_type *read; /* NULL: body is the answer */
};

/* A request that waits for its files to be looked at. */
struct preparing {
    struct envelope_address address;
    const struct request_type *type;
    json_t *body; /* owned */
    char hash[REQUESTS_HASH_SIZE];
    filework_t *work;
    int64_t due_ms;
};

enum {
    PREPARING_MOST = 32,
    READS_MOST = 16, /* in a turn: a read may take 10 ms, and workers wait for the turn's end */
};

struct submitters {
    struct preparing preparing[PREPARING_MOST];
    size_t preparing_count;
    int epoll_fd; /* of their children */
    struct broker *broker;
    zsock_t *socket;
    parked_t *parked;
    int64_t asked_at;
    struct outgoing *outgoing;
    size_t outgoing_count;
    size_t outgoing_room;
    size_t reads;                   /* of outgoing[] */
    struct store_request *requests; /* key, hash and answer owned */
    size_t request_count;
    size_t request_room;
    int64_t seen_event; /* newest event when the parked were looked at */
    enum drain_order seen_stop;
};

submitters_t *submitters_new(struct broker *broker, zsock_t *socket)
{
    submitters_t *self = alloc_zero(1, sizeof *self);
    self->broker = broker;
    self->socket = socket;
    self->parked = parked_new();
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return self;
}

static void clear_requests(submitters_t *self)
{
    for (size_t i = 0; i < self->request_count; i++) {
        free((char *)(uintptr_t)self->requests[i].key);
        free((char *)(uintptr_t)self->requests[i].hash);
        json_decref((json_t *)(uintptr_t)self->requests[i].answer);
    }
    self->request_count = 0;
}

static void forget_preparing(submitters_t *self, size_t index)
{
    struct preparing *item = &self->preparing[index];
    (void)epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, filework_fd(item->work), NULL);
    filework_destroy(&item->work);
    json_decref(item->body);
    *item = self->preparing[--self->preparing_count];
}

void submitters_destroy(submitters_t **self_p)
{
    assert(self_p);
    submitters_t *self = *self_p;
    if (self) {
        for (size_t i = 0; i < self->outgoing_count; i++) {
            json_decref(self->outgoing[i].body);
        }
        while (self->preparing_count > 0) {
            forget_preparing(self, self->preparing_count - 1);
        }
        cleanup_fd(&self->epoll_fd);
        clear_requests(self);
        free(self->outgoing);
        free(self->requests);
        parked_destroy(&self->parked);
        free(self);
        *self_p = NULL;
    }
}

static void drop(submitters_t *self, const char *why)
{
    self->broker->dropped.submitters++;
    log_debug("drop request: %s", why);
}

/* Takes body. */
static void put_outgoing(submitters_t *self, const struct envelope_address *address, json_t *body,
                         const struct request_type *read)
{
    if (self->outgoing_count == self->outgoing_room) {
        self->outgoing_room = self->outgoing_room ? 2 * self->outgoing_room : 64;
        self->outgoing =
            alloc_resize(self->outgoing, self->outgoing_room, sizeof self->outgoing[0]);
    }
    self->reads += read != NULL;
    self->outgoing[self->outgoing_count++] =
        (struct outgoing){ .address = *address, .body = body, .read = read };
}

static void put_request(submitters_t *self, const char *key, const char *hash, json_t *answer,
                        int64_t at_ms)
{
    if (self->request_count == self->request_room) {
        self->request_room = self->request_room ? 2 * self->request_room : 64;
        self->requests = alloc_resize(self->requests, self->request_room, sizeof self->requests[0]);
    }
    self->requests[self->request_count++] = (struct store_request){
        .key = alloc_text(key),
        .hash = alloc_text(hash),
        .answer = json_incref(answer),
        .at_ms = at_ms,
    };
}

/*
 * Was this key answered before, in this turn or earlier? Yields the answer to give, a new
 * reference: the first one again, or `key-used`. NULL: it is new. A negative errno: unknown.
 */
static int find_answered(submitters_t *self, const char *key, const char *hash, json_t **out)
{
    CLEANUP(cleanup_free) char *first_hash = NULL;
    CLEANUP(cleanup_json) json_t *first_answer = NULL;
    for (size_t i = 0; i < self->request_count && !first_hash; i++) {
        if (strcmp(self->requests[i].key, key) == 0) {
            first_hash = alloc_text(self->requests[i].hash);
            first_answer = json_incref((json_t *)(uintptr_t)self->requests[i].answer);
        }
    }
    if (!first_hash) {
        int rc = store_request(self->broker->store, key, &first_hash, &first_answer);
        if (rc != STORE_OK) {
            *out = NULL;
            return rc == STORE_NONE ? 0 : rc;
        }
    }
    if (strcmp(first_hash, hash) == 0) {
        *out = json_incref(first_answer);
    } else {
        *out = requests_error("key-used", "this key was used for another request",
                              "choose a new key for each request", 0);
    }
    return 0;
}

/* Sent again while its files are looked at: the answer will go to the newer one. */
static bool find_preparing(submitters_t *self, const struct envelope_address *from, const char *key,
                           const char *hash)
{
    for (size_t i = 0; i < self->preparing_count; i++) {
        struct preparing *item = &self->preparing[i];
        if (strcmp(msg_str_or(item->body, "key", ""), key) == 0 && strcmp(item->hash, hash) == 0) {
            item->address = *from;
            return true;
        }
    }
    return false;
}

/* false: the files cannot be looked at, and the request goes on without. */
static bool prepare(submitters_t *self, const struct envelope_address *from,
                    const struct request_type *type, const struct request *request,
                    const char *hash)
{
    CLEANUP(cleanup_json) json_t *tasks = type->files ? type->files(request) : NULL;
    if (!tasks || self->preparing_count == PREPARING_MOST) {
        return false;
    }
    filework_t *work = NULL;
    int rc = filework_start(tasks, store_farm(self->broker->store), &work);
    struct epoll_event event = { .events = EPOLLIN };
    if (rc == 0 && epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, filework_fd(work), &event) != 0) {
        rc = -errno;
        filework_destroy(&work);
    }
    if (rc < 0) {
        log_warning("look at files: %s", strerror(-rc));
        return false;
    }
    struct preparing *item = &self->preparing[self->preparing_count++];
    *item = (struct preparing){
        .address = *from,
        .type = type,
        .body = json_incref((json_t *)(uintptr_t)request->body),
        .work = work,
        .due_ms =
            request->now.ms + (type->kind == REQUEST_CHANGE ? FILEWORK_MOST_MS : SAVED_WAIT_MS),
    };
    (void)snprintf(item->hash, sizeof item->hash, "%s", hash);
    return true;
}

/* Apply it and note its answer, to be written with what it changed. */
static void apply_change(submitters_t *self, const struct envelope_address *from,
                         const struct request_type *type, const struct request *request,
                         const char *hash)
{
    json_t *answer = type->handle(request);
    put_request(self, msg_str_or(request->body, "key", ""), hash, answer, request->now.wall_ms);
    put_outgoing(self, from, answer, NULL);
}

static void handle_change(submitters_t *self, const struct envelope_address *from,
                          const struct request_type *type, const struct request *request)
{
    const char *key = msg_str_or(request->body, "key", "");
    char hash[REQUESTS_HASH_SIZE];
    requests_hash(request->body, hash);
    json_t *answer = NULL;
    int rc = find_answered(self, key, hash, &answer);
    if (rc < 0) {
        /* Not done and not answered: the client asks again. */
        log_error("look up request key: %s", strerror(-rc));
    } else if (answer) {
        put_outgoing(self, from, answer, NULL);
    } else if (!find_preparing(self, from, key, hash) &&
               !prepare(self, from, type, request, hash)) {
        apply_change(self, from, type, request, hash);
    }
}

void submitters_collect(submitters_t *self, struct queue_now now)
{
    for (size_t i = self->preparing_count; i-- > 0;) {
        struct preparing *item = &self->preparing[i];
        if (!filework_ended(item->work) && now.ms < item->due_ms) {
            continue;
        }
        CLEANUP(cleanup_json) json_t *files = filework_results(item->work);
        struct request request = {
            .broker = self->broker,
            .now = now,
            .body = item->body,
            .files = files,
        };
        if (item->type->kind == REQUEST_CHANGE) {
            apply_change(self, &item->address, item->type, &request, item->hash);
        } else {
            saved_take(self->broker->saved, self->broker->queue, now, files);
            put_outgoing(self, &item->address, json_incref(item->body), item->type);
        }
        forget_preparing(self, i);
    }
}

int submitters_fd(const submitters_t *self)
{
    return self->epoll_fd;
}

static void answer_wrong(submitters_t *self, const struct envelope_address *from, int outcome,
                         const char *why)
{
    static const char newer[] = "dblend and the broker must be of one version: stop the broker";
    drop(self, why);
    if (outcome == MESSAGE_VERSION) {
        put_outgoing(self, from, requests_error("version", why, newer, 0), NULL);
    } else {
        const char *code = outcome == MESSAGE_UNKNOWN ? "unknown-type" : "malformed";
        put_outgoing(self, from, requests_error(code, why, "", 0), NULL);
    }
}

static void handle(submitters_t *self, struct queue_now now, struct envelope *envelope)
{
    size_t size = 0;
    const void *bytes = envelope_body(envelope, &size);
    CLEANUP(cleanup_json) json_t *body = NULL;
    int rc = wire_decode(bytes, size, &wire_submitter_limits, &body);
    if (rc != WIRE_OK) {
        drop(self, wire_outcome_name(rc));
        return;
    }
    parked_drop(self->parked, self->socket, &envelope->from);
    self->asked_at = now.ms;

    struct message_fault fault;
    rc = message_check(MESSAGE_FROM_SUBMITTER, body, &fault);
    const struct request_type *type = requests_find(msg_type(body));
    if (rc != MESSAGE_OK || !type) {
        answer_wrong(self, &envelope->from, rc == MESSAGE_OK ? MESSAGE_UNKNOWN : rc,
                     rc == MESSAGE_OK ? "unknown request" : fault.text);
        return;
    }
    log_debug("request: %s", type->type);
    struct request request = { .broker = self->broker, .now = now, .body = body };
    if (type->kind == REQUEST_CHANGE) {
        handle_change(self, &envelope->from, type, &request);
    } else if (!prepare(self, &envelope->from, type, &request, "")) {
        put_outgoing(self, &envelope->from, json_incref(body), type);
    }
}

int submitters_receive(submitters_t *self, struct queue_now now)
{
    struct envelope envelope;
    if (self->reads >= READS_MOST) {
        return ENVELOPE_EMPTY; /* the rest is of the next turn */
    }
    int rc = envelope_recv(self->socket, &envelope_submitter_limits, &envelope);
    if (rc == ENVELOPE_MALFORMED) {
        drop(self, "no envelope of a request");
    }
    if (rc == ENVELOPE_OK) {
        handle(self, now, &envelope);
        envelope_close(&envelope);
    }
    return rc;
}

const struct store_request *submitters_requests(const submitters_t *self, size_t *count)
{
    *count = self->request_count;
    return self->requests;
}

/* Takes answer. A submitter that has gone needs none, and one that does not read gets none. */
static void send_answer(submitters_t *self, const struct envelope_address *to, json_t *answer)
{
    int rc = envelope_send_json(self->socket, to, answer);
    if (rc != ENVELOPE_OK) {
        log_debug("send answer to a submitter: outcome %d", rc);
    }
    json_decref(answer);
}

static void read_now(submitters_t *self, struct queue_now now, const struct outgoing *item)
{
    int64_t wait_ms =
        item->read->kind == REQUEST_WAIT ? requests_wait_ms(item->read, item->body) : 0;
    struct request request = {
        .broker = self->broker,
        .now = now,
        .body = item->body,
        .last = wait_ms == 0,
    };
    json_t *answer = item->read->handle(&request);
    if (answer) {
        send_answer(self, &item->address, answer);
        return;
    }
    struct parked_request parked = {
        .socket = self->socket,
        .address = item->address,
        .type = item->read,
        .body = json_incref(item->body),
        .due_ms = now.ms + wait_ms,
    };
    parked_add(self->parked, &parked);
}

/* Only an event or an order to stop lets a parked request have its answer before its time. */
static void look_at_parked(submitters_t *self, struct queue_now now)
{
    int64_t newest = store_last_event(self->broker->store);
    bool news = newest != self->seen_event || self->broker->stop != self->seen_stop;
    self->seen_event = newest;
    self->seen_stop = self->broker->stop;
    for (size_t i = parked_count(self->parked); i-- > 0;) {
        const struct parked_request *parked = parked_at(self->parked, i);
        bool last = parked->due_ms <= now.ms;
        if (!news && !last) {
            continue;
        }
        struct request request = {
            .broker = self->broker,
            .now = now,
            .body = parked->body,
            .last = last,
        };
        json_t *answer = parked->type->handle(&request);
        if (answer) {
            send_answer(self, &parked->address, answer);
            parked_remove(self->parked, i);
        }
    }
}

static void answer_one(submitters_t *self, struct queue_now now, const struct outgoing *item)
{
    if (item->read) {
        read_now(self, now, item);
        json_decref(item->body);
    } else {
        send_answer(self, &item->address, item->body);
    }
}

void submitters_answer_first(submitters_t *self, struct queue_now now)
{
    size_t left = 0;
    for (size_t i = 0; i < self->outgoing_count; i++) {
        const struct outgoing item = self->outgoing[i];
        if (item.read && item.read->kind == REQUEST_WAIT) {
            self->outgoing[left++] = item;
        } else {
            answer_one(self, now, &item);
        }
    }
    self->outgoing_count = left;
}

void submitters_answer(submitters_t *self, struct queue_now now)
{
    clear_requests(self);
    look_at_parked(self, now);
    for (size_t i = 0; i < self->outgoing_count; i++) {
        answer_one(self, now, &self->outgoing[i]);
    }
    self->outgoing_count = 0;
    self->reads = 0;
}

int64_t submitters_deadline(const submitters_t *self)
{
    int64_t first = parked_deadline(self->parked);
    for (size_t i = 0; i < self->preparing_count; i++) {
        first = self->preparing[i].due_ms < first ? self->preparing[i].due_ms : first;
    }
    return first;
}

int64_t submitters_asked_at(const submitters_t *self)
{
    return self->asked_at;
}
