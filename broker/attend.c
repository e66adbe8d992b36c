#include "broker/attend.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/alloc.h"

/* A person's own terminals: more than a handful at once is somebody's accident. */
enum { ATTENDANTS = 256 };

struct attendant {
    int64_t pid;
    int64_t seen_ms;
    enum attend_role role;
};

struct attend {
    struct attendant list[ATTENDANTS];
    size_t count;
};

attend_t *attend_new(void)
{
    return alloc_zero(1, sizeof(struct attend));
}

void attend_destroy(attend_t **self_p)
{
    assert(self_p);
    free(*self_p);
    *self_p = NULL;
}

bool attend_seen(attend_t *self, int64_t now_ms, int64_t pid, enum attend_role role)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->list[i].pid == pid && self->list[i].role == role) {
            self->list[i].seen_ms = now_ms;
            return false;
        }
    }
    if (self->count == ATTENDANTS) {
        return false;
    }
    self->list[self->count++] = (struct attendant){ .pid = pid, .seen_ms = now_ms, .role = role };
    return true;
}

static void forget(attend_t *self, size_t index, int64_t *pid, enum attend_role *role)
{
    *pid = self->list[index].pid;
    *role = self->list[index].role;
    self->list[index] = self->list[--self->count];
}

bool attend_expire(attend_t *self, int64_t now_ms, int64_t silence_ms, int64_t *pid,
                   enum attend_role *role)
{
    for (size_t i = 0; i < self->count; i++) {
        if (now_ms - self->list[i].seen_ms >= silence_ms) {
            forget(self, i, pid, role);
            return true;
        }
    }
    return false;
}

bool attend_drop(attend_t *self, bool (*is_dead)(int64_t pid), int64_t *pid, enum attend_role *role)
{
    for (size_t i = 0; i < self->count; i++) {
        if (is_dead(self->list[i].pid)) {
            forget(self, i, pid, role);
            return true;
        }
    }
    return false;
}

bool attend_leave(attend_t *self, int64_t pid, enum attend_role role)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->list[i].pid == pid && self->list[i].role == role) {
            forget(self, i, &pid, &role);
            return true;
        }
    }
    return false;
}

bool attend_others(const attend_t *self, int64_t pid, bool (*is_dead)(int64_t pid))
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->list[i].pid != pid && !is_dead(self->list[i].pid)) {
            return true;
        }
    }
    return false;
}

size_t attend_count(const attend_t *self)
{
    return self->count;
}

int64_t attend_deadline(const attend_t *self, int64_t silence_ms)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < self->count; i++) {
        int64_t due = self->list[i].seen_ms + silence_ms;
        first = due < first ? due : first;
    }
    return first;
}
