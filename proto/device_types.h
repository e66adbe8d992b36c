#ifndef PROTO_DEVICE_TYPES_H
#define PROTO_DEVICE_TYPES_H

/*
 * device_types - the ways by which Cycles uses a GPU, and which of them somebody prefers
 *
 *     optix,cuda      OptiX where the card can, else CUDA, nothing else
 *
 * In any case; on the wire and to Blender they are its own words: "OPTIX".
 */

#include <stdbool.h>
#include <stddef.h>

enum { DEVICE_TYPES_MAX = 5 }; /* there are no more */

/* In the order of preference, each once. */
struct device_types {
    const char *words[DEVICE_TYPES_MAX + 1]; /* Blender's; NULL-terminated, of static life */
    size_t count;
};

enum device_types_outcome {
    DEVICE_TYPES_OK,
    DEVICE_TYPES_WRONG,
};

/* *error_text is the caller's. */
int device_types_parse(const char *text, struct device_types *out, char **error_text);

bool device_types_has(const struct device_types *self, const char *word);

/* One bit a type, for sets of them; 0 for what is none. */
unsigned device_types_bit(const char *word);

#endif
