#include "proto/client.h"

#include <czmq.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/json_wire.h"
#include "proto/messages.h"
#include "proto/random.h"

#define SEND_WAIT_MS 1000
#define SENDS_PER_SOCKET 3

static const char ipc_prefix[] = "ipc://";

static const struct client_times usual_times = {
    .first_ms = 1000,
    .deaf_ms = 10000,
    .overdue_ms = 2000,
    .outlive_ms = 600000,
};

struct client {
    char *endpoint;
    zsock_t *socket; /* NULL until the first send */
    unsigned sends;  /* through this socket */
    json_t *hello;   /* NULL before the first answer */
    client_notice_fn *notice;
    void *context;
    int wake_fd;
    struct client_times times;
    bool silent; /* the notice function was told so */
};

/* One request on its way. Times are of the monotonic clock. */
struct exchange {
    const void *data;
    size_t size;
    int64_t park_ms;     /* how long the broker may keep it */
    int64_t deadline_ms; /* of the caller; INT64_MAX without */
    int64_t started_ms;
    int64_t resend_ms; /* when the answer is overdue */
};

client_t *client_new(const char *endpoint)
{
    zsys_handler_set(NULL); /* before CZMQ makes its context: it would take our signals */
    client_t *self = alloc_zero(1, sizeof *self);
    self->endpoint = alloc_text(endpoint);
    self->wake_fd = -1;
    self->times = usual_times;
    return self;
}

void client_destroy(client_t **self_p)
{
    client_t *self = *self_p;
    if (self) {
        zsock_destroy(&self->socket);
        cleanup_free(&self->endpoint);
        cleanup_json(&self->hello);
        cleanup_free(self_p);
    }
}

void client_set_notice(client_t *self, client_notice_fn *notice, void *context)
{
    self->notice = notice;
    self->context = context;
}

void client_set_wake(client_t *self, int fd)
{
    self->wake_fd = fd;
}

void client_set_times(client_t *self, const struct client_times *times)
{
    self->times = *times;
}

const json_t *client_hello(const client_t *self)
{
    return self->hello;
}

void client_add_key(json_t *request)
{
    if (!json_object_get(request, "key")) {
        char key[33];
        random_hex(key, 32);
        msg_set_str(request, "key", key);
    }
}

bool client_is_listening(const char *endpoint)
{
    size_t prefix = sizeof ipc_prefix - 1;
    if (strncmp(endpoint, ipc_prefix, prefix) != 0) {
        return true;
    }
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(endpoint + prefix) >= sizeof address.sun_path) {
        return false;
    }
    memcpy(address.sun_path, endpoint + prefix, strlen(endpoint + prefix) + 1);
    CLEANUP(cleanup_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return true; /* we cannot know */
    }
    /* EAGAIN: its backlog is full, so somebody listens */
    return connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN;
}

static int fail(struct client_error *error, int outcome, const char *code, const char *text,
                const char *hint)
{
    if (error) {
        error->job = 0;
        (void)snprintf(error->code, sizeof error->code, "%s", code);
        (void)snprintf(error->text, sizeof error->text, "%s", text);
        (void)snprintf(error->hint, sizeof error->hint, "%s", hint);
    }
    return outcome;
}

/* A new socket: what was sent through the old one is forgotten by us, not by the broker. */
static int renew_socket(client_t *self)
{
    zsock_destroy(&self->socket);
    self->sends = 0;
    zsock_t *socket = zsock_new(ZMQ_REQ);
    if (!socket) {
        return -ENOMEM;
    }
    zsock_set_linger(socket, 0);
    zsock_set_req_relaxed(socket, 1);
    zsock_set_req_correlate(socket, 1);
    zsock_set_sndtimeo(socket, SEND_WAIT_MS);
    zsock_set_maxmsgsize(socket, (int)wire_answer_limits.body_bytes);
    if (zsock_connect(socket, "%s", self->endpoint) != 0) {
        zsock_destroy(&socket);
        return -EINVAL;
    }
    self->socket = socket;
    return 0;
}

/* A send that fails is as good as one that got lost: it is made again when overdue. */
static int send_again(client_t *self, struct exchange *exchange, int64_t now_ms)
{
    if (!self->socket || self->sends >= SENDS_PER_SOCKET) {
        int rc = renew_socket(self);
        if (rc != 0) {
            return rc;
        }
    }
    self->sends++;
    void *socket = zsock_resolve(self->socket);
    (void)zmq_send(socket, exchange->data, exchange->size, 0);
    exchange->resend_ms = now_ms + exchange->park_ms + self->times.overdue_ms;
    return 0;
}

/* One frame is an answer; anything else is read and dropped. *out stays NULL without one. */
static void take_answer(client_t *self, zframe_t **out)
{
    void *socket = zsock_resolve(self->socket);
    bool more = true;
    for (size_t count = 0; more; count++) {
        zframe_t *frame = NULL;
        zmq_msg_t message;
        (void)zmq_msg_init(&message);
        int size = zmq_msg_recv(&message, socket, ZMQ_DONTWAIT);
        more = size >= 0 && zmq_msg_more(&message);
        if (size >= 0 && count == 0 && !more) {
            frame = zframe_new(zmq_msg_data(&message), (size_t)size);
        }
        (void)zmq_msg_close(&message);
        *out = frame;
    }
}

/* Wait for an answer, the wake descriptor, or until_ms. */
static int wait_once(client_t *self, int64_t until_ms, zframe_t **out)
{
    int64_t left_ms = until_ms - clock_mono_ms();
    if (left_ms < 0) {
        left_ms = 0;
    }
    zmq_pollitem_t items[] = {
        { zsock_resolve(self->socket), 0, ZMQ_POLLIN, 0 },
        { NULL, self->wake_fd, ZMQ_POLLIN, 0 },
    };
    int count = self->wake_fd >= 0 ? 2 : 1;
    int rc = zmq_poll(items, count, left_ms);
    if (rc < 0) {
        return errno == EINTR ? CLIENT_OK : -errno;
    }
    if (items[0].revents & ZMQ_POLLIN) {
        take_answer(self, out);
    } else if (items[1].revents) {
        return CLIENT_INTERRUPTED;
    }
    return CLIENT_OK;
}

static void tell(client_t *self, bool silent)
{
    if (self->silent != silent) {
        self->silent = silent;
        if (self->notice) {
            self->notice(self->context, silent ? CLIENT_NOTICE_SILENT : CLIENT_NOTICE_BACK);
        }
    }
}

/* Is there any sense in waiting on? CLIENT_OK, or why not. */
static int may_wait(client_t *self, const struct exchange *exchange, int64_t now_ms)
{
    if (now_ms >= exchange->deadline_ms) {
        return CLIENT_TIMEOUT;
    }
    int64_t waited_ms = now_ms - exchange->started_ms;
    if (self->hello) {
        return waited_ms >= exchange->park_ms + self->times.outlive_ms ? CLIENT_LOST : CLIENT_OK;
    }
    bool hopeless = waited_ms >= self->times.deaf_ms ||
                    (waited_ms >= self->times.first_ms && !client_is_listening(self->endpoint));
    return hopeless ? CLIENT_NO_BROKER : CLIENT_OK;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Until when to wait before may_wait is asked again. */
static int64_t next_look(const client_t *self, const struct exchange *exchange, int64_t now_ms)
{
    int64_t until_ms = least(exchange->resend_ms, exchange->deadline_ms);
    if (!self->hello) {
        int64_t first_ms = exchange->started_ms + self->times.first_ms;
        until_ms = least(until_ms, now_ms < first_ms ? first_ms : now_ms + self->times.first_ms);
    }
    return until_ms;
}

/* Send until one answer frame is there. */
static int exchange_bytes(client_t *self, struct exchange *exchange, zframe_t **out)
{
    exchange->started_ms = clock_mono_ms();
    int rc = send_again(self, exchange, exchange->started_ms);
    while (rc == CLIENT_OK && !*out) {
        int64_t now_ms = clock_mono_ms();
        rc = may_wait(self, exchange, now_ms);
        if (rc == CLIENT_OK && now_ms >= exchange->resend_ms) {
            if (self->hello) {
                tell(self, true);
            }
            rc = send_again(self, exchange, now_ms);
        }
        if (rc == CLIENT_OK) {
            rc = wait_once(self, next_look(self, exchange, now_ms), out);
        }
    }
    if (rc == CLIENT_OK) {
        self->sends = 0; /* the socket works */
        tell(self, false);
    }
    return rc;
}

static int refused(struct client_error *error, const json_t *answer)
{
    int rc = fail(error, CLIENT_REFUSED, msg_str_or(answer, "code", ""),
                  msg_str_or(answer, "text", ""), msg_str_or(answer, "hint", ""));
    if (error) {
        error->job = msg_int_or(answer, "job", 0);
    }
    return rc;
}

static int malformed(struct client_error *error)
{
    return fail(error, CLIENT_MALFORMED, "version",
                "the broker answered something that is not of this protocol",
                "stop it with the `dblend stop` of its own version");
}

static int read_answer(zframe_t *frame, json_t **answer, struct client_error *error)
{
    CLEANUP(cleanup_json) json_t *body = NULL;
    int rc = wire_decode(zframe_data(frame), zframe_size(frame), &wire_answer_limits, &body);
    if (rc != WIRE_OK) {
        return malformed(error);
    }
    rc = message_check(MESSAGE_TO_SUBMITTER, body, NULL);
    const char *type = msg_type(body);
    bool is_error = strcmp(type, "ERROR") == 0 || strcmp(type, "REFUSED") == 0;
    if (is_error) { /* of whatever version: its words are for people */
        return refused(error, body);
    }
    if (rc != MESSAGE_OK) {
        return malformed(error);
    }
    *answer = body;
    body = NULL;
    return CLIENT_OK;
}

static int explain(const client_t *self, int outcome, struct client_error *error)
{
    char text[512];
    switch (outcome) {
    case CLIENT_NO_BROKER:
        (void)snprintf(text, sizeof text, "no broker answers at %s", self->endpoint);
        return fail(error, outcome, "no-broker", text,
                    "start one with `dblend farm`, or render with `dblend render FILE`");
    case CLIENT_LOST:
        return fail(error, outcome, "no-broker", "the broker has not answered for ten minutes",
                    "start it again with `dblend farm`");
    case CLIENT_TIMEOUT:
        return fail(error, outcome, "timeout", "no answer within the given time", "");
    case CLIENT_INTERRUPTED:
        return fail(error, outcome, "interrupted", "interrupted", "");
    default:
        (void)snprintf(text, sizeof text, "cannot talk to %s: %s", self->endpoint,
                       strerror(outcome < 0 ? -outcome : EIO));
        return fail(error, outcome, "no-broker", text, "");
    }
}

/* How long the broker may park this request. */
static int64_t park_time(const json_t *request)
{
    int64_t park_ms = msg_int_or(request, "wait_ms", 0);
    if (strcmp(msg_type(request), "ATTEND") == 0) {
        park_ms = 1000;
    }
    return park_ms < 0 ? 0 : least(park_ms, 60000);
}

static int ask_once(client_t *self, const json_t *request, int64_t deadline_ms, json_t **answer,
                    struct client_error *error)
{
    CLEANUP(cleanup_free) void *data = NULL;
    size_t size = 0;
    int rc = wire_encode(request, &data, &size);
    if (rc == 0) {
        rc = wire_check(data, size, &wire_submitter_limits);
    }
    if (rc != 0) {
        return fail(error, CLIENT_TOO_LARGE, "too-large", "the request is too large to be sent",
                    "give fewer files or frames at once");
    }
    struct exchange exchange = {
        .data = data,
        .size = size,
        .park_ms = park_time(request),
        .deadline_ms = deadline_ms,
    };
    CLEANUP(zframe_destroy) zframe_t *frame = NULL;
    rc = exchange_bytes(self, &exchange, &frame);
    return rc == CLIENT_OK ? read_answer(frame, answer, error) : explain(self, rc, error);
}

static int say_hello(client_t *self, int64_t deadline_ms, struct client_error *error)
{
    CLEANUP(cleanup_json) json_t *request = msg_new("HELLO");
    return ask_once(self, request, deadline_ms, &self->hello, error);
}

int client_ask(client_t *self, const json_t *request, int64_t timeout_ms, json_t **answer,
               struct client_error *error)
{
    int64_t deadline_ms = timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;
    if (!self->hello) {
        int rc = say_hello(self, deadline_ms, error);
        if (rc != CLIENT_OK) {
            return rc;
        }
    }
    return ask_once(self, request, deadline_ms, answer, error);
}
