#include "broker/json_blocks.h"

#include <jansson.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

enum {
    STEP_BYTES = 16,  /* glibc's blocks are of 24, 40, 56 ... bytes */
    HEAD_BYTES = 8,   /* what a block has more than a multiple of that */
    SIZES = 17,       /* up to 264 bytes: trees have hardly any that are larger */
    KEPT_MOST = 1024, /* of a size */
};

/* AddressSanitizer looks for what is used after its end; here it would see nothing of that. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED false
#endif

/* A block that waits for its next use; the list runs through the blocks. */
struct block {
    struct block *next;
};

static struct {
    struct block *first;
    size_t count;
} kept[SIZES];

static void *take(size_t size)
{
    size_t at = size <= HEAD_BYTES ? 1 : (size - HEAD_BYTES + STEP_BYTES - 1) / STEP_BYTES;
    if (at >= SIZES) {
        return malloc(size);
    }
    struct block *block = kept[at].first;
    if (!block) {
        return malloc(at * STEP_BYTES + HEAD_BYTES);
    }
    kept[at].first = block->next;
    kept[at].count--;
    return block;
}

static void release(void *memory)
{
    if (!memory) {
        return;
    }
    /* rounded down, so that a block of another allocator's size is never taken for a larger one */
    size_t at = (malloc_usable_size(memory) - HEAD_BYTES) / STEP_BYTES;
    if (at == 0 || at >= SIZES || kept[at].count == KEPT_MOST) {
        free(memory);
        return;
    }
    struct block *block = memory;
    block->next = kept[at].first;
    kept[at].first = block;
    kept[at].count++;
}

void json_blocks_keep(void)
{
    if (!SANITIZED) {
        json_set_alloc_funcs(take, release);
    }
}
