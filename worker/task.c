#include "worker/task.h"

#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"

#define BIT(state) (1U << (state))

/* Everything alive may be given up; what has ended stays so. */
static const unsigned moves[] = {
    [TASK_NEW] = BIT(TASK_LOOKING) | BIT(TASK_INSPECTING) | BIT(TASK_SWEEPING) |
                 BIT(TASK_GIVING_UP) | BIT(TASK_ENDED),
    [TASK_LOOKING] = BIT(TASK_LOOKED) | BIT(TASK_NEW) | BIT(TASK_GIVING_UP) | BIT(TASK_ENDED),
    [TASK_LOOKED] = BIT(TASK_TAKING) | BIT(TASK_GIVING_UP) | BIT(TASK_ENDED),
    [TASK_TAKING] = BIT(TASK_TAKEN) | BIT(TASK_GIVING_UP) | BIT(TASK_ENDED),
    [TASK_TAKEN] = BIT(TASK_RENDERING) | BIT(TASK_GIVING_UP) | BIT(TASK_ENDED),
    [TASK_RENDERING] = BIT(TASK_PROVING) | BIT(TASK_GIVING_UP) | BIT(TASK_ENDED),
    [TASK_PROVING] = BIT(TASK_GIVING_UP) | BIT(TASK_ENDED),
    [TASK_INSPECTING] = BIT(TASK_NEW) | BIT(TASK_SURVEYING) | BIT(TASK_ENDED),
    [TASK_SURVEYING] = BIT(TASK_NEW) | BIT(TASK_ENDED),
    [TASK_SWEEPING] = BIT(TASK_NEW) | BIT(TASK_ENDED),
    [TASK_GIVING_UP] = BIT(TASK_ENDED),
    [TASK_ENDED] = 0,
};
_Static_assert(sizeof moves / sizeof *moves == TASK_STATES, "one row a state");

static const char *const state_names[] = {
    "new",     "looking",    "looked",    "taking",   "taken",     "rendering",
    "proving", "inspecting", "surveying", "sweeping", "giving-up", "ended",
};
_Static_assert(sizeof state_names / sizeof *state_names == TASK_STATES, "one name a state");

static const char *const kind_names[] = { "render", "inspect", "sweep" };

struct task *task_new(int64_t claim, enum task_kind kind, int64_t now_ms)
{
    struct task *self = alloc_zero(1, sizeof *self);
    self->claim = claim;
    self->kind = kind;
    self->state = TASK_NEW;
    self->since_ms = now_ms;
    return self;
}

void task_destroy(struct task **self_p)
{
    struct task *self = *self_p;
    if (self) {
        json_decref(self->about);
        json_decref(self->sighting);
        json_decref(self->known);
        json_decref(self->live);
        json_decref(self->look);
        json_decref(self->last_report);
        json_decref(self->paths);
        json_decref(self->found);
        free(self->path);
        free(self->log);
        json_decref(self->elsewhere);
        free(self->digest);
        free(*self_p);
        *self_p = NULL;
    }
}

bool task_move(struct task *self, enum task_state to, int64_t now_ms)
{
    if (!(moves[self->state] & BIT(to))) {
        return false;
    }
    self->state = to;
    self->since_ms = now_ms;
    return true;
}

bool task_unproven(const struct task *self)
{
    return self->kind == TASK_RENDER && self->state <= TASK_RENDERING;
}

bool task_in_proof(const struct task *self)
{
    return self->kind == TASK_RENDER && self->state > TASK_RENDERING;
}

bool task_for_blender(const struct task *self)
{
    return task_unproven(self) || (self->kind == TASK_INSPECT && self->state <= TASK_INSPECTING);
}

bool task_ahead(const struct task *self)
{
    return self->state <= TASK_LOOKED;
}

const char *task_phase(const struct task *self)
{
    switch (self->kind) {
    case TASK_INSPECT:
        return "inspecting";
    case TASK_SWEEP:
        return "sweeping";
    case TASK_RENDER:
        break;
    }
    if (self->state <= TASK_LOOKED) {
        return "ahead";
    }
    return self->state <= TASK_RENDERING ? "rendering" : "proof";
}

const char *task_state_name(enum task_state state)
{
    return state_names[state];
}

bool task_kind_parse(const char *word, enum task_kind *out)
{
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) {
        if (strcmp(word, kind_names[i]) == 0) {
            *out = (enum task_kind)i;
            return true;
        }
    }
    return false;
}

const char *task_kind_name(enum task_kind kind)
{
    return kind_names[kind];
}
