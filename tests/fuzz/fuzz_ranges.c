/* ranges: the frame list as people write it, and all that is done with it afterwards */

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"
#include "proto/ranges.h"
#include "tests/fuzz/fuzz.h"

enum { PIECES = 32 };

static void check_error(int rc, char **error)
{
    FUZZ_CHECK((rc == RANGES_OK) == (*error == NULL), "outcome %d, text %s", rc,
               *error ? *error : "none");
    FUZZ_CHECK(!*error || !strchr(*error, '\n'), "an error of several lines");
    cleanup_free(error);
}

static void check_normalised(const struct ranges *self)
{
    int64_t before = 0;
    for (size_t i = 0; i < self->count; i++) {
        const struct ranges_item *item = &self->items[i];
        FUZZ_CHECK(item->first >= -RANGES_FRAME_MAX && item->last <= RANGES_FRAME_MAX,
                   "frame out of limits");
        FUZZ_CHECK(item->first <= item->last && item->step >= 1, "first %d last %d step %d",
                   item->first, item->last, item->step);
        FUZZ_CHECK((item->last - item->first) % item->step == 0, "last is not reached");
        FUZZ_CHECK(i == 0 || self->items[i - 1].last < item->first, "not ascending");
        FUZZ_CHECK(item->before == before, "before");
        before += (item->last - item->first) / item->step + 1;
    }
    FUZZ_CHECK(self->count <= RANGES_MAX, "too many items");
    FUZZ_CHECK(ranges_count(self) == before, "count");
}

static void check_same(const struct ranges *a, const struct ranges *b, const char *what)
{
    FUZZ_CHECK(a->count == b->count && a->words == b->words, "%s: another list", what);
    for (size_t i = 0; i < a->count; i++) {
        FUZZ_CHECK(memcmp(&a->items[i], &b->items[i], sizeof a->items[i]) == 0, "%s: another item",
                   what);
    }
}

static void check_text(const struct ranges *self)
{
    CLEANUP(ranges_clear) struct ranges again = { 0 };
    CLEANUP(cleanup_free) char *text = ranges_format(self);
    if (!*text) {
        FUZZ_CHECK(self->count == 0 && self->words == 0, "no text for a list");
        return;
    }
    char *error = NULL;
    int rc = ranges_parse(text, &again, &error);
    FUZZ_CHECK(rc == RANGES_OK, "\"%s\" of our own: %s", text, error ? error : "no text");
    check_same(self, &again, "format and parse");
}

static void check_json(const struct ranges *self)
{
    CLEANUP(ranges_clear) struct ranges again = { 0 };
    CLEANUP(cleanup_json) json_t *frames = ranges_to_json(self);
    CLEANUP(cleanup_json) json_t *words = ranges_words_to_json(self);
    FUZZ_CHECK(ranges_from_json(frames, words, &again) == RANGES_OK, "our own json is refused");
    check_same(self, &again, "to json and from it");
}

/* A few ranks: the ends, the middle, and one of the input's own choice. */
static void check_ranks(const struct ranges *self, uint32_t choice)
{
    int64_t count = ranges_count(self);
    const int64_t ranks[] = { 0, count - 1, count / 2, count ? choice % count : 0 };
    int32_t frame = 0;
    for (size_t i = 0; count && i < sizeof ranks / sizeof ranks[0]; i++) {
        FUZZ_CHECK(ranges_at(self, ranks[i], &frame), "no frame of rank %lld", (long long)ranks[i]);
        FUZZ_CHECK(ranges_rank(self, frame) == ranks[i], "frame %d has another rank", frame);
    }
    FUZZ_CHECK(!ranges_at(self, count, &frame) && !ranges_at(self, -1, &frame), "one too many");
    FUZZ_CHECK(ranges_overlap(self, self) == (count > 0), "a list meets itself");
}

/* A frame is in the list when it is in one of its pieces. */
static void check_pieces(const struct ranges *self, const char *text, uint32_t choice)
{
    CLEANUP(cleanup_free) char *copy = fuzz_text((const uint8_t *)text, strlen(text));
    const int32_t frames[] = { (int32_t)(choice % 200) - 50,
                               (int32_t)(choice % 9),
                               -1,
                               0,
                               1,
                               self->count ? self->items[0].last : 7,
                               self->count ? self->items[self->count - 1].first : 8 };
    bool in[sizeof frames / sizeof frames[0]] = { false };
    char *rest = copy;
    for (int pieces = 0; rest; pieces++) {
        char *piece = strsep(&rest, ",");
        CLEANUP(ranges_clear) struct ranges one = { 0 };
        char *error = NULL;
        int rc = pieces < PIECES ? ranges_parse(piece, &one, &error) : RANGES_TOO_MANY;
        cleanup_free(&error);
        if (rc != RANGES_OK) {
            return; /* blanks around commas, or too many to look at */
        }
        FUZZ_CHECK((one.words & ~self->words) == 0, "a word was lost");
        for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
            in[i] = in[i] || ranges_rank(&one, frames[i]) >= 0;
        }
    }
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        FUZZ_CHECK(in[i] == (ranges_rank(self, frames[i]) >= 0), "frame %d: in a piece %d",
                   frames[i], in[i]);
    }
}

static void check_resolved(const struct ranges *self, uint32_t choice)
{
    struct ranges_scene scene = { .current = (int32_t)(choice % 64) - 8,
                                  .start = (int32_t)(choice / 64 % 64) - 8,
                                  .step = (int32_t)(choice / 4096 % 8) };
    scene.end = scene.start + (int32_t)(choice / 32768 % 64) - 1;
    CLEANUP(ranges_clear) struct ranges resolved = { 0 };
    int rc = ranges_resolve(self, &scene, &resolved);
    if (rc != RANGES_OK) {
        return;
    }
    check_normalised(&resolved);
    FUZZ_CHECK(resolved.words == 0 && ranges_count(&resolved) > 0, "words are left, or no frame");
    FUZZ_CHECK(ranges_count(&resolved) >= ranges_count(self), "frames were lost");
    FUZZ_CHECK(!(self->words & RANGES_CURRENT) || ranges_rank(&resolved, scene.current) >= 0,
               "current is not in it");
    FUZZ_CHECK(!(self->words & RANGES_START) || ranges_rank(&resolved, scene.start) >= 0,
               "start is not in it");
    FUZZ_CHECK(!(self->words & RANGES_END) || ranges_rank(&resolved, scene.end) >= 0,
               "end is not in it");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(cleanup_free) char *text = fuzz_text(data, size);
    CLEANUP(ranges_clear) struct ranges list = { 0 };
    char *error = NULL;
    uint32_t choice = 2166136261u;
    for (size_t i = 0; i < size; i++) {
        choice = (choice ^ data[i]) * 16777619u; /* FNV-1a: numbers that the input decides */
    }
    int rc = ranges_parse(text, &list, &error);
    check_error(rc, &error);
    if (rc == RANGES_OK) {
        check_normalised(&list);
        check_text(&list);
        check_json(&list);
        check_ranks(&list, choice);
        check_pieces(&list, text, choice);
        check_resolved(&list, choice);
    }
    return 0;
}
