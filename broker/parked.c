#include "broker/parked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"

struct parked {
    struct parked_request *list;
    size_t count;
    size_t room;
};

parked_t *parked_new(void)
{
    return alloc_zero(1, sizeof(struct parked));
}

void parked_destroy(parked_t **self_p)
{
    assert(self_p);
    parked_t *self = *self_p;
    if (self) {
        while (self->count > 0) {
            parked_remove(self, self->count - 1);
        }
        free(self->list);
        free(self);
        *self_p = NULL;
    }
}

void parked_add(parked_t *self, const struct parked_request *request)
{
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 16;
        self->list = alloc_resize(self->list, self->room, sizeof self->list[0]);
    }
    self->list[self->count++] = *request;
}

void parked_drop(parked_t *self, const zsock_t *socket, const struct envelope_address *peer)
{
    for (size_t i = self->count; i-- > 0;) {
        const struct parked_request *at = &self->list[i];
        if (at->socket == socket && memcmp(at->address.peer, peer->peer, sizeof peer->peer) == 0) {
            parked_remove(self, i);
        }
    }
}

size_t parked_count(const parked_t *self)
{
    return self->count;
}

const struct parked_request *parked_at(const parked_t *self, size_t index)
{
    assert(index < self->count);
    return &self->list[index];
}

void parked_remove(parked_t *self, size_t index)
{
    assert(index < self->count);
    json_decref(self->list[index].body);
    self->list[index] = self->list[--self->count];
}

int64_t parked_deadline(const parked_t *self)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < self->count; i++) {
        first = self->list[i].due_ms < first ? self->list[i].due_ms : first;
    }
    return first;
}
