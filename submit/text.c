#include "submit/text.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

enum {
    SECOND_MS = 1000,
    SHORT_MS = 10000, /* shown with tenths of a second */
    MINUTE_MS = 60000,
    HOUR_MS = 3600000,
};

bool text_unicode(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* The next character of text: its bytes, 0 at the end; *width is -1 if it must not be printed. */
static size_t next_character(const char *text, int *width)
{
    if (!*text) {
        return 0;
    }
    wchar_t wide = 0;
    mbstate_t state = { 0 };
    size_t size = mbrtowc(&wide, text, MB_CUR_MAX, &state);
    if (size == 0 || size == (size_t)-1 || size == (size_t)-2) {
        *width = -1;
        return 1;
    }
    *width = iswprint((wint_t)wide) ? wcwidth(wide) : -1;
    return size;
}

char *text_clean(const char *text)
{
    char *out = alloc_zero(strlen(text) + 1, 1);
    char *to = out;
    int width = 0;
    for (size_t size = 0; (size = next_character(text, &width)) > 0; text += size) {
        if (width < 0) {
            *to++ = '?';
        } else {
            memcpy(to, text, size);
            to += size;
        }
    }
    return out;
}

size_t text_width(const char *text)
{
    size_t sum = 0;
    int width = 0;
    for (size_t size = 0; (size = next_character(text, &width)) > 0; text += size) {
        sum += width < 0 ? 1 : (size_t)width;
    }
    return sum;
}

/* Bytes of the longest beginning of text that takes at most limit columns; *used gets them. */
static size_t beginning(const char *text, size_t limit, size_t *used)
{
    size_t bytes = 0;
    int width = 0;
    *used = 0;
    for (size_t size = 0; (size = next_character(text + bytes, &width)) > 0; bytes += size) {
        size_t columns = width < 0 ? 1 : (size_t)width;
        if (*used + columns > limit) {
            break;
        }
        *used += columns;
    }
    return bytes;
}

char *text_fit(const char *text, size_t width, bool right)
{
    CLEANUP(cleanup_free) char *clean = text_clean(text);
    size_t used = 0;
    size_t bytes = beginning(clean, width, &used);
    const char *tail = "";
    if (clean[bytes] && width > 0) {
        tail = text_unicode() ? "\u2026" : "~";
        bytes = beginning(clean, width - 1, &used);
        used++;
    }
    int fill = (int)(width - used);
    return right ? alloc_format("%*s%.*s%s", fill, "", (int)bytes, clean, tail)
                 : alloc_format("%.*s%s%*s", (int)bytes, clean, tail, fill, "");
}

char *text_bar(double part, size_t width)
{
    bool unicode = text_unicode();
    const char *full = unicode ? "\u2588" : "#";
    const char *none = unicode ? "\u2591" : "-";
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    size_t filled = (size_t)(part * (double)width);
    char *out = alloc_zero(width * strlen(full) + 1, 1);
    char *to = out;
    for (size_t i = 0; i < width; i++) {
        to = stpncpy(to, i < filled ? full : none, strlen(full));
    }
    return out;
}

char *text_duration(int64_t ms)
{
    if (ms < SHORT_MS) {
        return alloc_format("%.1f s", (double)ms / SECOND_MS);
    }
    if (ms < MINUTE_MS) {
        return alloc_format("%d s", (int)(ms / SECOND_MS));
    }
    if (ms < HOUR_MS) {
        return alloc_format("%dm %02ds", (int)(ms / MINUTE_MS), (int)(ms % MINUTE_MS / SECOND_MS));
    }
    return alloc_format("%lldh %02dm", (long long)(ms / HOUR_MS), (int)(ms % HOUR_MS / MINUTE_MS));
}

char *text_time(const char *utc, bool dated)
{
    struct tm when = { 0 };
    struct tm local = { 0 };
    char out[32] = "";
    const char *rest = strptime(utc, "%Y-%m-%dT%H:%M:%S", &when);
    time_t seconds = timegm(&when);
    bool known = rest && localtime_r(&seconds, &local) &&
                 strftime(out, sizeof out, "%Y-%m-%d %H:%M:%S", &local) > 0;
    size_t date_size = dated ? 0 : strlen("2026-11-22 ");
    return alloc_text(known && strlen(out) > date_size ? out + date_size : utc);
}

char *text_bytes(int64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double size = (double)bytes;
    size_t unit = 0;
    while (size >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        size /= 1024;
        unit++;
    }
    return alloc_format(unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

char *text_shell(const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "_-./:%+=@,";
    if (*text && text[strspn(text, plain)] == '\0') {
        return alloc_text(text);
    }
    char *out = alloc_zero(strlen(text) * 4 + 3, 1);
    char *to = out;
    *to++ = '\'';
    for (; *text; text++) {
        if (*text == '\'') {
            to = stpcpy(to, "'\\''");
        } else {
            *to++ = *text;
        }
    }
    *to = '\'';
    return out;
}
