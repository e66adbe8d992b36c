#include "proto/json_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"

enum { DEPTH_MOST = 64, INTEGER_BYTES = 24 };

struct text {
    char *data;
    size_t size;
    size_t room;
};

static char *make_room(struct text *self, size_t count)
{
    if (self->room - self->size < count) {
        self->room = 2 * self->room + count + 256;
        self->data = alloc_resize(self->data, self->room, 1);
    }
    return self->data + self->size;
}

static void put(struct text *self, const char *bytes, size_t size)
{
    memcpy(make_room(self, size), bytes, size);
    self->size += size;
}

static void put_char(struct text *self, char byte)
{
    *make_room(self, 1) = byte;
    self->size++;
}

static void put_integer(struct text *self, int64_t value)
{
    char digits[INTEGER_BYTES];
    size_t at = sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    put(self, digits + at, sizeof digits - at);
}

static bool is_plain(char byte)
{
    return (unsigned char)byte >= 0x20 && byte != '"' && byte != '\\';
}

static void put_escaped(struct text *self, char byte)
{
    static const char known[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *at = byte ? strchr(known, byte) : NULL;
    if (at) {
        put_char(self, '\\');
        put_char(self, letters[at - known]);
    } else {
        char text[8];
        (void)snprintf(text, sizeof text, "\\u%04X", (unsigned)(unsigned char)byte);
        put(self, text, 6);
    }
}

static void put_string(struct text *self, const char *string, size_t size)
{
    put_char(self, '"');
    size_t from = 0;
    for (size_t at = 0; at < size; at++) {
        if (!is_plain(string[at])) {
            put(self, string + from, at - from);
            put_escaped(self, string[at]);
            from = at + 1;
        }
    }
    put(self, string + from, size - from);
    put_char(self, '"');
}

/* Rare, and its digits are jansson's business. */
static void put_real(struct text *self, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    put(self, text, strlen(text));
    free(text);
}

static bool put_value(struct text *self, const json_t *value, size_t depth);

static bool put_object(struct text *self, const json_t *value, size_t depth)
{
    /* jansson's iteration takes a json_t * though it changes nothing */
    json_t *object = (json_t *)(uintptr_t)value;
    const char *key = NULL;
    size_t size = 0;
    json_t *item = NULL;
    size_t count = 0;
    put_char(self, '{');
    json_object_keylen_foreach(object, key, size, item)
    {
        if (count++ > 0) {
            put_char(self, ',');
        }
        put_string(self, key, size);
        put_char(self, ':');
        if (!put_value(self, item, depth + 1)) {
            return false;
        }
    }
    put_char(self, '}');
    return true;
}

static bool put_array(struct text *self, const json_t *value, size_t depth)
{
    put_char(self, '[');
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (i > 0) {
            put_char(self, ',');
        }
        if (!put_value(self, json_array_get(value, i), depth + 1)) {
            return false;
        }
    }
    put_char(self, ']');
    return true;
}

static bool put_value(struct text *self, const json_t *value, size_t depth)
{
    if (depth > DEPTH_MOST) {
        return false;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return put_object(self, value, depth);
    case JSON_ARRAY:
        return put_array(self, value, depth);
    case JSON_STRING:
        put_string(self, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        put_integer(self, json_integer_value(value));
        break;
    case JSON_REAL:
        put_real(self, value);
        break;
    case JSON_TRUE:
        put(self, "true", 4);
        break;
    case JSON_FALSE:
        put(self, "false", 5);
        break;
    case JSON_NULL:
        put(self, "null", 4);
        break;
    }
    return true;
}

char *json_text(const json_t *value)
{
    struct text text = { 0 };
    if (!value || !put_value(&text, value, 0)) {
        free(text.data);
        return NULL;
    }
    put_char(&text, '\0');
    return text.data;
}
