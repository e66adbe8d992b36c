#include "submit/given.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/ranges.h"
#include "submit/text.h"

/* Frames and frame words are one option. */
static char *frames_text(const json_t *map)
{
    struct ranges ranges = { 0 };
    char *text = NULL;
    if (ranges_from_json(json_object_get(map, "frames"), json_object_get(map, "frame_words"),
                         &ranges) == 0) {
        text = ranges_format(&ranges);
    }
    ranges_clear(&ranges);
    return text;
}

/* The value as typed, "" for a flag; NULL for what is not typed. */
static char *value_text(const char *key, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_TRUE:
    case JSON_FALSE:
        return alloc_text("");
    case JSON_STRING:
        return text_shell(json_string_value(value));
    case JSON_INTEGER:
        return strcmp(key, "min_frame_time_ms") == 0
                   ? alloc_format("%g", (double)json_integer_value(value) / 1000)
                   : alloc_format("%lld", (long long)json_integer_value(value));
    default:
        return NULL;
    }
}

/* "stall_s" is --stall, as seconds go without saying; "denoise" that is false is --no-denoise. */
static char *flag_of(const char *key, const json_t *value)
{
    size_t length = strlen(key);
    length -= length > 3 && strcmp(key + length - 3, "_ms") == 0  ? 3
              : length > 2 && strcmp(key + length - 2, "_s") == 0 ? 2
                                                                  : 0;
    char *flag = alloc_format("--%s%.*s", json_is_false(value) ? "no-" : "", (int)length, key);
    for (char *at = flag; *at; at++) {
        if (*at == '_') {
            *at = '-';
        }
    }
    return flag;
}

static void append(char **text, const char *flag, const char *value)
{
    char *longer =
        alloc_format("%s%s%s%s%s", *text, **text ? " " : "", flag, *value ? "=" : "", value);
    free(*text);
    *text = longer;
}

char *given_text(json_t *map)
{
    char *text = alloc_text("");
    CLEANUP(cleanup_free) char *frames = frames_text(map);
    if (frames && *frames) {
        append(&text, "--frames", frames);
    }
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(map, key, value)
    {
        CLEANUP(cleanup_free) char *flag = flag_of(key, value);
        CLEANUP(cleanup_free) char *typed = value_text(key, value);
        if (typed) {
            append(&text, flag, typed);
        }
    }
    return text;
}
