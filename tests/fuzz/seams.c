#include "tests/fuzz/seams.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "broker/filework.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/messages.h"
#include "proto/process.h"

static char socket_marks[2];
zsock_t *const seams_workers = (zsock_t *)(void *)&socket_marks[0];
zsock_t *const seams_submitters = (zsock_t *)(void *)&socket_marks[1];

static struct {
    zsock_t *socket; /* NULL: nothing to read */
    struct envelope_address from;
    const void *body;
    size_t size;
    size_t blobs;
} next;

static uint8_t files_choice;

void seams_put(zsock_t *socket, const struct envelope_address *from, const void *body, size_t size)
{
    next.socket = socket;
    next.from = *from;
    next.body = body;
    next.size = size;
    next.blobs = 0;
}

void seams_blobs(size_t count)
{
    next.blobs = count;
}

bool seams_unread(void)
{
    return next.socket != NULL;
}

void seams_files(uint8_t choice)
{
    files_choice = choice;
}

/* ---- proto/envelope.h ---- */

const struct envelope_limits envelope_worker_limits = { WIRE_WORKER_BYTES, WIRE_BLOB_BYTES,
                                                        WIRE_BLOBS };
const struct envelope_limits envelope_submitter_limits = { WIRE_SUBMITTER_BYTES, 0, 0 };

static void fill(zmq_msg_t *message, const void *bytes, size_t size)
{
    (void)zmq_msg_init_size(message, size);
    if (size > 0) {
        memcpy(zmq_msg_data(message), bytes, size);
    }
}

int64_t envelope_peer_pid(const struct envelope *self)
{
    (void)self;
    return -1;
}

int envelope_recv(zsock_t *router, const struct envelope_limits *limits, struct envelope *out)
{
    static const char blob[] = "Fra:1 Mem:9M | what Blender printed\n";
    if (next.socket != router) {
        return ENVELOPE_EMPTY;
    }
    next.socket = NULL;
    out->from = next.from;
    fill(&out->body, next.body, next.size);
    out->blobs = next.blobs < limits->blobs ? next.blobs : limits->blobs;
    for (size_t i = 0; i < out->blobs; i++) {
        fill(&out->blob[i], blob, sizeof blob - 1);
    }
    return ENVELOPE_OK;
}

void envelope_close(struct envelope *self)
{
    (void)zmq_msg_close(&self->body);
    for (size_t i = 0; i < self->blobs; i++) {
        (void)zmq_msg_close(&self->blob[i]);
    }
}

const void *envelope_body(struct envelope *self, size_t *size)
{
    *size = zmq_msg_size(&self->body);
    return zmq_msg_data(&self->body);
}

const void *envelope_blob(struct envelope *self, size_t index, size_t *size)
{
    *size = zmq_msg_size(&self->blob[index]);
    return zmq_msg_data(&self->blob[index]);
}

int envelope_send(zsock_t *router, const struct envelope_address *to, const void *body, size_t size)
{
    return seams_sent(router, to, body, size);
}

int envelope_send_json(zsock_t *router, const struct envelope_address *to, const json_t *body)
{
    CLEANUP(cleanup_free) void *data = NULL;
    size_t size = 0;
    int rc = wire_encode(body, &data, &size);
    return rc == 0 ? envelope_send(router, to, data, size) : rc;
}

/* ---- broker/filework.h ---- */

struct filework {
    int fd;
    json_t *results;
};

static json_t *look_at(const json_t *task)
{
    static const char *const words[] = { "now",     "kept",   "changed", "saved",
                                         "missing", "failed", "same",    "same" };
    static const char hash[] = "cc00000000000000000000000000000000000000000000000000000000000000";
    return json_pack("{s:I, s:s, s:i, s:i, s:s, s:s, s:s}", "job",
                     (json_int_t)msg_int_or(task, "job", 0), "is", words[files_choice % 8], "size",
                     2000, "mtime_ns", 77, "hash", hash, "kept", "/f/.kept.blend", "text", "no");
}

int filework_start(const json_t *tasks, const char *farm_id, filework_t **out)
{
    (void)farm_id;
    if (files_choice == 255) {
        return -EAGAIN;
    }
    filework_t *self = alloc_zero(1, sizeof *self);
    self->fd = eventfd(1, EFD_CLOEXEC);
    self->results = json_array();
    size_t index = 0;
    json_t *task = NULL;
    json_array_foreach(tasks, index, task)
    {
        (void)json_array_append_new(self->results, look_at(task));
    }
    *out = self;
    return 0;
}

void filework_destroy(filework_t **self_p)
{
    if (*self_p) {
        cleanup_fd(&(*self_p)->fd);
        json_decref((*self_p)->results);
        free(*self_p);
        *self_p = NULL;
    }
}

int filework_fd(const filework_t *self)
{
    return self->fd;
}

/* An even choice: the disk hangs, and the broker has to give it up. */
bool filework_ended(filework_t *self)
{
    return self->fd >= 0 && files_choice % 2 == 1;
}

json_t *filework_results(filework_t *self)
{
    return filework_ended(self) ? json_incref(self->results) : json_array();
}

/* ---- proto/process.h: no process of this machine has to do with it ---- */

int64_t process_start(pid_t pid)
{
    return pid;
}

int64_t process_boot(void)
{
    return 1;
}
