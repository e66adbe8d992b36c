#include "worker/source.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/blendfile.h"
#include "proto/messages.h"

bool source_from_job(const json_t *about, struct source_ask *out)
{
    const char *file = msg_str_or(about, "file", NULL);
    const char *hash = msg_str_or(about, "hash", NULL);
    const char *kept = msg_str_or(about, "kept", NULL);
    if (!file || !hash) {
        return false;
    }
    *out = (struct source_ask){
        .file = alloc_text(file),
        .kept = alloc_text(kept),
        .facts = { .size = msg_int_or(about, "size", -1),
                   .mtime_ns = msg_int_or(about, "mtime_ns", -1) },
    };
    (void)snprintf(out->facts.hash, sizeof out->facts.hash, "%s", hash);
    return true;
}

void source_ask_clear(struct source_ask *self)
{
    free(self->file);
    free(self->kept);
    free(self->opened);
    *self = (struct source_ask){ .id = 0 };
}

void source_answer_clear(struct source_answer *self)
{
    free(self->use);
    *self = (struct source_answer){ .id = 0 };
}

/* Has the file at path the submitted bytes? 0 and its facts, 1 for no, or a negative errno. */
static int same_bytes(const char *path, const struct filehash_facts *wanted,
                      struct filehash_facts *out)
{
    struct filehash_facts found;
    int rc = filehash_stat(path, &found);
    if (rc != 0) {
        return rc;
    }
    if (found.size != wanted->size) {
        return 1;
    }
    if (found.mtime_ns != wanted->mtime_ns) {
        rc = filehash_facts(path, &found);
        if (rc != 0 || strcmp(found.hash, wanted->hash) != 0) {
            return rc < 0 ? rc : 1;
        }
    }
    *out = found;
    return 0;
}

static void read_header(struct source_answer *out)
{
    struct blendfile header;
    int rc = blendfile_read(out->use, &header);
    if (rc == BLENDFILE_OK) {
        out->file_version = header.version;
    } else if (rc == BLENDFILE_NOT_BLEND) {
        out->verdict = SOURCE_NOT_BLEND;
    } else if (rc == BLENDFILE_TRUNCATED) {
        out->verdict = SOURCE_TRUNCATED;
    } else {
        out->verdict = SOURCE_UNREADABLE;
        out->error = -rc;
    }
}

static void look_after(const struct source_ask *ask, struct source_answer *out)
{
    struct filehash_facts now;
    bool same = filehash_stat(ask->opened, &now) == 0 && now.size == ask->opened_facts.size &&
                now.mtime_ns == ask->opened_facts.mtime_ns;
    out->verdict = same ? SOURCE_OK : SOURCE_CHANGED;
    out->facts = ask->opened_facts;
}

void source_look(const struct source_ask *ask, struct source_answer *out)
{
    *out = (struct source_answer){ .id = ask->id, .verdict = SOURCE_OK };
    if (ask->opened) {
        look_after(ask, out);
        return;
    }
    int original = same_bytes(ask->file, &ask->facts, &out->facts);
    int kept = original != 0 && ask->kept ? same_bytes(ask->kept, &ask->facts, &out->facts) : 1;
    if (original == 0 || kept == 0) {
        out->from_kept = original != 0;
        out->use = alloc_text(original == 0 ? ask->file : ask->kept);
        if (ask->read_header) {
            read_header(out);
        }
    } else if (original == -ENOENT || original == -ENOTDIR) {
        out->verdict = SOURCE_MISSING;
    } else if (original < 0) {
        out->verdict = SOURCE_UNREADABLE;
        out->error = -original;
    } else {
        out->verdict = SOURCE_CHANGED;
    }
}

void source_send(struct source_answer *answer, int fd)
{
    struct source_letter letter = { .answer = alloc_zero(1, sizeof *answer) };
    *letter.answer = *answer;
    *answer = (struct source_answer){ .id = 0 };
    if (write(fd, &letter, sizeof letter) != (ssize_t)sizeof letter) { /* nobody reads any more */
        source_answer_clear(letter.answer);
        free(letter.answer);
    }
}

bool source_receive(int fd, struct source_answer *out)
{
    struct source_letter letter = { .answer = NULL };
    if (read(fd, &letter, sizeof letter) != (ssize_t)sizeof letter) {
        return false;
    }
    *out = *letter.answer;
    free(letter.answer);
    return true;
}

struct errand {
    struct source_ask ask;
    int fd;
};

static void *run(void *arg)
{
    struct errand *errand = arg;
    struct source_answer answer;
    source_look(&errand->ask, &answer);
    source_send(&answer, errand->fd);
    close(errand->fd);
    source_ask_clear(&errand->ask);
    free(errand);
    return NULL;
}

int source_start(struct source_ask *ask, int fd)
{
    pthread_t thread = 0;
    struct errand *errand = alloc_zero(1, sizeof *errand);
    int rc = 0;
    errand->ask = *ask;
    *ask = (struct source_ask){ .id = 0 };
    /* A descriptor of its own: a thread that hung must not write into a number used anew. */
    errand->fd = dup(fd); /* in two steps: ThreadSanitizer follows dup, and only we fork */
    if (errand->fd < 0 || fcntl(errand->fd, F_SETFD, FD_CLOEXEC) < 0) {
        rc = errno;
    } else {
        rc = pthread_create(&thread, NULL, run, errand); /* signals are blocked in all threads */
    }
    if (rc != 0) {
        if (errand->fd >= 0) {
            close(errand->fd);
        }
        source_ask_clear(&errand->ask);
        free(errand);
        return -rc;
    }
    (void)pthread_detach(thread); /* it may hang for ever; nobody waits for it */
    return 0;
}
