#include "tests/bench/rival.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum step { PUT, RESERVE, FINISH, STEPS };

static void put(msgpack_sbuffer *out, const void *data, size_t size)
{
    (void)msgpack_sbuffer_write(out, data, size); /* grows, or there is no memory */
}

static void put_text(msgpack_sbuffer *out, const char *text)
{
    put(out, text, strlen(text));
}

/* A job that there is only once. */
static void make_job(struct rival *self, char out[RIVAL_JOB_BYTES + 1])
{
    char head[48];
    int size = snprintf(head, sizeof head, "%d-%u-%" PRIu64 "-", (int)getpid(), self->number,
                        self->count++);
    memset(out, '0', RIVAL_JOB_BYTES);
    memcpy(out, head, (size_t)size);
    out[RIVAL_JOB_BYTES] = '\0';
}

/* The answer was that of this step. */
static void stepped(struct rival *self)
{
    self->run->cycles += self->step == FINISH;
    self->step = (self->step + 1) % STEPS;
}

/* ---- beanstalkd: lines, and the job behind its line ---- */

static bool bean_ask(void *peer, msgpack_sbuffer *out)
{
    struct rival *self = peer;
    char text[RIVAL_JOB_BYTES + 64];
    char job[RIVAL_JOB_BYTES + 1];
    if (!self->run->working) {
        return false;
    }
    switch (self->step) {
    case PUT:
        make_job(self, job);
        (void)snprintf(text, sizeof text, "put 0 0 60 %d\r\n%s\r\n", RIVAL_JOB_BYTES, job);
        break;
    case RESERVE:
        (void)snprintf(text, sizeof text, "reserve\r\n");
        break;
    default:
        (void)snprintf(text, sizeof text, "delete %s\r\n", self->id);
        break;
    }
    put_text(out, text);
    return true;
}

static ssize_t bean_hear(void *peer, const uint8_t *data, size_t size)
{
    static const char *const wanted[] = { "INSERTED ", "RESERVED ", "DELETED" };
    struct rival *self = peer;
    const uint8_t *end = memchr(data, '\n', size);
    if (!end) {
        return 0;
    }
    size_t count = (size_t)(end - data) + 1;
    if (strncmp((const char *)data, wanted[self->step], strlen(wanted[self->step])) != 0) {
        return -1;
    }
    if (self->step == RESERVE) {
        count += RIVAL_JOB_BYTES + 2;
        if (size < count) {
            return 0;
        }
        (void)snprintf(self->id, sizeof self->id, "%.*s", (int)strcspn((const char *)data + 9, " "),
                       (const char *)data + 9);
    }
    stepped(self);
    return (ssize_t)count;
}

/* ---- redis: a list of jobs, and one of those that are worked on ---- */

static void redis_say(msgpack_sbuffer *out, const char *const *words, size_t count)
{
    char text[32];
    (void)snprintf(text, sizeof text, "*%zu\r\n", count);
    put_text(out, text);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(text, sizeof text, "$%zu\r\n", strlen(words[i]));
        put_text(out, text);
        put_text(out, words[i]);
        put_text(out, "\r\n");
    }
}

static bool redis_ask(void *peer, msgpack_sbuffer *out)
{
    struct rival *self = peer;
    char job[RIVAL_JOB_BYTES + 1];
    if (!self->run->working) {
        return false;
    }
    switch (self->step) {
    case PUT:
        make_job(self, job);
        redis_say(out, (const char *const[]){ "LPUSH", "jobs", job }, 3);
        break;
    case RESERVE:
        redis_say(out, (const char *const[]){ "RPOPLPUSH", "jobs", "doing" }, 3);
        break;
    default:
        redis_say(out, (const char *const[]){ "LREM", "doing", "1", self->job }, 4);
        break;
    }
    return true;
}

static ssize_t redis_hear(void *peer, const uint8_t *data, size_t size)
{
    struct rival *self = peer;
    const uint8_t *end = memchr(data, '\n', size);
    if (!end) {
        return 0;
    }
    size_t count = (size_t)(end - data) + 1;
    if (data[0] != (self->step == RESERVE ? '$' : ':')) {
        return -1;
    }
    if (self->step == RESERVE) {
        count += RIVAL_JOB_BYTES + 2;
        if (size < count) {
            return 0;
        }
        memcpy(self->job, end + 1, RIVAL_JOB_BYTES);
        self->job[RIVAL_JOB_BYTES] = '\0';
    }
    stepped(self);
    return (ssize_t)count;
}

/* ---- gearmand: packets of its binary protocol ---- */

enum gear {
    GEAR_CAN_DO = 1,
    GEAR_JOB_CREATED = 8,
    GEAR_GRAB_JOB = 9,
    GEAR_JOB_ASSIGN = 11,
    GEAR_WORK_COMPLETE = 13,
    GEAR_SUBMIT_JOB_BG = 18,
    GEAR_HEAD = 12,
};

static void gear_say(msgpack_sbuffer *out, enum gear type, const char *data, size_t size)
{
    uint32_t head[2] = { htonl(type), htonl((uint32_t)size) };
    put(out, "\0REQ", 4);
    put(out, head, sizeof head);
    put(out, data, size);
}

static bool gear_ask(void *peer, msgpack_sbuffer *out)
{
    struct rival *self = peer;
    char job[RIVAL_JOB_BYTES + 1];
    char data[2 * RIVAL_JOB_BYTES];
    if (!self->run->working) {
        return false;
    }
    if (!self->known) {
        gear_say(out, GEAR_CAN_DO, "bench", 5);
        self->known = true;
    }
    if (self->step == PUT) {
        make_job(self, job);
        int size = snprintf(data, sizeof data, "bench%c%.40s%c%s", 0, job, 0, job);
        gear_say(out, GEAR_SUBMIT_JOB_BG, data, (size_t)size);
    } else {
        gear_say(out, GEAR_GRAB_JOB, "", 0);
    }
    return true;
}

/* A job that is done is told so in front of the next request: no answer comes to that. */
static ssize_t gear_hear(void *peer, const uint8_t *data, size_t size)
{
    struct rival *self = peer;
    uint32_t head[2];
    if (size < GEAR_HEAD) {
        return 0;
    }
    memcpy(head, data + 4, sizeof head);
    size_t count = GEAR_HEAD + ntohl(head[1]);
    if (size < count) {
        return 0;
    }
    if (ntohl(head[0]) != (self->step == PUT ? GEAR_JOB_CREATED : GEAR_JOB_ASSIGN)) {
        return -1;
    }
    stepped(self);
    if (self->step == FINISH) {
        (void)snprintf(self->id, sizeof self->id, "%.*s", (int)(size - GEAR_HEAD),
                       (const char *)data + GEAR_HEAD);
    }
    return (ssize_t)count;
}

static bool gear_next(void *peer, msgpack_sbuffer *out)
{
    struct rival *self = peer;
    if (self->step == FINISH) {
        gear_say(out, GEAR_WORK_COMPLETE, self->id, strlen(self->id) + 1);
        stepped(self);
    }
    return gear_ask(peer, out);
}

const struct engine_talk *rival_talk(const char *name)
{
    static const struct engine_talk bean = { .ask = bean_ask, .hear = bean_hear };
    static const struct engine_talk redis = { .ask = redis_ask, .hear = redis_hear };
    static const struct engine_talk gear = { .ask = gear_next, .hear = gear_hear };
    return strcmp(name, "beanstalkd") == 0 ? &bean
           : strcmp(name, "redis") == 0    ? &redis
           : strcmp(name, "gearmand") == 0 ? &gear
                                           : NULL;
}
