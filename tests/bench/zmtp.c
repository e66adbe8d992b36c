#include "tests/bench/zmtp.h"

#include <string.h>

#include "proto/cleanup.h"

enum { GREETING = 64, MORE = 1, LONG = 2, COMMAND = 4 };

struct frame {
    uint8_t flags;
    const uint8_t *data;
    size_t size;
};

static void put(msgpack_sbuffer *out, const void *data, size_t size)
{
    (void)msgpack_sbuffer_write(out, data, size); /* grows, or there is no memory */
}

static void put_frame(msgpack_sbuffer *out, uint8_t flags, const void *data, size_t size)
{
    uint8_t head[9] = { (uint8_t)(size > UINT8_MAX ? flags | LONG : flags), (uint8_t)size };
    if (size > UINT8_MAX) {
        for (int i = 0; i < 8; i++) {
            head[1 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
        }
    }
    put(out, head, size > UINT8_MAX ? 9 : 2);
    put(out, data, size);
}

/* The frame at the front: its bytes with its head; 0: more must come. */
static size_t take_frame(const uint8_t *data, size_t size, struct frame *out)
{
    size_t head = size > 0 && (data[0] & LONG) ? 9 : 2;
    if (size < head) {
        return 0;
    }
    uint64_t length = 0;
    for (size_t i = 1; i < head; i++) {
        length = length << 8 | data[i];
    }
    if (length > size - head) {
        return 0;
    }
    *out = (struct frame){ .flags = data[0], .data = data + head, .size = (size_t)length };
    return head + (size_t)length;
}

static void greet(msgpack_sbuffer *out)
{
    uint8_t greeting[GREETING] = { 0xff, [9] = 0x7f, [10] = 3, [12] = 'N', 'U', 'L', 'L' };
    static const uint8_t ready[] = "\5READY\13Socket-Type\0\0\0\3REQ\10Identity\0\0\0";
    put(out, greeting, sizeof greeting);
    put_frame(out, COMMAND, ready, sizeof ready); /* its NUL is the last byte of a length of 0 */
}

static ssize_t greeted(struct zmtp *self, const uint8_t *data, size_t size)
{
    struct frame ready;
    if (size <= GREETING) {
        return 0;
    }
    size_t count = take_frame(data + GREETING, size - GREETING, &ready);
    if (count == 0) {
        return 0;
    }
    if (!(ready.flags & COMMAND) || ready.size < 6 || memcmp(ready.data, "\5READY", 6) != 0) {
        return -1;
    }
    self->greeted = true;
    return (ssize_t)(GREETING + count);
}

static void request(struct zmtp *self, const void *body, size_t size, msgpack_sbuffer *out)
{
    self->request++;
    put_frame(out, MORE, &self->request, sizeof self->request);
    put_frame(out, MORE, "", 0);
    put_frame(out, 0, body, size);
}

/* The answer at the front; *older: to a request that another one has superseded. */
static ssize_t answer(const struct zmtp *self, const uint8_t *data, size_t size, struct frame *body,
                      bool *older)
{
    struct frame frames[3];
    size_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t count = take_frame(data + at, size - at, &frames[i]);
        if (count == 0) {
            return 0;
        }
        at += count;
    }
    if (frames[0].size != sizeof self->request || frames[1].size != 0 || (frames[2].flags & MORE)) {
        return -1;
    }
    *older = memcmp(frames[0].data, &self->request, sizeof self->request) != 0;
    *body = frames[2];
    return (ssize_t)at;
}

static bool ask(void *peer, msgpack_sbuffer *out)
{
    struct zmtp *self = peer;
    if (!self->greeted) {
        greet(out);
        return true;
    }
    CLEANUP(msgpack_sbuffer_destroy) msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    if (!self->talk->say(self->peer, &body)) {
        return false;
    }
    request(self, body.data, body.size, out);
    return true;
}

static ssize_t hear(void *peer, const uint8_t *data, size_t size)
{
    struct zmtp *self = peer;
    if (!self->greeted) {
        return greeted(self, data, size);
    }
    size_t at = 0;
    bool older = true;
    while (older) {
        struct frame body;
        ssize_t count = answer(self, data + at, size - at, &body, &older);
        if (count <= 0) {
            return count;
        }
        at += (size_t)count;
        if (!older && !self->talk->take(self->peer, body.data, body.size)) {
            return -1;
        }
    }
    return (ssize_t)at;
}

const struct engine_talk zmtp_talk = { .ask = ask, .hear = hear };
