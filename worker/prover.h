#ifndef WORKER_PROVER_H
#define WORKER_PROVER_H

/*
 * prover - the child that looks, proves and publishes (python/prove.py)
 *
 * JSON lines on a socketpair, many requests in flight, answered in any order. It is started when
 * it is needed, by the first interpreter that has OpenImageIO, and leaves after a minute without
 * a claim. When it dies everything that it held is lost: its descriptors fence the pictures.
 */

#include <czmq.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    PROVER_IDLE_MS = 60000,
    PROVER_START_MS = 60000, /* until its hello */
    PROVER_END_MS = 2000,    /* between the end of its socket and KILL */
    PROVER_PAUSE_MIN_MS = 1000,
    PROVER_PAUSE_MAX_MS = 60000,
};

struct prover_setup {
    const char *script;         /* path of prove.py */
    const char *host;           /* for the line in temporary files, */
    int64_t start;              /* with pid and start time of this process (proc(5), starttime) */
    const char *const *env;     /* additions for the child, NULL-terminated */
    const char *const *pythons; /* interpreters to try, in this order; NULL-terminated */
};

struct prover_calls {
    void *ctx;
    void (*ready)(void *ctx);                        /* it takes requests now */
    void (*answer)(void *ctx, const json_t *answer); /* {"id", "is", ...} */
    /* Every request in flight is lost. hung: it did not answer, so that we had to end it. */
    void (*died)(void *ctx, const char *how, bool hung);
    void (*broken)(void *ctx); /* no interpreter has what it needs: it never will */
};

typedef struct prover prover_t;

/* loop and everything in setup are borrowed for its life. Nothing is started yet. */
prover_t *prover_new(zloop_t *loop, const struct prover_setup *setup,
                     const struct prover_calls *calls);

/* Kills what runs; does not wait for what cannot be killed. */
void prover_destroy(prover_t **self_p);

/* The farm id, known once the broker has answered; before that nothing is started. */
void prover_set_farm(prover_t *self, const char *farm);

/* Does it take requests now? If not it is started (or will be, after its pause), and ready is
 * called. */
bool prover_ready(prover_t *self, int64_t now_ms);

/*
 * Send one request; only when prover_ready said so. Takes it. A prover that shows no sign of life
 * for stall_ms while it owes us an answer waits for a disk that hangs: it is killed, and left
 * behind if even that does not end it.
 */
void prover_ask(prover_t *self, json_t **request_p, int64_t stall_ms, int64_t now_ms);

/* End of its socket: it gives up what is not proven and leaves. Ended: prover_running is false. */
void prover_close(prover_t *self, int64_t now_ms);
bool prover_running(const prover_t *self);

/* What is due. held: claims are held, whose files it may keep open; then it stays. Returns the next
 * deadline, INT64_MAX for none. */
int64_t prover_tick(prover_t *self, bool held, int64_t now_ms);

#endif
