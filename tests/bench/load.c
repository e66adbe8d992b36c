/*
 * bench_load - the load of a benchmark: workers, submitters, or the clients of another queue
 *
 *     bench_load workers ENDPOINT COUNT SECONDS [--depth N] [--frames N] [--until N] [--inspect]
 *     bench_load hello   ENDPOINT COUNT SECONDS
 *     bench_load submit  ENDPOINT COUNT JOBS [--batch N] [--frames N]
 *     bench_load echo|bare-echo ENDPOINT COUNT SECONDS
 *     bench_load beanstalkd|redis|gearmand WHERE COUNT SECONDS
 *
 * Connects, prints `ready`, and begins when a line comes on standard input: whoever reads the
 * clock of the other side does it in between. The last line is a JSON object of what was seen;
 * the connections stay until one more line comes. Then workers leave as real ones do; at the end of
 * standard input they are gone without a word.
 */

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "tests/bench/asker.h"
#include "tests/bench/engine.h"
#include "tests/bench/hand.h"
#include "tests/bench/mirror.h"
#include "tests/bench/req.h"
#include "tests/bench/rival.h"
#include "tests/bench/zmtp.h"

enum { OPT_DEPTH = 1000, OPT_FRAMES, OPT_UNTIL, OPT_BATCH, OPT_REQ, OPT_INSPECT, WORDS = 4 };

struct load {
    const char *word[WORDS];
    unsigned words;
    const char *where;
    size_t count;
    int depth;
    int32_t frames;
    uint64_t until;
    bool req;
    struct hand_run hands;
    struct asker_run askers;
    struct rival_run rivals;
};

static const struct argp_option options[] = {
    { "batch", OPT_BATCH, "N", 0, "Jobs in one SUBMIT (1)", 0 },
    { "depth", OPT_DEPTH, "N", 0, "Claims that a worker wants at a time (2)", 0 },
    { "frames", OPT_FRAMES, "N", 0, "Frames of a job (250)", 0 },
    { "inspect", OPT_INSPECT, NULL, 0, "Workers take inspections only, and --until counts them",
      0 },
    { "req", OPT_REQ, NULL, 0, "REQ sockets of libzmq, as real workers have them", 0 },
    { "until", OPT_UNTIL, "N", 0, "Workers end when so many frames are done", 0 },
    { 0 },
};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct load *self = state->input;
    switch (key) {
    case OPT_BATCH:
        self->askers.batch = strtoll(text, NULL, 10);
        return 0;
    case OPT_DEPTH:
        self->depth = (int)strtol(text, NULL, 10);
        return 0;
    case OPT_FRAMES:
        self->frames = (int32_t)strtol(text, NULL, 10);
        return 0;
    case OPT_INSPECT:
        self->hands.inspect = true;
        return 0;
    case OPT_REQ:
        self->req = true;
        return 0;
    case OPT_UNTIL:
        self->until = strtoull(text, NULL, 10);
        return 0;
    case ARGP_KEY_ARG:
        if (self->words == WORDS) {
            argp_error(state, "too many words");
        }
        self->word[self->words++] = text;
        return 0;
    case ARGP_KEY_END:
        if (self->words < WORDS) {
            argp_error(state, "WHAT WHERE COUNT SECONDS");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Both sides are ready; the line that says go. */
static void wait_for_go(void)
{
    char line[16];
    (void)puts("ready");
    (void)fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) {
        exit(0); /* nobody wants it any more */
    }
}

static void print_seen(const struct tally *tally, const char *more)
{
    struct tally_seen seen = tally_seen(tally);
    (void)printf("{\"trips\": %" PRIu64
                 ", \"seconds\": %.6f, \"cpu_seconds\": %.6f, "
                 "\"p50_us\": %.1f, \"p99_us\": %.1f, \"most_us\": %.1f%s}\n",
                 seen.trips, seen.seconds, seen.cpu_seconds, seen.p50_us, seen.p99_us, seen.most_us,
                 more);
    (void)fflush(stdout);
}

/* The connections stay so long; false: nobody is there any more. */
static bool wait_for_end(void)
{
    char line[16];
    return fgets(line, sizeof line, stdin) != NULL;
}

static double seconds_of(const struct load *self)
{
    return strtod(self->word[3], NULL);
}

/* ---- what carries a talk ---- */

struct carrier {
    engine_t *engine; /* or req */
    req_t *req;
    struct zmtp *lines;
    size_t count;
};

static struct carrier carrier_new(const struct load *self, const struct talk *talk, char *peers,
                                  size_t peer_size)
{
    struct carrier out = { .count = self->count };
    if (self->req) {
        out.req = req_new(talk);
    } else {
        out.engine = engine_new(&zmtp_talk);
        out.lines = alloc_zero(self->count, sizeof *out.lines);
    }
    for (size_t i = 0; i < self->count; i++) {
        void *peer = peers + i * peer_size;
        if (!out.lines) {
            req_add(out.req, self->where, peer);
        } else {
            out.lines[i] = (struct zmtp){ .talk = talk, .peer = peer };
            engine_add(out.engine, self->where, &out.lines[i]);
        }
    }
    return out;
}

static void carrier_end(struct carrier *self)
{
    engine_destroy(&self->engine);
    req_destroy(&self->req);
    free(self->lines);
}

static struct tally *carrier_tally(const struct carrier *self)
{
    return self->req ? req_tally(self->req) : engine_tally(self->engine);
}

static void carrier_run(struct carrier *self, double seconds, bool (*done)(void *context),
                        void *context)
{
    if (self->req) {
        req_run(self->req, seconds, done, context);
    } else {
        engine_run(self->engine, seconds, done, context);
    }
}

static void carrier_supersede(struct carrier *self)
{
    if (self->req) {
        req_supersede(self->req);
    } else {
        engine_supersede(self->engine);
    }
}

/* ---- workers ---- */

static bool all_ready(void *context)
{
    const struct load *self = context;
    return self->hands.ready >= self->count;
}

static bool enough_done(void *context)
{
    const struct load *self = context;
    uint64_t done = self->hands.inspect ? self->hands.inspected : self->hands.frames_done;
    return self->until > 0 && done >= self->until;
}

static bool all_left(void *context)
{
    const struct load *self = context;
    return self->hands.left >= self->count;
}

static void leave(struct load *self, struct carrier *carrier)
{
    self->hands.leaving = true;
    carrier_supersede(carrier);
    carrier_run(carrier, 0, all_left, self);
}

static void print_workers(const struct load *self, const struct tally *tally, double connect_s)
{
    const struct hand_run *hands = &self->hands;
    double syncs = hands->syncs > 0 ? (double)hands->syncs : 1;
    CLEANUP(cleanup_free)
    char *more = alloc_format(
        ", \"reports\": %" PRIu64 ", \"frames\": %" PRIu64 ", \"grants\": %" PRIu64
        ", \"said_bytes\": %.1f, \"heard_bytes\": %.1f, \"connect_seconds\": %.3f",
        hands->reports, hands->frames_done, hands->grants, (double)hands->said_bytes / syncs,
        (double)hands->heard_bytes / syncs, connect_s);
    print_seen(tally, more);
}

static void run_workers(struct load *self)
{
    self->hands.depth = self->depth;
    self->hands.frames = self->frames;
    CLEANUP(cleanup_free) void *memory = alloc_zero(self->count, sizeof(struct hand));
    struct hand *hands = memory;
    for (size_t i = 0; i < self->count; i++) {
        hand_init(&hands[i], &self->hands, (unsigned)i);
    }
    CLEANUP(carrier_end)
    struct carrier carrier = carrier_new(self, &hand_talk, memory, sizeof *hands);
    struct tally *tally = carrier_tally(&carrier);
    carrier_run(&carrier, 0, all_ready, self);
    double connect_s = tally_seen(tally).seconds;
    wait_for_go();
    self->hands.working = true;
    tally_begin(tally);
    carrier_run(&carrier, seconds_of(self), enough_done, self);
    print_workers(self, tally, connect_s);
    if (wait_for_end()) {
        leave(self, &carrier);
    }
}

/* ---- submitters ---- */

static bool all_taken(void *context)
{
    const struct load *self = context;
    return self->askers.batch > 0 && self->askers.jobs >= self->until;
}

static void run_askers(struct load *self, bool submit)
{
    self->askers.frames = self->frames;
    if (submit) {
        self->until = strtoull(self->word[3], NULL, 10);
        self->askers.left = (int64_t)self->until;
        self->askers.batch = self->askers.batch > 0 ? self->askers.batch : 1;
    }
    CLEANUP(cleanup_free) void *memory = alloc_zero(self->count, sizeof(struct asker));
    struct asker *askers = memory;
    for (size_t i = 0; i < self->count; i++) {
        askers[i].run = &self->askers;
    }
    CLEANUP(carrier_end)
    struct carrier carrier = carrier_new(self, &asker_talk, memory, sizeof *askers);
    wait_for_go();
    tally_begin(carrier_tally(&carrier));
    carrier_run(&carrier, submit ? 0 : seconds_of(self), all_taken, self);
    CLEANUP(cleanup_free) char *more = alloc_format(", \"jobs\": %" PRIu64, self->askers.jobs);
    print_seen(carrier_tally(&carrier), more);
    (void)wait_for_end(); /* either way there is nothing to say */
}

/* ---- other queues ---- */

static void run_rivals(struct load *self, const struct engine_talk *talk)
{
    CLEANUP(engine_destroy) engine_t *engine = engine_new(talk);
    CLEANUP(cleanup_free) void *memory = alloc_zero(self->count, sizeof(struct rival));
    struct rival *rivals = memory;
    for (size_t i = 0; i < self->count; i++) {
        rivals[i] = (struct rival){ .run = &self->rivals, .number = (unsigned)i };
        engine_add(engine, self->where, &rivals[i]);
    }
    wait_for_go();
    self->rivals.working = true;
    tally_begin(engine_tally(engine));
    engine_run(engine, seconds_of(self), NULL, NULL);
    CLEANUP(cleanup_free) char *more = alloc_format(", \"cycles\": %" PRIu64, self->rivals.cycles);
    print_seen(engine_tally(engine), more);
    (void)wait_for_end(); /* as above */
}

/* ---- the ceiling ---- */

static void run_echo(struct load *self)
{
    self->hands.depth = 1;
    CLEANUP(mirror_answers_destroy) struct mirror_answers answers;
    mirror_answers_init(&answers);
    CLEANUP(cleanup_free) void *memory = alloc_zero(self->count, sizeof(struct mirror));
    struct mirror *mirrors = memory;
    for (size_t i = 0; i < self->count; i++) {
        mirror_init(&mirrors[i], &self->hands, &answers, (unsigned)i);
    }
    CLEANUP(carrier_end)
    struct carrier carrier = carrier_new(self, &mirror_talk, memory, sizeof *mirrors);
    wait_for_go();
    self->hands.working = true;
    tally_begin(carrier_tally(&carrier));
    carrier_run(&carrier, seconds_of(self), NULL, NULL);
    print_workers(self, carrier_tally(&carrier), 0);
    (void)wait_for_end(); /* as above */
}

/* The same with clients that neither make what they send nor read what comes back. */

static bool echo_say(void *peer, msgpack_sbuffer *body)
{
    static const char bytes[280]; /* what a SYNC with one report has, started or finished */
    (void)peer;
    return msgpack_sbuffer_write(body, bytes, sizeof bytes) == 0;
}

static bool echo_take(void *peer, const void *body, size_t size)
{
    (void)peer;
    (void)body;
    return size > 0;
}

static void run_bare_echo(struct load *self)
{
    static const struct talk talk = { .say = echo_say, .take = echo_take };
    char nobody = 0;
    CLEANUP(carrier_end) struct carrier carrier = carrier_new(self, &talk, &nobody, 0);
    wait_for_go();
    tally_begin(carrier_tally(&carrier));
    carrier_run(&carrier, seconds_of(self), NULL, NULL);
    print_seen(carrier_tally(&carrier), "");
    (void)wait_for_end(); /* as above */
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        options, parse_option, "WHAT WHERE COUNT SECONDS", "The load of a benchmark.", NULL,
        NULL,    NULL,
    };
    struct load self = { .depth = 2, .frames = 250 };
    (void)argp_parse(&argp, argc, argv, 0, NULL, &self); /* ends the program by itself */
    self.where = self.word[1];
    self.count = strtoull(self.word[2], NULL, 10);
    const struct engine_talk *rival = rival_talk(self.word[0]);
    if (strcmp(self.word[0], "workers") == 0) {
        run_workers(&self);
    } else if (strcmp(self.word[0], "bare-echo") == 0) {
        run_bare_echo(&self);
    } else if (strcmp(self.word[0], "hello") == 0 || strcmp(self.word[0], "submit") == 0) {
        run_askers(&self, strcmp(self.word[0], "submit") == 0);
    } else if (strcmp(self.word[0], "echo") == 0) {
        run_echo(&self);
    } else if (rival) {
        run_rivals(&self, rival);
    } else {
        engine_die("what is %s?", self.word[0]);
    }
    return 0;
}
