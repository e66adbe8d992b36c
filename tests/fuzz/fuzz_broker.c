/*
 * broker: its handlers of messages, with their state, for a history of messages and faults
 *
 * The input is a list of steps: one byte for what, the next ones for how. Between them several
 * workers and submitters talk to a real queue on a ledger in memory; time passes, answers are
 * lost, the disk is full, the broker is killed. After each turn the counters equal the frames,
 * every claim is somebody's, and no claim was ever given to two; at the end the ledger says what
 * the queue says.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/json_wire.h"
#include "proto/messages.h"
#include "tests/fuzz/farm.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/peers.h"
#include "tests/fuzz/seams.h"

enum { STEPS = 120, SAME_TURN = 0x80, PATCHES = 3 };

static struct farm farm;
static char folder[40];
static json_t *last_change; /* to be sent once more */

static void remove_folder(void)
{
    (void)rmdir(folder);
}

void fuzz_set_up(void)
{
    (void)snprintf(folder, sizeof folder, "/dev/shm/dblend-fuzz-%d", (int)getpid());
    FUZZ_CHECK(mkdir(folder, 0700) == 0, "no folder in /dev/shm");
    (void)atexit(remove_folder);
    FUZZ_CHECK(eventlog_open("/dev/null", &farm.broker.log) == 0, "no event log");
    FUZZ_CHECK(output_open(folder, &farm.broker.output) == 0, "no output");
}

int seams_sent(zsock_t *socket, const struct envelope_address *to, const void *body, size_t size)
{
    return peers_answered(socket == seams_workers, to, body, size);
}

/* Give bytes to the broker. What nobody can read is dropped and counted, or refused. */
static void deliver(bool is_worker, size_t peer, const json_t *body, const void *data, size_t size)
{
    if (farm.stuck) {
        return; /* it stays in the socket, and its sender asks again */
    }
    struct envelope_address from = peers_ask(is_worker, peer, body);
    const struct wire_limits *limits = is_worker ? &wire_worker_limits : &wire_submitter_limits;
    int64_t dropped = is_worker ? farm.broker.dropped.workers : farm.broker.dropped.submitters;
    seams_put(is_worker ? seams_workers : seams_submitters, &from, data, size);
    seams_blobs(size % 3);
    farm_read(&farm);
    if (seams_unread()) { /* enough for one turn */
        farm_turn(&farm);
        farm_read(&farm);
    }
    FUZZ_CHECK(!seams_unread() || farm.stuck, "a message was not read");
    if (seams_unread()) {
        return;
    }
    int64_t now = is_worker ? farm.broker.dropped.workers : farm.broker.dropped.submitters;
    FUZZ_CHECK(wire_check(data, size, limits) == WIRE_OK || now == dropped + 1,
               "dropped and not counted");
}

/* Send a body as it is, or with some bytes of it changed. Takes body. */
static void send_body(bool is_worker, size_t peer, json_t *body, struct fuzz_bytes *patches)
{
    CLEANUP(cleanup_free) void *data = NULL;
    CLEANUP(cleanup_json) json_t *read = NULL;
    size_t size = 0;
    FUZZ_CHECK(body && wire_encode(body, &data, &size) == 0, "no body");
    for (int i = 0; patches && i < PATCHES; i++) {
        size_t at = (size_t)fuzz_number(patches, 2) % size;
        ((uint8_t *)data)[at] = fuzz_byte(patches);
    }
    if (wire_decode(data, size, &wire_submitter_limits, &read) != WIRE_OK) {
        read = NULL;
    }
    deliver(is_worker, peer, read, data, size);
    json_decref(body);
}

static json_t *make_body(bool is_worker, size_t peer, struct fuzz_bytes *bytes)
{
    uint8_t kind = fuzz_byte(bytes);
    if (is_worker) {
        return kind % 4 == 0 ? peers_ready(peer, bytes) : peers_sync(peer, bytes);
    }
    return kind % 3 == 0   ? peers_submit(bytes)
           : kind % 3 == 1 ? peers_change(bytes)
                           : peers_read(bytes);
}

static void send_change(size_t peer, json_t *body)
{
    json_decref(last_change);
    last_change = json_incref(body);
    send_body(false, peer, body, NULL);
}

static void send_raw(bool is_worker, size_t peer, struct fuzz_bytes *bytes)
{
    size_t size = fuzz_byte(bytes);
    size = size < bytes->left ? size : bytes->left;
    CLEANUP(cleanup_json) json_t *body = NULL;
    if (wire_decode(bytes->at, size, &wire_submitter_limits, &body) != WIRE_OK) {
        body = NULL;
    }
    deliver(is_worker, peer, body, bytes->at, size);
    bytes->at += size;
    bytes->left -= size;
}

static void pass(struct fuzz_bytes *bytes)
{
    static const int64_t spans[] = { 1, 50, 1000, 5000, 16000, 60000, 700000, 40LL * 24 * 3600000 };
    uint8_t choice = fuzz_byte(bytes);
    farm.now.ms += spans[choice & 7];
    /* a wall clock that somebody sets expires nothing */
    farm.now.wall_ms += choice & 8 ? -3600000 : spans[choice & 7];
}

static void restart(void)
{
    farm_check_ledger(&farm);
    peers_broker_gone();
    farm_restart(&farm);
}

static void step(uint8_t what, struct fuzz_bytes *bytes)
{
    size_t worker = what >> 4 & 3;
    size_t submitter = what >> 4 & 1;
    switch (what & 15) {
    case 0:
        send_body(true, worker, peers_ready(worker, bytes), NULL);
        break;
    case 1:
    case 2:
    case 3:
    case 4:
        send_body(true, worker, peers_sync(worker, bytes), NULL);
        break;
    case 5:
        send_change(submitter, peers_submit(bytes));
        break;
    case 6:
    case 7:
        send_change(submitter, peers_change(bytes));
        break;
    case 8:
        send_body(false, submitter, peers_read(bytes), NULL);
        break;
    case 9:
        pass(bytes);
        break;
    case 10: {
        json_t *body = make_body(what & 64, what & 64 ? worker : submitter, bytes);
        send_body(what & 64, what & 64 ? worker : submitter, body, bytes);
        break;
    }
    case 11:
        send_raw(what & 64, what & 64 ? worker : submitter, bytes);
        break;
    case 12:
        if (what & 64) {
            peers_leave(worker);
        } else {
            peers_lose(worker);
        }
        break;
    case 13:
        restart();
        break;
    case 14:
        if (last_change) {
            send_body(false, submitter, json_incref(last_change), NULL);
        }
        break;
    default:
        farm.full = what & 64 && !farm.full;
        seams_files(fuzz_byte(bytes));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes bytes = { data, size };
    peers_reset();
    seams_files(1);
    farm_open(&farm);
    for (int i = 0; i < STEPS && bytes.left > 0; i++) {
        uint8_t what = fuzz_byte(&bytes);
        step(what, &bytes);
        if (!(what & SAME_TURN)) {
            farm_turn(&farm);
        }
    }
    farm.full = false;
    farm_turn(&farm);
    farm_check_ledger(&farm);
    json_decref(last_change);
    last_change = NULL;
    for (int64_t job = 1; job < 16; job++) {
        (void)output_remove(farm.broker.output, job);
    }
    farm_close(&farm);
    return 0;
}
