#include "tests/bench/mirror.h"

#include "tests/bench/pack.h"

enum { CLAIM = 1000000, JOB = 1 };

static void answer(msgpack_sbuffer *out, bool finished)
{
    msgpack_packer packer;
    msgpack_sbuffer_init(out);
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    (void)msgpack_pack_map(&packer, 10);
    pack_key_int(&packer, "v", 1);
    pack_key_text(&packer, "t", "ANSWER");
    pack_key_int(&packer, "seq", 1000);
    pack_key_int(&packer, "session", 1);
    pack_key_text(&packer, "farm", "0123456789abcdef");
    pack_key_int(&packer, "park_ms", 1000);
    pack_key_map(&packer, "orders", 5);
    pack_key_int(&packer, "n", 1);
    pack_key_bool(&packer, "pause", false);
    pack_key_text(&packer, "drain", "");
    pack_key_bool(&packer, "return", false);
    pack_key_array(&packer, "stop", 0);
    pack_key_array(&packer, "settled", 1);
    (void)msgpack_pack_map(&packer, 3);
    pack_key_int(&packer, "claim", CLAIM);
    pack_key_text(&packer, "what", finished ? "finished" : "started");
    pack_key_text(&packer, "st", "accepted");
    pack_key_array(&packer, "stale", 0);
    pack_key_array(&packer, "grants", finished ? 1 : 0);
    if (finished) {
        (void)msgpack_pack_map(&packer, 6);
        pack_key_int(&packer, "claim", CLAIM);
        pack_key_text(&packer, "kind", "render");
        pack_key_int(&packer, "job", JOB);
        pack_key_int(&packer, "frame", 1000);
        pack_key_bool(&packer, "again", false);
        pack_key_int(&packer, "attempt", 1);
    }
}

void mirror_answers_init(struct mirror_answers *self)
{
    answer(&self->begun, false);
    answer(&self->finished, true);
}

void mirror_answers_destroy(struct mirror_answers *self)
{
    msgpack_sbuffer_destroy(&self->begun);
    msgpack_sbuffer_destroy(&self->finished);
}

void mirror_init(struct mirror *self, struct hand_run *run, const struct mirror_answers *answers,
                 unsigned number)
{
    self->answers = answers;
    hand_init(&self->hand, run, number);
    self->hand.session = 1;
    self->hand.job = JOB;
    self->hand.held[self->hand.held_count++] = (struct hand_claim){ .number = CLAIM, .job = JOB };
}

static bool say(void *peer, msgpack_sbuffer *body)
{
    struct mirror *self = peer;
    return hand_talk.say(&self->hand, body);
}

static bool take(void *peer, const void *data, size_t size)
{
    struct mirror *self = peer;
    (void)data;
    const msgpack_sbuffer *answer =
        self->hand.held_count > 0 ? &self->answers->begun : &self->answers->finished;
    return size > 0 && hand_talk.take(&self->hand, answer->data, answer->size);
}

const struct talk mirror_talk = { .say = say, .take = take };
