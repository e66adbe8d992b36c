#ifndef BROKER_QUEUE_MAP_H
#define BROKER_QUEUE_MAP_H

/*
 * map - int64 keys to pointers, open addressing
 *
 * Zero it before use; key 0 is as good as any. Deletion shifts the followers back, so lookups never
 * wade through graves however long the broker lives. Also: a table of strings that are kept once
 * and for good, so that equal strings are equal pointers.
 */

#include <stddef.h>
#include <stdint.h>

struct map_slot {
    int64_t key;
    void *value; /* NULL = free */
};

struct map {
    struct map_slot *slots;
    size_t size; /* power of two, or 0 */
    size_t count;
};

void *map_get(const struct map *self, int64_t key);
void map_put(struct map *self, int64_t key, void *value); /* value is not NULL */
void *map_remove(struct map *self, int64_t key);          /* what was there, or NULL */
void map_clear(struct map *self);

/* Room for count keys without growing on the way. */
void map_reserve(struct map *self, size_t count);

struct words {
    char **slots;
    size_t size;
    size_t count;
    const char *last; /* the word that was kept last: often the next as well */
};

/* The one copy of text; NULL gives NULL. */
const char *words_keep(struct words *self, const char *text);

/* The one copy if there is one, else NULL. */
const char *words_find(const struct words *self, const char *text);

/* The key of a kept text in a map: it is there once and for good. */
static inline int64_t words_key(const char *kept)
{
    return (int64_t)(intptr_t)kept;
}

void words_clear(struct words *self);

/* The same for equal texts, kept or not, and rarely for others. */
int64_t words_hash(const char *text);

#endif
