#ifndef PROTO_CLOCK_H
#define PROTO_CLOCK_H

/*
 * clock - the two clocks, in milliseconds
 *
 * Deadlines and leases use the monotonic one, which is never stored or sent; what people read
 * and what the ledger holds is wall-clock time.
 */

#include <stdint.h>

#define CLOCK_TEXT_SIZE 32

int64_t clock_mono_ms(void);
int64_t clock_wall_ms(void);

/*
 * Unix milliseconds as RFC 3339 UTC, "2026-11-22T14:00:00.123Z", with its NUL. Times outside
 * the years 0 to 9999 are written as the nearest one inside.
 */
void clock_rfc3339(int64_t wall_ms, char out[CLOCK_TEXT_SIZE]);

#endif
