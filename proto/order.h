#ifndef PROTO_ORDER_H
#define PROTO_ORDER_H

/*
 * order - in which order the frames of a job are given out
 *
 * A function of position, never a list: position k (0 .. total - 1) is the k-th frame to be
 * given out, rank the place of a frame in the ascending list (ranges_at turns it into a number).
 *
 *     first    0 1 2 3 4 5 6 7 8 9
 *     last     9 8 7 6 5 4 3 2 1 0
 *     middle   4 5 3 6 2 7 1 8 0 9      the frame at (total - 1) / 2, then above, below, ...
 *     every:4  0 4 8 9 1 2 3 5 6 7      0, N, 2N ..., the last one, the rest ascending
 */

#include <stdint.h>

enum order_mode {
    ORDER_FIRST,
    ORDER_LAST,
    ORDER_MIDDLE,
    ORDER_EVERY,
};

struct order {
    enum order_mode mode;
    int32_t every; /* N >= 1 of ORDER_EVERY, else 0 */
};

enum order_outcome {
    ORDER_OK,
    ORDER_WRONG, /* none of first, last, middle, every:N with N from 1 to 2,097,149 */
};

int order_parse(const char *text, struct order *out);

/* The rank at position k; total >= 1 and 0 <= k < total. O(1). */
int64_t order_rank(const struct order *self, int64_t total, int64_t k);

/* The other way: the position of a rank. O(1). */
int64_t order_position(const struct order *self, int64_t total, int64_t rank);

/* "every:4"; the caller frees it. */
char *order_format(const struct order *self);

#endif
