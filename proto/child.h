#ifndef PROTO_CHILD_H
#define PROTO_CHILD_H

/*
 * child - start a program, watch it, end it
 *
 * The child gets a clean start: no signal blocked or ignored, stdin from /dev/null, every
 * descriptor closed but 0, 1, 2 and those passed. A failing exec is reported by child_spawn.
 *
 * With a keeper a small process stands between: our child is the keeper, its child the
 * program. It ends the whole process group (TERM, 500 ms, KILL) and whatever else descends from
 * the program when we are gone, however we went, and also once the program itself has ended.
 * Then it ends as the program did. So end of pidfd means: nothing of it is left.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_PASS_MAX 8
#define CHILD_GRACE_MS 500 /* between TERM and KILL */

typedef struct child child_t;

/* fd of ours becomes number as in the child; as may be 1 or 2. Ours stays open. */
struct child_pass {
    int fd;
    int as;
};

struct child_spec {
    const char *const *argv; /* argv[0]: a path, or a name that is looked up in PATH */
    const char *const *env;  /* additions "NAME=value", or "NAME" to remove; may be NULL */
    const char *folder;      /* working directory, NULL for ours */
    const struct child_pass *pass;
    size_t pass_count; /* at most CHILD_PASS_MAX */
    bool output;       /* stdout and stderr into one pipe, see child_output */
    bool own_group;    /* its own process group; implied by keeper and own_session */
    bool own_session;  /* setsid: for a program that outlives us */
    bool keeper;
    int nice; /* added to ours: 10 for what must not be in the way */
};

struct child_end {
    bool signalled;
    int code; /* exit status, or the signal's number */
};

enum child_outcome {
    CHILD_OK,
    CHILD_RUNNING, /* reap: not ended yet */
};

/*
 * Start it. Returns when the program runs: 0 and the caller owns *out, or a negative errno, of
 * exec (-ENOENT: no such program) or of what we lacked. Waits for the exec only.
 */
int child_spawn(const struct child_spec *spec, child_t **out);

/* Kills what still runs (KILL to the group), reaps it, closes. Safe on NULL. */
void child_destroy(child_t **self_p);

/* Forget without killing: for a child with own_session. It is reaped by init once we are gone. */
void child_release(child_t **self_p);

/* The program's pid (never the keeper's). */
pid_t child_pid(const child_t *self);

/* Readable once the child (with keeper: and all that it started) has ended. Borrowed. */
int child_pidfd(const child_t *self);

/* Nonblocking read end of the output pipe, -1 without one. Borrowed. */
int child_output(const child_t *self);

/*
 * Send SIGTERM, SIGKILL or any other signal to the group (the child alone if it has no group of
 * its own). Nothing happens when it has ended.
 */
void child_terminate(child_t *self, int number);

/* Fetch how it ended, without waiting: 0 or CHILD_RUNNING. Again: the same answer. */
int child_reap(child_t *self, struct child_end *out);

/* Wait for the end at most timeout_ms (-1: for ever): 0 or CHILD_RUNNING. */
int child_wait(child_t *self, int timeout_ms, struct child_end *out);

/* "exit 1" or "signal 9 (Killed)". */
void child_end_text(const struct child_end *end, char *out, size_t size);

/* The file that argv[0] stands for: itself with a '/' in it, else the first in PATH. -ENOENT. */
int child_find_program(const char *name, char **out);

/* A socketpair (stream), both ends close-on-exec: pair[0] is nonblocking, pair[1] the child's. */
int child_socketpair(int pair[2]);

#endif
