#include "broker/sessions.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/alloc.h"

struct entry {
    int64_t session; /* the key lies in the item, zhashx borrows it */
    struct sessions_place place;
    int64_t due_ms; /* 0: not in doubt */
};

struct sessions {
    zhashx_t *map;
    int64_t doubts; /* so that nobody looks through all of them for nothing */
};

/* Session numbers follow each other, so the low bits spread them as well as anything. */
static size_t hash_session(const void *key)
{
    const int64_t *session = key;
    return (size_t)*session;
}

static int compare_session(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void free_entry(void **item_p)
{
    free(*item_p);
    *item_p = NULL;
}

sessions_t *sessions_new(void)
{
    sessions_t *self = alloc_zero(1, sizeof *self);
    self->map = zhashx_new();
    zhashx_set_key_hasher(self->map, hash_session);
    zhashx_set_key_comparator(self->map, compare_session);
    zhashx_set_key_duplicator(self->map, NULL);
    zhashx_set_key_destructor(self->map, NULL);
    zhashx_set_destructor(self->map, free_entry);
    return self;
}

void sessions_destroy(sessions_t **self_p)
{
    assert(self_p);
    if (*self_p) {
        zhashx_destroy(&(*self_p)->map);
        free(*self_p);
        *self_p = NULL;
    }
}

static struct entry *find(const sessions_t *self, int64_t session)
{
    return zhashx_lookup(self->map, &session);
}

void sessions_put(sessions_t *self, int64_t session, const struct sessions_place *place)
{
    struct entry *entry = find(self, session);
    if (!entry) {
        entry = alloc_zero(1, sizeof *entry);
        entry->session = session;
        (void)zhashx_insert(self->map, &entry->session, entry); /* the key is not there yet */
    }
    entry->place = *place;
    self->doubts -= entry->due_ms != 0;
    entry->due_ms = 0;
}

const struct sessions_place *sessions_get(const sessions_t *self, int64_t session)
{
    const struct entry *entry = find(self, session);
    return entry ? &entry->place : NULL;
}

void sessions_forget(sessions_t *self, int64_t session)
{
    const struct entry *entry = find(self, session);
    if (entry) {
        self->doubts -= entry->due_ms != 0;
        zhashx_delete(self->map, &session);
    }
}

void sessions_doubt(sessions_t *self, int64_t session, int64_t due_ms)
{
    struct entry *entry = find(self, session);
    if (entry && entry->due_ms == 0) {
        entry->due_ms = due_ms;
        self->doubts++;
    }
}

/* The entry in doubt that is due first. */
static struct entry *first_doubt(const sessions_t *self)
{
    struct entry *first = NULL;
    if (self->doubts == 0) {
        return NULL;
    }
    for (struct entry *at = zhashx_first(self->map); at; at = zhashx_next(self->map)) {
        if (at->due_ms != 0 && (!first || at->due_ms < first->due_ms)) {
            first = at;
        }
    }
    return first;
}

bool sessions_gone(sessions_t *self, int64_t now_ms, int64_t *session)
{
    const struct entry *first = first_doubt(self);
    if (!first || first->due_ms > now_ms) {
        return false;
    }
    *session = first->session;
    sessions_forget(self, *session);
    return true;
}

int64_t sessions_deadline(const sessions_t *self)
{
    const struct entry *first = first_doubt(self);
    return first ? first->due_ms : INT64_MAX;
}
