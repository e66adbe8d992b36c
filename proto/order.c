#include "proto/order.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/ranges.h"

/* more than there are frames: a larger N would mean the same */
#define EVERY_MAX (2 * RANGES_FRAME_MAX + 1)

static const char *const names[] = { "first", "last", "middle" };
static const char every_prefix[] = "every:";

int order_parse(const char *text, struct order *out)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (struct order){ .mode = (enum order_mode)i };
            return ORDER_OK;
        }
    }
    size_t prefix = sizeof every_prefix - 1;
    if (strncmp(text, every_prefix, prefix) != 0) {
        return ORDER_WRONG;
    }
    const char *digits = text + prefix;
    size_t size = strlen(digits);
    if (size < 1 || size > 7 || strspn(digits, "0123456789") != size) {
        return ORDER_WRONG;
    }
    long every = strtol(digits, NULL, 10);
    if (every < 1 || every > EVERY_MAX) {
        return ORDER_WRONG;
    }
    *out = (struct order){ .mode = ORDER_EVERY, .every = (int32_t)every };
    return ORDER_OK;
}

/* Above first: with (total - 1) / 2 there are as many above as below, or one more. */
static int64_t middle_rank(int64_t total, int64_t k)
{
    int64_t middle = (total - 1) / 2;
    return k % 2 == 1 ? middle + (k + 1) / 2 : middle - k / 2;
}

static int64_t middle_position(int64_t total, int64_t rank)
{
    int64_t away = rank - (total - 1) / 2;
    return away > 0 ? 2 * away - 1 : -2 * away;
}

/* The last rank that N divides. */
static int64_t last_multiple(int64_t every, int64_t total)
{
    return (total - 1) / every;
}

static int64_t every_rank(int64_t every, int64_t total, int64_t k)
{
    int64_t multiples = last_multiple(every, total) + 1;
    if (k < multiples) {
        return k * every;
    }
    int64_t rest = k - multiples;
    if ((total - 1) % every != 0) { /* the last frame is no multiple: it comes next */
        if (rest == 0) {
            return total - 1;
        }
        rest--;
    }
    return rest / (every - 1) * every + 1 + rest % (every - 1);
}

static int64_t every_position(int64_t every, int64_t total, int64_t rank)
{
    if (rank % every == 0) {
        return rank / every;
    }
    int64_t multiples = last_multiple(every, total) + 1;
    if (rank == total - 1) {
        return multiples;
    }
    int64_t last_is_extra = (total - 1) % every != 0;
    return multiples + last_is_extra + rank / every * (every - 1) + rank % every - 1;
}

int64_t order_rank(const struct order *self, int64_t total, int64_t k)
{
    switch (self->mode) {
    case ORDER_FIRST:
        break;
    case ORDER_LAST:
        return total - 1 - k;
    case ORDER_MIDDLE:
        return middle_rank(total, k);
    case ORDER_EVERY:
        return every_rank(self->every, total, k);
    }
    return k;
}

int64_t order_position(const struct order *self, int64_t total, int64_t rank)
{
    switch (self->mode) {
    case ORDER_FIRST:
        break;
    case ORDER_LAST:
        return total - 1 - rank;
    case ORDER_MIDDLE:
        return middle_position(total, rank);
    case ORDER_EVERY:
        return every_position(self->every, total, rank);
    }
    return rank;
}

char *order_format(const struct order *self)
{
    if (self->mode == ORDER_EVERY) {
        return alloc_format("%s%d", every_prefix, self->every);
    }
    return alloc_text(names[self->mode]);
}
