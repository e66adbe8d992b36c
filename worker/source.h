#ifndef WORKER_SOURCE_H
#define WORKER_SOURCE_H

/*
 * source - which file to open: the .blend as it was submitted, or the kept one
 *
 * The original while its size and mtime are those that were submitted (another mtime alone: the
 * hash decides), else the kept file by the same rule. Read in a thread of its own, since a network
 * disk may hang, and the worker's loop must not.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/filehash.h"

enum source_verdict {
    SOURCE_OK,
    SOURCE_MISSING, /* neither the original nor a kept file is there */
    SOURCE_CHANGED, /* nothing has the submitted bytes any more */
    SOURCE_NOT_BLEND,
    SOURCE_TRUNCATED,
    SOURCE_UNREADABLE, /* error says why */
};

struct source_ask {
    int64_t id; /* the answer repeats it */
    char *file;
    char *kept;                  /* NULL: none was made */
    struct filehash_facts facts; /* as submitted */
    bool read_header;
    /* For the look after an open: the file that was opened and its facts then. NULL: a look before.
     */
    char *opened;
    struct filehash_facts opened_facts;
};

struct source_answer {
    int64_t id;
    enum source_verdict verdict;
    char *use;                   /* the file to open; NULL unless SOURCE_OK */
    struct filehash_facts facts; /* of that file, for the look after the open */
    bool from_kept;
    int file_version; /* with read_header: 304 */
    int error;        /* errno */
};

/* Fill in an ask from a job's description. False when it lacks what is needed. */
bool source_from_job(const json_t *about, struct source_ask *out);
void source_ask_clear(struct source_ask *self);

/* Look now, in this thread. The caller clears *out. */
void source_look(const struct source_ask *ask, struct source_answer *out);
void source_answer_clear(struct source_answer *self);

/*
 * Look in a thread: a struct source_letter is written to fd (a pipe) when it is through; the
 * reader owns what it holds. Takes what is in *ask. A negative errno when there is no thread to be
 * had.
 */
int source_start(struct source_ask *ask, int fd);

struct source_letter {
    struct source_answer *answer;
};

/* Write an answer as the thread does; copies it (takes its text). */
void source_send(struct source_answer *answer, int fd);

/* Read one; false when there is none. The caller clears *out. */
bool source_receive(int fd, struct source_answer *out);

#endif
