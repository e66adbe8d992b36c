#include "proto/device_types.h"

#include <string.h>
#include <strings.h>

#include "proto/alloc.h"

static const char *const known[DEVICE_TYPES_MAX] = { "OPTIX", "CUDA", "HIP", "ONEAPI", "METAL" };

static const char *find(const char *text, size_t size)
{
    for (size_t i = 0; i < DEVICE_TYPES_MAX; i++) {
        if (strlen(known[i]) == size && strncasecmp(known[i], text, size) == 0) {
            return known[i];
        }
    }
    return NULL;
}

bool device_types_has(const struct device_types *self, const char *word)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

int device_types_parse(const char *text, struct device_types *out, char **error_text)
{
    struct device_types found = { .count = 0 };
    for (const char *at = text;; at++) {
        size_t size = strcspn(at, ",");
        const char *word = find(at, size);
        if (!word || device_types_has(&found, word)) {
            *error_text = alloc_format(
                "%s: some of optix, cuda, hip, oneapi, metal, each once, "
                "with commas between",
                text);
            return DEVICE_TYPES_WRONG;
        }
        found.words[found.count++] = word;
        at += size;
        if (!*at) {
            break;
        }
    }
    *out = found;
    return DEVICE_TYPES_OK;
}

unsigned device_types_bit(const char *word)
{
    for (unsigned i = 0; i < DEVICE_TYPES_MAX; i++) {
        if (strcmp(known[i], word) == 0) {
            return 1U << i;
        }
    }
    return 0;
}
