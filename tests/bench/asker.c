#include "tests/bench/asker.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/cleanup.h"
#include "tests/bench/pack.h"

static void say_spec(msgpack_packer *packer, uint64_t number, int32_t frames)
{
    char file[96];
    char hash[65];
    (void)snprintf(file, sizeof file, "/bench/scenes/shot_%d_%" PRIu64 ".blend", (int)getpid(),
                   number);
    (void)snprintf(hash, sizeof hash, "%032x%032" PRIx64, (unsigned)getpid(), number);
    (void)msgpack_pack_map(packer, 8);
    pack_key_text(packer, "file", file);
    pack_key_int(packer, "size", 1000000);
    pack_key_int(packer, "mtime_ns", INT64_C(1700000000000000000));
    pack_key_text(packer, "hash", hash);
    pack_key_text(packer, "name", "shot");
    pack_key_text(packer, "cwd", "/bench/scenes");
    pack_key_int(packer, "submitted_at", INT64_C(1700000000000));
    pack_key_map(packer, "options", 3);
    pack_key_array(packer, "frames", 3);
    (void)msgpack_pack_int64(packer, 1);
    (void)msgpack_pack_int64(packer, frames);
    (void)msgpack_pack_int64(packer, 1);
    pack_key_int(packer, "samples", 128);
    pack_key_bool(packer, "overwrite", true);
}

static void say_submit(struct asker *self, msgpack_packer *packer)
{
    struct asker_run *run = self->run;
    char key[64];
    (void)snprintf(key, sizeof key, "bench-%d-%" PRIu64, (int)getpid(), run->number);
    (void)msgpack_pack_map(packer, 4);
    pack_key_int(packer, "v", 1);
    pack_key_text(packer, "t", "SUBMIT");
    pack_key_text(packer, "key", key);
    pack_key_array(packer, "jobs", (size_t)self->asked);
    for (int64_t i = 0; i < self->asked; i++) {
        say_spec(packer, run->number++, run->frames);
    }
    run->left -= self->asked;
}

static bool say(void *peer, msgpack_sbuffer *body)
{
    struct asker *self = peer;
    struct asker_run *run = self->run;
    self->asked = run->left < run->batch ? run->left : run->batch;
    if (run->batch > 0 && self->asked <= 0) {
        return false;
    }
    msgpack_packer packer;
    msgpack_packer_init(&packer, body, msgpack_sbuffer_write);
    if (run->batch > 0) {
        say_submit(self, &packer);
    } else {
        (void)msgpack_pack_map(&packer, 2);
        pack_key_int(&packer, "v", 1);
        pack_key_text(&packer, "t", "HELLO");
    }
    return true;
}

/* How many of the jobs in the answer were taken. */
static uint64_t taken(const msgpack_object *jobs)
{
    uint64_t count = 0;
    for (uint32_t i = 0; jobs && i < jobs->via.array.size; i++) {
        count += pack_int(&jobs->via.array.ptr[i], "job", 0) > 0;
    }
    return count;
}

static bool take(void *peer, const void *data, size_t size)
{
    struct asker *self = peer;
    CLEANUP(msgpack_unpacked_destroy) msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t at = 0;
    if (msgpack_unpack_next(&unpacked, data, size, &at) != MSGPACK_UNPACK_SUCCESS ||
        !pack_is(&unpacked.data, "t", "OK")) {
        return false;
    }
    if (self->run->batch > 0) {
        self->run->jobs += taken(pack_get(&unpacked.data, "jobs"));
    }
    return true;
}

const struct talk asker_talk = { .say = say, .take = take };
