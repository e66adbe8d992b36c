#include "proto/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z */
#define EARLIEST_MS (-62167219200000LL)
#define LATEST_MS 253402300799999LL

static int64_t read_ms(clockid_t clock)
{
    struct timespec now = { 0 };
    (void)clock_gettime(clock, &now); /* cannot fail for these two clocks */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

/* The text up to the seconds, for the second that this thread asked about last: logs ask again and
 * again. */
static const char *second_text(time_t seconds)
{
    static _Thread_local time_t known = -1;
    static _Thread_local char text[CLOCK_TEXT_SIZE];
    if (seconds != known || !text[0]) {
        struct tm tm = { 0 };
        (void)gmtime_r(&seconds, &tm); /* the years between EARLIEST and LATEST fit */
        /* the masks change nothing; they show the compiler that the text fits */
        (void)snprintf(text, sizeof text, "%04u-%02u-%02uT%02u:%02u:%02u.",
                       (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
                       (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
                       (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
        known = seconds;
    }
    return text;
}

void clock_rfc3339(int64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
    enum { HEAD = sizeof "0000-01-01T00:00:00." - 1 };
    if (wall_ms < EARLIEST_MS) {
        wall_ms = EARLIEST_MS;
    }
    if (wall_ms > LATEST_MS) {
        wall_ms = LATEST_MS;
    }
    int milli = (int)(wall_ms % 1000);
    if (milli < 0) {
        milli += 1000;
    }
    memcpy(out, second_text((time_t)((wall_ms - milli) / 1000)), HEAD);
    out[HEAD] = (char)('0' + milli / 100);
    out[HEAD + 1] = (char)('0' + milli / 10 % 10);
    out[HEAD + 2] = (char)('0' + milli % 10);
    out[HEAD + 3] = 'Z';
    out[HEAD + 4] = '\0';
}
