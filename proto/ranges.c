#include "proto/ranges.h"

#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

#define FRAMES_ALL (2 * RANGES_FRAME_MAX + 1)
#define WORD_BITS 64

static bool in_limits(int64_t frame)
{
    return frame >= -RANGES_FRAME_MAX && frame <= RANGES_FRAME_MAX;
}

/* Room for one more: it is full at every power of two. */
static void make_room(struct ranges *self)
{
    if ((self->count & (self->count - 1)) == 0) {
        size_t room = self->count ? 2 * self->count : 1;
        self->items = alloc_resize(self->items, room, sizeof *self->items);
    }
}

int ranges_add(struct ranges *self, int64_t first, int64_t last, int64_t step)
{
    if (!in_limits(first) || !in_limits(last) || first > last || step < 1 || step > INT32_MAX ||
        self->count >= RANGES_TEXT_ITEMS) {
        return RANGES_WRONG;
    }
    make_room(self);
    int64_t reached = first + (last - first) / step * step;
    self->items[self->count++] = (struct ranges_item){
        .first = (int32_t)first,
        .last = (int32_t)reached,
        .step = reached == first ? 1 : (int32_t)step,
    };
    return RANGES_OK;
}

void ranges_clear(struct ranges *self)
{
    free(self->items);
    *self = (struct ranges){ 0 };
}

void ranges_copy(const struct ranges *self, struct ranges *out)
{
    struct ranges copy = { .words = self->words };
    for (size_t i = 0; i < self->count; i++) {
        make_room(&copy);
        copy.items[copy.count++] = self->items[i];
    }
    *out = copy;
}

static int compare(const void *a_p, const void *b_p)
{
    const struct ranges_item *a = a_p;
    const struct ranges_item *b = b_p;
    if (a->first != b->first) {
        return a->first < b->first ? -1 : 1;
    }
    return (a->last > b->last) - (a->last < b->last);
}

static int32_t item_count(const struct ranges_item *item)
{
    return (item->last - item->first) / item->step + 1;
}

static bool is_apart(const struct ranges *self)
{
    for (size_t i = 1; i < self->count; i++) {
        if (self->items[i].first <= self->items[i - 1].last) {
            return false;
        }
    }
    return true;
}

/* One bit a frame, the least frame first. */
static void set_bits(uint64_t *bits, const struct ranges *self)
{
    for (size_t i = 0; i < self->count; i++) {
        const struct ranges_item *item = &self->items[i];
        for (int64_t frame = item->first; frame <= item->last; frame += item->step) {
            size_t at = (size_t)(frame + RANGES_FRAME_MAX);
            bits[at / WORD_BITS] |= 1ull << at % WORD_BITS;
        }
    }
}

/* The first frame from `from` on whose bit is set, or one over the limits. */
static int64_t next_bit(const uint64_t *bits, int64_t from)
{
    size_t at = (size_t)(from + RANGES_FRAME_MAX);
    while (at < FRAMES_ALL) {
        uint64_t word = bits[at / WORD_BITS] >> at % WORD_BITS;
        if (word) {
            return (int64_t)at + __builtin_ctzll(word) - RANGES_FRAME_MAX;
        }
        at = (at / WORD_BITS + 1) * WORD_BITS;
    }
    return RANGES_FRAME_MAX + 1;
}

/* Greedy: from the first frame left, with the distance to the next as step, as far as it goes. */
static void compress(const uint64_t *bits, struct ranges *out)
{
    int64_t first = next_bit(bits, -RANGES_FRAME_MAX);
    while (first <= RANGES_FRAME_MAX && out->count <= RANGES_MAX) {
        int64_t last = first;
        int64_t next = next_bit(bits, first + 1);
        int64_t step = next - first;
        while (next <= RANGES_FRAME_MAX && next - last == step) {
            last = next;
            next = next_bit(bits, last + 1);
        }
        (void)ranges_add(out, first, last, last > first ? step : 1); /* it is in the limits */
        first = next;
    }
}

static void merge(struct ranges *self)
{
    CLEANUP(cleanup_free)
    uint64_t *bits = alloc_zero(FRAMES_ALL / WORD_BITS + 1, sizeof *bits);
    set_bits(bits, self);
    struct ranges merged = { .words = self->words };
    compress(bits, &merged);
    ranges_clear(self);
    *self = merged;
}

/* 1-3,4-6 -> 1-6; 1,2,3 -> 1-3; 1-5x2,7-9x2 -> 1-9x2: neighbours that go on with their step. */
static void join(struct ranges *self)
{
    size_t kept = 0;
    for (size_t i = 1; i < self->count; i++) {
        struct ranges_item *last = &self->items[kept];
        const struct ranges_item *item = &self->items[i];
        int32_t gap = item->first - last->last;
        bool single = last->first == last->last;
        bool fits_left =
            single ? gap == item->step || item->first == item->last : gap == last->step;
        bool fits_right = item->first == item->last || item->step == gap;
        if (fits_left && fits_right && (!single || gap == 1)) {
            last->last = item->last;
            last->step = gap;
        } else {
            self->items[++kept] = *item;
        }
    }
    self->count = self->count ? kept + 1 : 0;
}

static int number(struct ranges *self)
{
    if (self->count > RANGES_MAX) {
        ranges_clear(self);
        return RANGES_TOO_MANY;
    }
    int32_t before = 0;
    for (size_t i = 0; i < self->count; i++) {
        self->items[i].before = before;
        before += item_count(&self->items[i]);
    }
    return RANGES_OK;
}

int ranges_normalise(struct ranges *self)
{
    if (self->count > 1) {
        qsort(self->items, self->count, sizeof *self->items, compare);
        bool apart = is_apart(self);
        if (apart) {
            join(self);
        }
        if (!apart || self->count > RANGES_MAX) {
            merge(self);
        }
    }
    return number(self);
}

int64_t ranges_count(const struct ranges *self)
{
    if (self->count == 0) {
        return 0;
    }
    const struct ranges_item *last = &self->items[self->count - 1];
    return (int64_t)last->before + item_count(last);
}

bool ranges_at(const struct ranges *self, int64_t rank, int32_t *frame)
{
    if (rank < 0 || rank >= ranges_count(self)) {
        return false;
    }
    size_t low = 0;
    size_t high = self->count; /* the item is in low .. high - 1 */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (self->items[middle].before <= rank) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const struct ranges_item *item = &self->items[low];
    *frame = item->first + (int32_t)(rank - item->before) * item->step;
    return true;
}

int64_t ranges_rank(const struct ranges *self, int32_t frame)
{
    if (self->count == 0 || frame < self->items[0].first) {
        return -1;
    }
    size_t low = 0;
    size_t high = self->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (self->items[middle].first <= frame) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const struct ranges_item *item = &self->items[low];
    if (frame > item->last || (frame - item->first) % item->step != 0) {
        return -1;
    }
    return (int64_t)item->before + (frame - item->first) / item->step;
}

static bool items_overlap(const struct ranges_item *a, const struct ranges_item *b)
{
    int64_t from = a->first > b->first ? a->first : b->first;
    int64_t to = a->last < b->last ? a->last : b->last;
    const struct ranges_item *wide = a->step > b->step ? a : b;
    const struct ranges_item *fine = wide == a ? b : a;
    int64_t skip = from - wide->first;
    int64_t frame = wide->first + (skip + wide->step - 1) / wide->step * wide->step;
    /* after fine->step frames of the other the remainders repeat */
    for (int32_t i = 0; i < fine->step && frame <= to; i++, frame += wide->step) {
        if ((frame - fine->first) % fine->step == 0) {
            return true;
        }
    }
    return false;
}

bool ranges_overlap(const struct ranges *a, const struct ranges *b)
{
    size_t i = 0;
    size_t j = 0;
    while (i < a->count && j < b->count) {
        if (items_overlap(&a->items[i], &b->items[j])) {
            return true;
        }
        if (a->items[i].last < b->items[j].last) {
            i++;
        } else {
            j++;
        }
    }
    return false;
}

int ranges_resolve(const struct ranges *self, const struct ranges_scene *scene, struct ranges *out)
{
    struct ranges all = { 0 };
    ranges_copy(self, &all);
    all.words = 0;
    int rc = RANGES_OK;
    if (self->words & RANGES_CURRENT) {
        rc = ranges_add(&all, scene->current, scene->current, 1);
    }
    if (rc == RANGES_OK && self->words & RANGES_START) {
        rc = ranges_add(&all, scene->start, scene->start, 1);
    }
    if (rc == RANGES_OK && self->words & RANGES_END) {
        rc = ranges_add(&all, scene->end, scene->end, 1);
    }
    if (self->count == 0 && self->words == 0) {
        rc = ranges_add(&all, scene->start, scene->end, scene->step);
    }
    if (rc == RANGES_OK) {
        rc = ranges_normalise(&all);
    }
    if (rc != RANGES_OK) {
        ranges_clear(&all);
        return rc;
    }
    *out = all;
    return RANGES_OK;
}
