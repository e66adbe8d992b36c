#include "tests/sim/net.h"

#include <czmq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/envelope.h"
#include "tests/sim/broker.h"
#include "tests/sim/disk.h"
#include "tests/sim/hand.h"
#include "tests/sim/oracle.h"
#include "tests/sim/oracle_parts.h"
#include "tests/sim/person.h"
#include "tests/sim/world.h"

enum { DOWN_RETRY_MS = 300, CLOSE_SEEN_MS = 20 };

struct net_message {
    int64_t connection;
    uint32_t request;
    json_t *body; /* NULL: rubbish */
};

struct connection {
    int64_t peer;
    enum net_socket socket;
    char id[ID_SIZE];
    bool known;         /* to the broker that runs now */
    int64_t gone_at_ms; /* the broker learns of its end then; 0: open */
};

struct inbox {
    struct net_message **items;
    size_t first;
    size_t count;
    size_t room;
};

static struct connection *connections;
static size_t connection_count;
static size_t connection_room;
static struct inbox inboxes[SOCKETS];

struct _zsock_t {
    enum net_socket socket;
};
static struct _zsock_t sockets[SOCKETS] = { { SOCKET_WORKERS },
                                            { SOCKET_SUBMITTERS },
                                            { SOCKET_TCP } };
static size_t next_socket;

void net_drop(struct net_message *message)
{
    json_decref(message->body);
    free(message);
}

static void empty(struct inbox *inbox)
{
    while (inbox->first < inbox->count) {
        net_drop(inbox->items[inbox->first++]);
    }
    inbox->first = 0;
    inbox->count = 0;
}

void net_open(void)
{
    connection_count = 0;
    net_broker_ended();
}

void net_broker_ended(void)
{
    for (size_t i = 0; i < SOCKETS; i++) {
        empty(&inboxes[i]);
    }
    for (size_t i = 0; i < connection_count; i++) {
        connections[i].known = false;
    }
    next_socket = 0;
}

int64_t net_connect(int64_t peer, enum net_socket socket, const char *id)
{
    if (connection_count == connection_room) {
        connection_room = connection_room ? 2 * connection_room : 64;
        connections = alloc_resize(connections, connection_room, sizeof *connections);
    }
    struct connection *connection = &connections[connection_count];
    *connection = (struct connection){ .peer = peer, .socket = socket };
    (void)snprintf(connection->id, sizeof connection->id, "%s", id);
    return (int64_t)connection_count++;
}

void net_close(int64_t connection)
{
    connections[connection].gone_at_ms = world.now_ms + 1 + world_below(CLOSE_SEEN_MS);
}

static int64_t cut_until_ms(int64_t peer)
{
    return peer < NET_PERSONS ? hand_cut_until((size_t)peer) : 0;
}

/* When it arrives; negative: never. */
static int64_t arrival_ms(const struct connection *connection)
{
    int64_t at_ms = world.now_ms + world_below(3);
    if (world.calm) {
        return at_ms;
    }
    if (world_chance(world.faults.lose)) {
        return -1;
    }
    if (world_chance(world.faults.slow)) {
        at_ms += world_below(world_chance(100) ? 40000 : 2500);
    }
    int64_t cut_ms = cut_until_ms(connection->peer);
    if (at_ms < cut_ms) {
        return world_chance(500) ? -1 : cut_ms + world_below(50);
    }
    return at_ms;
}

static void post(enum world_event kind, int64_t number, uint32_t request, json_t *body)
{
    const struct connection *connection = &connections[number];
    int copies = !world.calm && world_chance(world.faults.twice) ? 2 : 1;
    for (int i = 0; i < copies; i++) {
        int64_t at_ms = arrival_ms(connection);
        if (at_ms >= 0) {
            struct net_message *message = alloc_zero(1, sizeof *message);
            *message = (struct net_message){ number, request, json_incref(body) };
            world_add(at_ms, kind, connection->peer, message);
        }
    }
}

void net_send(int64_t connection, uint32_t request, json_t *body)
{
    post(EVENT_TO_BROKER, connection, request, body);
    json_decref(body);
}

void net_send_rubbish(int64_t connection)
{
    post(EVENT_TO_BROKER, connection, 0, NULL);
}

void net_at_broker(struct net_message *message)
{
    struct connection *connection = &connections[message->connection];
    if (!broker_up()) {
        if (world_chance(500)) { /* the peer's socket keeps it until there is a broker again */
            world_add(world.now_ms + DOWN_RETRY_MS, EVENT_TO_BROKER, connection->peer, message);
        } else {
            net_drop(message);
        }
        return;
    }
    struct inbox *inbox = &inboxes[connection->socket];
    if (inbox->count == inbox->room) {
        inbox->room = inbox->room ? 2 * inbox->room : 64;
        inbox->items = alloc_resize(inbox->items, inbox->room, sizeof(struct net_message *));
    }
    inbox->items[inbox->count++] = message;
    connection->known = true;
    broker_poke();
}

void net_at_peer(struct net_message *message)
{
    int64_t peer = connections[message->connection].peer;
    if (connections[message->connection].gone_at_ms != 0) {
        net_drop(message);
        return;
    }
    if (peer < NET_PERSONS && world.now_ms < hand_stopped_until((size_t)peer)) {
        world_add(hand_stopped_until((size_t)peer), EVENT_TO_PEER, peer, message);
        return;
    }
    if (peer < NET_PERSONS) {
        hand_hear((size_t)peer, message->connection, message->request, message->body);
    } else {
        person_hear(peer, message->request, message->body);
    }
    net_drop(message);
}

bool net_readable(void)
{
    for (size_t i = 0; i < SOCKETS; i++) {
        if (inboxes[i].first < inboxes[i].count) {
            return true;
        }
    }
    return false;
}

/* ---- proto/envelope.h ---- */

const struct envelope_limits envelope_worker_limits = { WIRE_WORKER_BYTES, WIRE_BLOB_BYTES,
                                                        WIRE_BLOBS };
const struct envelope_limits envelope_submitter_limits = { WIRE_SUBMITTER_BYTES, 0, 0 };

static struct envelope_address address_of(const struct net_message *message)
{
    struct envelope_address address = { 0 };
    uint32_t connection = (uint32_t)message->connection;
    memcpy(address.peer + 1, &connection, sizeof connection);
    memcpy(address.request, &message->request, sizeof message->request);
    return address;
}

int envelope_recv(zsock_t *router, const struct envelope_limits *limits, struct envelope *out)
{
    struct inbox *inbox = &inboxes[router->socket];
    (void)limits;
    if (inbox->first == inbox->count) {
        inbox->first = 0;
        inbox->count = 0;
        return ENVELOPE_EMPTY;
    }
    if (!disk_breathe()) {
        return ENVELOPE_EMPTY;
    }
    struct net_message *message = inbox->items[inbox->first++];
    if (!message->body) {
        net_drop(message);
        return ENVELOPE_MALFORMED;
    }
    out->from = address_of(message);
    out->blobs = 0;
    memcpy(&out->body, &message->body, sizeof(void *));
    free(message); /* its body is the envelope's */
    return ENVELOPE_OK;
}

/* Nobody here is a process. */
int64_t envelope_peer_pid(const struct envelope *self)
{
    (void)self;
    return -1;
}

static json_t *body_of(const struct envelope *self)
{
    json_t *body = NULL;
    memcpy(&body, &self->body, sizeof(void *));
    return body;
}

void envelope_close(struct envelope *self)
{
    json_decref(body_of(self));
}

/* The JSON itself, see __wrap_wire_decode. */
const void *envelope_body(struct envelope *self, size_t *size)
{
    *size = sizeof(json_t *);
    return body_of(self);
}

const void *envelope_blob(struct envelope *self, size_t index, size_t *size)
{
    (void)self;
    (void)index;
    *size = 0;
    return "";
}

int __wrap_wire_decode(const void *data, size_t size, const struct wire_limits *limits,
                       json_t **out);
int __wrap_wire_decode(const void *data, size_t size, const struct wire_limits *limits,
                       json_t **out)
{
    (void)size;
    (void)limits;
    *out = json_incref((json_t *)(uintptr_t)data);
    return WIRE_OK;
}

int envelope_send(zsock_t *router, const struct envelope_address *to, const void *body, size_t size)
{
    (void)router;
    (void)to;
    (void)body;
    (void)size;
    world_fail("the broker sends what is no JSON");
}

int envelope_send_json(zsock_t *router, const struct envelope_address *to, const json_t *body)
{
    uint32_t number = 0;
    uint32_t request = 0;
    memcpy(&number, to->peer + 1, sizeof number);
    memcpy(&request, to->request, sizeof request);
    if (!disk_breathe()) {
        return ENVELOPE_OK; /* nobody will know */
    }
    struct connection *connection = &connections[number];
    (void)router;
    oracle_answer(connection->id, body);
    if (!connection->known ||
        (connection->gone_at_ms != 0 && world.now_ms >= connection->gone_at_ms)) {
        return ENVELOPE_GONE;
    }
    post(EVENT_TO_PEER, number, request, (json_t *)(uintptr_t)body);
    return ENVELOPE_OK;
}

/* ---- czmq's sockets, as far as the loop uses them ---- */

zsock_t *zsock_new_checked(int type, const char *file, size_t line)
{
    (void)type;
    (void)file;
    (void)line;
    return &sockets[next_socket++ % SOCKETS]; /* in the order in which the loop opens them */
}

void zsock_destroy_checked(zsock_t **self_p, const char *file, size_t line)
{
    (void)file;
    (void)line;
    *self_p = NULL;
}

int zsock_bind(zsock_t *self, const char *format, ...)
{
    (void)self;
    (void)format;
    return 0;
}

const char *zsock_endpoint(zsock_t *self)
{
    (void)self;
    return "sim";
}

#define OPTION(name)                                                                               \
    void zsock_set_##name(void *self, int value)                                                   \
    {                                                                                              \
        (void)self;                                                                                \
        (void)value;                                                                               \
    }
OPTION(router_mandatory)
OPTION(sndtimeo)
OPTION(linger)
OPTION(sndhwm)
OPTION(rcvhwm)
OPTION(backlog)
OPTION(maxmsgsize)
