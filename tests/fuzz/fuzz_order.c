/* order: its grammar, and that every position has its rank and the other way round */

#include <string.h>

#include "proto/cleanup.h"
#include "proto/order.h"
#include "tests/fuzz/fuzz.h"

enum { TOTAL_MAX = 2097149, ALL = 40 };

static void check_position(const struct order *order, int64_t total, int64_t k)
{
    int64_t rank = order_rank(order, total, k);
    FUZZ_CHECK(rank >= 0 && rank < total, "position %lld of %lld has rank %lld", (long long)k,
               (long long)total, (long long)rank);
    FUZZ_CHECK(order_position(order, total, rank) == k, "rank %lld of %lld is not at %lld",
               (long long)rank, (long long)total, (long long)k);
}

/* The word, a newline, then the numbers: four bytes of total, four of position. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes bytes = { data, size };
    size_t length = 0;
    CLEANUP(cleanup_free) char *text = fuzz_line(&bytes, &length);
    struct order order = { 0 };
    if (!text || order_parse(text, &order) != ORDER_OK) {
        return 0;
    }
    CLEANUP(cleanup_free) char *again = order_format(&order);
    struct order parsed = { 0 };
    FUZZ_CHECK(order_parse(again, &parsed) == ORDER_OK && parsed.mode == order.mode &&
                   parsed.every == order.every,
               "\"%s\" is not \"%s\"", text, again);
    int64_t total = 1 + (int64_t)(fuzz_number(&bytes, 4) % TOTAL_MAX);
    check_position(&order, total, (int64_t)(fuzz_number(&bytes, 4) % (uint64_t)total));
    check_position(&order, total, 0);
    check_position(&order, total, total - 1);
    int64_t few = 1 + total % ALL;
    for (int64_t k = 0; k < few; k++) {
        check_position(&order, few, k);
    }
    return 0;
}
