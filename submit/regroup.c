#include "submit/regroup.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/clock.h"
#include "submit/devices.h"
#include "submit/objects.h"
#include "submit/say.h"

enum {
    AGAIN_MS = 60000, /* after a group that did not start */
    TRIES = 2,        /* of a group that dies at its start */
};

struct regroup {
    json_t *cards;
    json_t *starting; /* devices, once those that leave have left; or NULL */
    int64_t not_before_ms;
};

regroup_t *regroup_new(const json_t *cards)
{
    regroup_t *self = alloc_zero(1, sizeof *self);
    self->cards = json_deep_copy(cards);
    return self;
}

void regroup_destroy(regroup_t **self_p)
{
    assert(self_p);
    if (*self_p) {
        json_decref((*self_p)->cards);
        json_decref((*self_p)->starting);
        free(*self_p);
        *self_p = NULL;
    }
}

size_t regroup_cards(const char *device)
{
    size_t count = 1;
    for (const char *at = device; (at = strchr(at, '+')) != NULL; at++) {
        count++;
    }
    return count;
}

/* Is the card one of the device's? */
static bool has_card(const char *device, const char *card)
{
    size_t size = strlen(card);
    for (const char *at = device; at; at = strchr(at, '+') ? strchr(at, '+') + 1 : NULL) {
        if (strncmp(at, card, size) == 0 && (at[size] == '+' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

static bool is_idle(const json_t *worker)
{
    const char *state = objects_str(worker, "state");
    bool free = strcmp(state, "idle") == 0 || strcmp(state, "starting") == 0;
    return worker && free && !json_is_integer(json_object_get(worker, "job")) &&
           json_array_size(json_object_get(worker, "frames")) == 0;
}

/* The cards that no worker has but those that may leave. */
static json_t *free_cards(const regroup_t *self, struct member *const *members, size_t count,
                          const bool *may_leave)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(self->cards); i++) {
        json_t *card = json_array_get(self->cards, i);
        bool taken = false;
        for (size_t m = 0; m < count && !taken; m++) {
            taken = !may_leave[m] && has_card(members[m]->device, json_string_value(card));
        }
        if (!taken) {
            json_array_append(out, card);
        }
    }
    return out;
}

static void tell_to_leave(struct member *member)
{
    member->retired = true;
    child_terminate(member->child, SIGTERM);
}

bool regroup_any(struct member *const *members, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count && !any; i++) {
        any = regroup_cards(members[i]->device) > 1;
    }
    return any;
}

/* Its cards work alone from now on, and no group is tried for a while. */
static void take_apart(regroup_t *self, struct member *member)
{
    self->starting = self->starting ? self->starting : json_array();
    for (size_t i = 0; i < json_array_size(self->cards); i++) {
        json_t *card = json_array_get(self->cards, i);
        if (has_card(member->device, json_string_value(card))) {
            json_array_append(self->starting, card);
        }
    }
    say_note("each card of %s works alone", member->device);
    self->not_before_ms = clock_mono_ms() + AGAIN_MS;
    member->retired = true;
}

/* One card that fails makes its whole group rest. */
static bool is_spoiled(const struct member *member, const json_t *worker)
{
    const char *code = objects_str(json_object_get(worker, "error"), "code");
    return worker && regroup_cards(member->device) > 1 &&
           strcmp(objects_str(worker, "state"), "resting") == 0 &&
           (strcmp(code, "device-lost") == 0 || strcmp(code, "device-mismatch") == 0);
}

void regroup_begin(regroup_t *self, struct member **members, size_t count, const json_t *workers,
                   int64_t size)
{
    for (size_t i = 0; i < count && !self->starting; i++) {
        if (!members[i]->retired && is_spoiled(members[i], member_worker(members[i], workers))) {
            take_apart(self, members[i]);
            child_terminate(members[i]->child, SIGTERM);
        }
    }
    if (size <= 0 || self->starting || regroup_refuses(self)) {
        return;
    }
    CLEANUP(cleanup_free) bool *may_leave = alloc_zero(count + 1, sizeof *may_leave);
    for (size_t i = 0; i < count; i++) {
        const json_t *worker = member_worker(members[i], workers);
        if (members[i]->child && !worker) {
            return; /* it has just begun, and what it will do nobody can say */
        }
        may_leave[i] = is_idle(worker) && (int64_t)regroup_cards(members[i]->device) != size;
    }
    CLEANUP(cleanup_json) json_t *cards = free_cards(self, members, count, may_leave);
    if ((int64_t)json_array_size(cards) < size) {
        return; /* not yet: some of them have not said so, or never will */
    }
    self->starting = devices_join(cards, (size_t)size);
    if (size > 1) {
        say_note("fewer frames than cards: groups of %lld", (long long)size);
    } else {
        say_note("more frames than groups of cards: each card alone");
    }
    for (size_t i = 0; i < count; i++) {
        if (may_leave[i]) {
            tell_to_leave(members[i]);
        }
    }
}

bool regroup_refuses(const regroup_t *self)
{
    return clock_mono_ms() < self->not_before_ms;
}

void regroup_part(regroup_t *self, struct member *member, enum member_end end)
{
    bool failed = end == MEMBER_UNFIT || member->told_held || member->deaths >= TRIES;
    if (member->kind != MEMBER_WORKER || regroup_cards(member->device) < 2 || !failed ||
        end == MEMBER_ENDED) {
        return;
    }
    take_apart(self, member);
    member->start_at_ms = -1;
}

json_t *regroup_due(regroup_t *self, struct member *const *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i]->retired && members[i]->child) {
            return NULL;
        }
    }
    json_t *due = self->starting;
    self->starting = NULL;
    return due;
}

size_t regroup_drop(struct member **members, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (members[i]->retired) {
            member_destroy(&members[i]);
        } else {
            members[kept++] = members[i];
        }
    }
    return kept;
}
