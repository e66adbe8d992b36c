#include "broker/queue/map.h"

#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"

static size_t mix(uint64_t key)
{
    key ^= key >> 33;
    key *= 0xff51afd7ed558ccdULL;
    key ^= key >> 33;
    return (size_t)key;
}

static size_t slot_of(const struct map *self, int64_t key)
{
    size_t at = mix((uint64_t)key) & (self->size - 1);
    while (self->slots[at].value && self->slots[at].key != key) {
        at = (at + 1) & (self->size - 1);
    }
    return at;
}

static void resize(struct map *self, size_t size)
{
    struct map old = *self;
    self->slots = alloc_zero(size, sizeof *self->slots);
    self->size = size;
    for (size_t i = 0; i < old.size; i++) {
        if (old.slots[i].value) {
            self->slots[slot_of(self, old.slots[i].key)] = old.slots[i];
        }
    }
    free(old.slots);
}

void *map_get(const struct map *self, int64_t key)
{
    return self->size ? self->slots[slot_of(self, key)].value : NULL;
}

void map_put(struct map *self, int64_t key, void *value)
{
    if ((self->count + 1) * 4 > self->size * 3) {
        resize(self, self->size ? self->size * 2 : 16);
    }
    struct map_slot *slot = &self->slots[slot_of(self, key)];
    self->count += slot->value == NULL;
    *slot = (struct map_slot){ .key = key, .value = value };
}

void *map_remove(struct map *self, int64_t key)
{
    if (self->size == 0) {
        return NULL;
    }
    size_t hole = slot_of(self, key);
    void *value = self->slots[hole].value;
    if (!value) {
        return NULL;
    }
    for (size_t at = (hole + 1) & (self->size - 1); self->slots[at].value;
         at = (at + 1) & (self->size - 1)) {
        size_t home = mix((uint64_t)self->slots[at].key) & (self->size - 1);
        /* may it move back to the hole, or would that put it before its home? */
        if (((at - home) & (self->size - 1)) >= ((at - hole) & (self->size - 1))) {
            self->slots[hole] = self->slots[at];
            hole = at;
        }
    }
    self->slots[hole].value = NULL;
    self->count--;
    return value;
}

void map_clear(struct map *self)
{
    free(self->slots);
    *self = (struct map){ 0 };
}

void map_reserve(struct map *self, size_t count)
{
    size_t size = 16;
    while (size * 3 < count * 4 + 4) {
        size *= 2;
    }
    if (size > self->size) {
        resize(self, size);
    }
}

static size_t hash_text(const char *text)
{
    uint64_t hash = 14695981039346656037ULL;
    for (; *text; text++) {
        hash = (hash ^ (unsigned char)*text) * 1099511628211ULL;
    }
    return mix(hash);
}

int64_t words_hash(const char *text)
{
    return (int64_t)hash_text(text);
}

static size_t word_slot(const struct words *self, const char *text)
{
    size_t at = hash_text(text) & (self->size - 1);
    while (self->slots[at] && strcmp(self->slots[at], text) != 0) {
        at = (at + 1) & (self->size - 1);
    }
    return at;
}

static void words_grow(struct words *self)
{
    struct words old = *self;
    self->size = old.size ? old.size * 2 : 64;
    self->slots = alloc_zero(self->size, sizeof *self->slots);
    for (size_t i = 0; i < old.size; i++) {
        if (old.slots[i]) {
            self->slots[word_slot(self, old.slots[i])] = old.slots[i];
        }
    }
    free(old.slots);
}

const char *words_keep(struct words *self, const char *text)
{
    if (!text) {
        return NULL;
    }
    if (self->last && strcmp(self->last, text) == 0) {
        return self->last;
    }
    if ((self->count + 1) * 4 > self->size * 3) {
        words_grow(self);
    }
    char **slot = &self->slots[word_slot(self, text)];
    if (!*slot) {
        *slot = alloc_text(text);
        self->count++;
    }
    self->last = *slot;
    return *slot;
}

const char *words_find(const struct words *self, const char *text)
{
    return text && self->size ? self->slots[word_slot(self, text)] : NULL;
}

void words_clear(struct words *self)
{
    for (size_t i = 0; i < self->size; i++) {
        free(self->slots[i]);
    }
    free(self->slots);
    *self = (struct words){ 0 };
}
