#ifndef PROTO_RANGES_H
#define PROTO_RANGES_H

/*
 * ranges - frame lists
 *
 * As people write them: a list, with commas, of A, A-B, A-BxN (every N-th from A), current,
 * start, end; numbers may be negative (-5--1). As the wire has them: flat integers first, last,
 * step, ... Normalised: ascending, last of one < first of the next, every last reached by its
 * step, at most RANGES_MAX of them. Then rank (0 .. count - 1) and frame number stand for each
 * other in O(log n), and a job of a million frames is one small row.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGES_FRAME_MAX 1048574 /* Blender's MAXFRAME; the least is the negative of it */
#define RANGES_MAX 4096
#define RANGES_TEXT_ITEMS 65536 /* items a person may write before they are merged */

enum ranges_word {
    RANGES_CURRENT = 1,
    RANGES_START = 2,
    RANGES_END = 4,
};

struct ranges_item {
    int32_t first;
    int32_t last;
    int32_t step;
    int32_t before; /* normalised: frames in the items before this one */
};

/* Zero it before use: {0} is the empty list. */
struct ranges {
    struct ranges_item *items;
    size_t count;
    unsigned words; /* of enum ranges_word, to be resolved by the scene's own settings */
};

enum ranges_outcome {
    RANGES_OK,
    RANGES_WRONG,    /* text or json that is no frame list */
    RANGES_TOO_MANY, /* more than RANGES_MAX after normalising */
};

/*
 * Parse what a person wrote and normalise it. On RANGES_WRONG and RANGES_TOO_MANY *error_text
 * is one line that names the wrong piece; the caller frees it.
 */
int ranges_parse(const char *text, struct ranges *out, char **error_text);

/* Append one range; RANGES_WRONG outside the limits. The list is not normalised afterwards. */
int ranges_add(struct ranges *self, int64_t first, int64_t last, int64_t step);

/* Sort, merge, recompress, fill in `before`. On RANGES_TOO_MANY the list is left empty. */
int ranges_normalise(struct ranges *self);

void ranges_clear(struct ranges *self);
void ranges_copy(const struct ranges *self, struct ranges *out);

/* The rest expects a normalised list; words count for nothing. */
int64_t ranges_count(const struct ranges *self);

/* The frame of a rank; false when there is no such rank. */
bool ranges_at(const struct ranges *self, int64_t rank, int32_t *frame);

/* The rank of a frame, -1 when it is not in the list. */
int64_t ranges_rank(const struct ranges *self, int32_t frame);

/* Have the two lists a frame in common? */
bool ranges_overlap(const struct ranges *a, const struct ranges *b);

/*
 * The list with its words replaced by frame numbers of the scene. A list without ranges and
 * words is start to end by step. Outcomes of ranges_normalise; RANGES_WRONG when the scene's
 * numbers are out of limits or its end is before its start.
 */
struct ranges_scene {
    int32_t current;
    int32_t start;
    int32_t end;
    int32_t step;
};
int ranges_resolve(const struct ranges *self, const struct ranges_scene *scene, struct ranges *out);

/* "1-10,20-30x2,start"; "" for the empty list. The caller frees it. */
char *ranges_format(const struct ranges *self);

/* Flat integers; the words as an array of strings. The json is the caller's. */
json_t *ranges_to_json(const struct ranges *self);
json_t *ranges_words_to_json(const struct ranges *self);

/*
 * From the wire, which must have it normalised already: RANGES_WRONG otherwise. frames and
 * words may each be NULL or json null.
 */
int ranges_from_json(const json_t *frames, const json_t *words, struct ranges *out);

#endif
