#include "proto/ranges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/log.h"

static const struct {
    const char *text;
    enum ranges_word word;
} words[] = {
    { "current", RANGES_CURRENT },
    { "start", RANGES_START },
    { "end", RANGES_END },
};
#define WORDS (sizeof words / sizeof words[0])

static unsigned find_word(const char *text, size_t size)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (strlen(words[i].text) == size && strncmp(words[i].text, text, size) == 0) {
            return words[i].word;
        }
    }
    return 0;
}

/* [-]digits at *at, which moves behind them; false when there is none or it is far too long. */
static bool take_number(const char **at, const char *end, int64_t *out)
{
    const char *digit = *at;
    bool negative = digit < end && *digit == '-';
    if (negative) {
        digit++;
    }
    const char *begin = digit;
    int64_t value = 0;
    while (digit < end && *digit >= '0' && *digit <= '9' && digit - begin < 12) {
        value = 10 * value + (*digit++ - '0');
    }
    if (digit == begin) {
        return false;
    }
    *at = digit;
    *out = negative ? -value : value;
    return true;
}

/* What is wrong with one item, or NULL when it was added. */
static const char *take_range(struct ranges *out, const char *at, const char *end)
{
    int64_t first = 0;
    if (!take_number(&at, end, &first)) {
        return "is no frame, range, current, start or end";
    }
    int64_t last = first;
    int64_t step = 1;
    if (at < end && *at == '-') {
        at++;
        if (!take_number(&at, end, &last)) {
            return "has no last frame after its '-'";
        }
        if (at < end && (*at == 'x' || *at == 'X')) {
            at++;
            if (!take_number(&at, end, &step)) {
                return "has no step after its 'x'";
            }
        }
    }
    if (at != end) {
        return "is no frame, range, current, start or end";
    }
    if (step < 1) {
        return "has a step under 1";
    }
    if (last < first) {
        return "ends before it begins";
    }
    if (ranges_add(out, first, last, step < INT32_MAX ? step : INT32_MAX) != RANGES_OK) {
        return out->count >= RANGES_TEXT_ITEMS ? "is one range too many"
                                               : "is outside -1048574 to 1048574";
    }
    return NULL;
}

/* One item between commas, blanks around it dropped. */
static const char *take_item(struct ranges *out, const char *begin, const char *end)
{
    while (begin < end && (*begin == ' ' || *begin == '\t')) {
        begin++;
    }
    while (begin < end && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    if (begin == end) {
        return "is empty: a number is missing beside a comma";
    }
    unsigned word = find_word(begin, (size_t)(end - begin));
    if (word) {
        out->words |= word;
        return NULL;
    }
    return take_range(out, begin, end);
}

/* Show at most so much of a wrong item. */
#define SHOWN_BYTES 40

int ranges_parse(const char *text, struct ranges *out, char **error_text)
{
    struct ranges list = { 0 };
    for (const char *at = text;;) {
        size_t size = strcspn(at, ",");
        const char *why = take_item(&list, at, at + size);
        if (why) {
            int shown = size < SHOWN_BYTES ? (int)size : SHOWN_BYTES;
            *error_text = alloc_format("frames: \"%.*s\" %s", shown, at, why);
            log_plain(*error_text);
            ranges_clear(&list);
            return RANGES_WRONG;
        }
        if (at[size] == '\0') {
            break;
        }
        at += size + 1;
    }
    if (ranges_normalise(&list) != RANGES_OK) {
        *error_text =
            alloc_format("frames: more than %d ranges: submit them as several jobs", RANGES_MAX);
        return RANGES_TOO_MANY;
    }
    *out = list;
    return RANGES_OK;
}

static void write_item(FILE *out, const struct ranges_item *item)
{
    if (item->first == item->last) {
        (void)fprintf(out, "%d", item->first); /* into memory: see the check of fclose */
    } else if (item->step == 1) {
        (void)fprintf(out, "%d-%d", item->first, item->last);
    } else {
        (void)fprintf(out, "%d-%dx%d", item->first, item->last, item->step);
    }
}

char *ranges_format(const struct ranges *self)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        return alloc_text("");
    }
    const char *comma = "";
    for (size_t i = 0; i < self->count; i++, comma = ",") {
        (void)fputs(comma, out);
        write_item(out, &self->items[i]);
    }
    for (size_t i = 0; i < WORDS; i++) {
        if (self->words & words[i].word) {
            (void)fprintf(out, "%s%s", comma, words[i].text);
            comma = ",";
        }
    }
    if (fclose(out) != 0) {
        free(text);
        return alloc_text("");
    }
    return text;
}

json_t *ranges_to_json(const struct ranges *self)
{
    json_t *flat = json_array();
    for (size_t i = 0; i < self->count; i++) {
        (void)json_array_append_new(flat, json_integer(self->items[i].first));
        (void)json_array_append_new(flat, json_integer(self->items[i].last));
        (void)json_array_append_new(flat, json_integer(self->items[i].step));
    }
    return flat;
}

json_t *ranges_words_to_json(const struct ranges *self)
{
    json_t *list = json_array();
    for (size_t i = 0; i < WORDS; i++) {
        if (self->words & words[i].word) {
            (void)json_array_append_new(list, json_string(words[i].text));
        }
    }
    return list;
}

static bool add_flat(const json_t *frames, size_t at, struct ranges *out)
{
    int64_t value[3];
    for (size_t i = 0; i < 3; i++) {
        const json_t *item = json_array_get(frames, at + i);
        if (!json_is_integer(item)) {
            return false;
        }
        value[i] = json_integer_value(item);
    }
    bool ascends = out->count == 0 || value[0] > out->items[out->count - 1].last;
    return ascends && ranges_add(out, value[0], value[1], value[2]) == RANGES_OK;
}

static bool add_words(const json_t *list, struct ranges *out)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        unsigned word =
            json_is_string(item) ? find_word(json_string_value(item), json_string_length(item)) : 0;
        if (!word) {
            return false;
        }
        out->words |= word;
    }
    return true;
}

static bool is_absent(const json_t *value)
{
    return !value || json_is_null(value);
}

int ranges_from_json(const json_t *frames, const json_t *words_list, struct ranges *out)
{
    bool good = (is_absent(frames) || json_is_array(frames)) &&
                (is_absent(words_list) || json_is_array(words_list));
    size_t count = json_array_size(frames);
    if (!good || count % 3 != 0 || count / 3 > RANGES_MAX) {
        return RANGES_WRONG;
    }
    struct ranges list = { 0 };
    for (size_t i = 0; good && i < count; i += 3) {
        good = add_flat(frames, i, &list);
    }
    good = good && add_words(words_list, &list);
    if (!good || ranges_normalise(&list) != RANGES_OK) {
        ranges_clear(&list);
        return RANGES_WRONG;
    }
    *out = list;
    return RANGES_OK;
}
