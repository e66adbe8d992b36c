#include "proto/json_wire.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

const struct wire_limits wire_worker_limits = { WIRE_WORKER_BYTES, WIRE_VALUES, WIRE_DEPTH,
                                                WIRE_STRING_BYTES };
const struct wire_limits wire_submitter_limits = { WIRE_SUBMITTER_BYTES, WIRE_VALUES, WIRE_DEPTH,
                                                   WIRE_STRING_BYTES };
const struct wire_limits wire_answer_limits = { WIRE_ANSWER_BYTES, WIRE_ANSWER_VALUES, WIRE_DEPTH,
                                                WIRE_STRING_BYTES };

/* A key that was seen in a map that is still open. */
struct key {
    uint32_t at;
    uint8_t size;
};

/* An array or a map whose end was not reached yet. */
struct level {
    bool is_map;
    bool key_next; /* in a map: the next value is a key */
    uint32_t left; /* values still to come, keys included */
    uint32_t keys; /* how many of key[] are used */
    struct key key[WIRE_MAP_KEYS];
};

struct scan {
    const uint8_t *bytes;
    size_t size;
    size_t at;
    size_t values;
    size_t depth; /* open levels */
    const struct wire_limits *limits;
    struct level level[WIRE_DEPTH];
};

static bool has(const struct scan *self, size_t count)
{
    return self->size - self->at >= count;
}

/* Big-endian unsigned of 1, 2, 4 or 8 bytes at the cursor, which moves on. */
static int take_uint(struct scan *self, size_t width, uint64_t *out)
{
    if (!has(self, width)) {
        return WIRE_TRUNCATED;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value = value << 8 | self->bytes[self->at + i];
    }
    self->at += width;
    *out = value;
    return WIRE_OK;
}

/* Bytes of the UTF-8 sequence that begins at text, 0 if there is no valid one. NUL is none. */
static size_t utf8_step(const uint8_t *text, size_t left)
{
    uint8_t c = text[0];
    if (c < 0x80) {
        return c ? 1 : 0;
    }
    size_t size = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || left < size) {
        return 0;
    }
    /* the second byte shuts out overlong forms, surrogates and what is over U+10FFFF */
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < low || text[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return size;
}

/* Eight bytes of plain ASCII, none of them NUL? */
static bool is_plain(const uint8_t *text)
{
    uint64_t word = 0;
    memcpy(&word, text, sizeof word);
    const uint64_t ones = 0x0101010101010101u;
    return ((word | ((word - ones) & ~word)) & (ones << 7)) == 0;
}

static bool is_text(const uint8_t *text, size_t size)
{
    size_t at = 0;
    while (size - at >= sizeof(uint64_t) && is_plain(text + at)) {
        at += sizeof(uint64_t);
    }
    while (at < size) {
        size_t step = utf8_step(text + at, size - at);
        if (step == 0) {
            return false;
        }
        at += step;
    }
    return true;
}

/* Remember a key of the innermost map. Keys are few and short, so a list is searched. */
static int add_key(struct scan *self, size_t at, size_t size)
{
    struct level *map = &self->level[self->depth - 1];
    if (size == 0 || size > WIRE_KEY_BYTES) {
        return WIRE_KEY;
    }
    for (uint32_t i = 0; i < map->keys; i++) {
        if (map->key[i].size == size &&
            memcmp(self->bytes + map->key[i].at, self->bytes + at, size) == 0) {
            return WIRE_DUPLICATE;
        }
    }
    /* room is there: open_level refused maps of more keys */
    map->key[map->keys++] = (struct key){ .at = (uint32_t)at, .size = (uint8_t)size };
    return WIRE_OK;
}

static int take_string(struct scan *self, uint64_t size, bool is_key)
{
    if (size > self->limits->string_bytes) {
        return WIRE_LONG;
    }
    if (!has(self, (size_t)size)) {
        return WIRE_TRUNCATED;
    }
    size_t at = self->at;
    if (!is_text(self->bytes + at, (size_t)size)) {
        return WIRE_TEXT;
    }
    self->at += (size_t)size;
    return is_key ? add_key(self, at, (size_t)size) : WIRE_OK;
}

static int open_level(struct scan *self, bool is_map, uint64_t count)
{
    if (self->depth >= self->limits->depth || self->depth >= WIRE_DEPTH) {
        return WIRE_DEEP;
    }
    uint64_t values = is_map ? 2 * count : count;
    if (values > self->size - self->at) {
        return WIRE_TRUNCATED; /* every value takes a byte at least */
    }
    if ((is_map && count > WIRE_MAP_KEYS) || values > self->limits->values) {
        return WIRE_MANY;
    }
    struct level *level = &self->level[self->depth++];
    level->is_map = is_map;
    level->key_next = is_map;
    level->left = (uint32_t)values;
    level->keys = 0;
    return WIRE_OK;
}

static int take_integer(struct scan *self, uint8_t tag)
{
    uint64_t value = 0;
    int rc = take_uint(self, (size_t)1 << (tag & 3), &value);
    if (rc == WIRE_OK && tag == 0xcf && value > INT64_MAX) {
        rc = WIRE_INTEGER;
    }
    return rc;
}

static int take_float(struct scan *self, bool is_double)
{
    uint64_t bits = 0;
    int rc = take_uint(self, is_double ? 8 : 4, &bits);
    if (rc != WIRE_OK) {
        return rc;
    }
    /* all exponent bits set: infinite or not a number */
    uint64_t exponent = is_double ? 0x7ff0000000000000u : 0x7f800000u;
    return (bits & exponent) == exponent ? WIRE_FLOAT : WIRE_OK;
}

/* Types whose size or count stands in 1, 2 or 4 bytes after the tag. */
static int take_sized(struct scan *self, uint8_t tag, bool is_key)
{
    size_t width = tag == 0xd9 ? 1 : (tag & 1) == 0 ? 2 : 4;
    if (tag == 0xda) {
        width = 2;
    } else if (tag == 0xdb) {
        width = 4;
    }
    uint64_t count = 0;
    int rc = take_uint(self, width, &count);
    if (rc != WIRE_OK) {
        return rc;
    }
    return tag <= 0xdb ? take_string(self, count, is_key) : open_level(self, tag >= 0xde, count);
}

static bool is_string_tag(uint8_t tag)
{
    return (tag >= 0xa0 && tag <= 0xbf) || (tag >= 0xd9 && tag <= 0xdb);
}

/* One value, or the opening of one: the cursor stands behind it afterwards. */
static int take_value(struct scan *self, bool is_key)
{
    if (!has(self, 1)) {
        return WIRE_TRUNCATED;
    }
    if (++self->values > self->limits->values) {
        return WIRE_MANY;
    }
    uint8_t tag = self->bytes[self->at++];
    if (is_key && !is_string_tag(tag)) {
        return WIRE_KEY;
    }
    if (tag <= 0x7f || tag >= 0xe0 || tag == 0xc0 || tag == 0xc2 || tag == 0xc3) {
        return WIRE_OK; /* small integers, nil, false, true */
    }
    if (tag <= 0x9f) {
        return open_level(self, tag <= 0x8f, tag & 15u);
    }
    if (tag <= 0xbf) {
        return take_string(self, tag & 31u, is_key);
    }
    if (tag >= 0xcc && tag <= 0xd3) {
        return take_integer(self, tag);
    }
    if (tag == 0xca || tag == 0xcb) {
        return take_float(self, tag == 0xcb);
    }
    return tag >= 0xd9 ? take_sized(self, tag, is_key) : WIRE_TYPE;
}

/* Close what is full, then note that one more value of the innermost level begins. */
static bool next_in_level(struct scan *self, bool *is_key)
{
    while (self->depth > 0 && self->level[self->depth - 1].left == 0) {
        self->depth--;
    }
    if (self->depth == 0) {
        return false;
    }
    struct level *level = &self->level[self->depth - 1];
    level->left--;
    *is_key = level->key_next;
    level->key_next = level->is_map && !level->key_next;
    return true;
}

static bool is_map_tag(uint8_t tag)
{
    return (tag >= 0x80 && tag <= 0x8f) || tag == 0xde || tag == 0xdf;
}

int wire_check(const void *data, size_t size, const struct wire_limits *limits)
{
    if (size > limits->body_bytes) {
        return WIRE_TOO_LARGE;
    }
    if (size == 0) {
        return WIRE_TRUNCATED;
    }
    struct scan scan; /* 16 KiB; only the parts in use are written */
    scan.bytes = data;
    scan.size = size;
    scan.at = 0;
    scan.values = 0;
    scan.depth = 0;
    scan.limits = limits;
    if (!is_map_tag(scan.bytes[0])) {
        return WIRE_NOT_A_MAP;
    }
    bool is_key = false;
    do {
        int rc = take_value(&scan, is_key);
        if (rc != WIRE_OK) {
            return rc;
        }
    } while (next_in_level(&scan, &is_key));
    return scan.at == size ? WIRE_OK : WIRE_TRAILING;
}

/* Bytes that passed the scan: nothing is asked twice. */
static uint64_t read_uint(const uint8_t **at, size_t width)
{
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value = value << 8 | *(*at)++;
    }
    return value;
}

/* The size of a string, or the count of an array or a map, that begins with this tag. */
static size_t read_count(const uint8_t **at, uint8_t tag)
{
    if (tag <= 0x9f) {
        return tag & 15u;
    }
    if (tag <= 0xbf) {
        return tag & 31u;
    }
    size_t width = tag == 0xd9 ? 1 : tag == 0xda || tag == 0xdc || tag == 0xde ? 2 : 4;
    return (size_t)read_uint(at, width);
}

static json_t *read_value(const uint8_t **at);

/* Recursion ends: the scan has held the depth to WIRE_DEPTH. */
static json_t *read_map(const uint8_t **at, size_t count)
{
    json_t *out = json_object();
    for (size_t i = 0; i < count; i++) {
        uint8_t tag = *(*at)++;
        size_t size = read_count(at, tag);
        const char *key = (const char *)*at;
        *at += size;
        (void)json_object_setn_new_nocheck(out, key, size, read_value(at));
    }
    return out;
}

static json_t *read_array(const uint8_t **at, size_t count)
{
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(out, read_value(at));
    }
    return out;
}

static json_t *read_string(const uint8_t **at, size_t size)
{
    const char *text = (const char *)*at;
    *at += size;
    return json_stringn_nocheck(text, size);
}

static json_t *read_real(const uint8_t **at, bool is_double)
{
    uint64_t bits = read_uint(at, is_double ? 8 : 4);
    if (is_double) {
        double value = 0;
        memcpy(&value, &bits, sizeof value);
        return json_real(value);
    }
    float value = 0;
    uint32_t narrow = (uint32_t)bits;
    memcpy(&value, &narrow, sizeof value);
    return json_real((double)value);
}

/* Integers of a fixed width: 0xcc to 0xcf are unsigned, 0xd0 to 0xd3 signed. */
static json_t *read_integer(const uint8_t **at, uint8_t tag)
{
    size_t width = (size_t)1 << (tag & 3);
    uint64_t value = read_uint(at, width);
    if (tag >= 0xd0 && width < 8 && value >> (8 * width - 1)) {
        value |= UINT64_MAX << (8 * width);
    }
    return json_integer((json_int_t)value);
}

static json_t *read_scalar(const uint8_t **at, uint8_t tag)
{
    switch (tag) {
    case 0xc0:
        return json_null();
    case 0xc2:
        return json_false();
    case 0xc3:
        return json_true();
    case 0xca:
    case 0xcb:
        return read_real(at, tag == 0xcb);
    default:
        return read_integer(at, tag);
    }
}

static json_t *read_value(const uint8_t **at)
{
    uint8_t tag = *(*at)++;
    if (tag <= 0x7f || tag >= 0xe0) {
        return json_integer((int8_t)tag);
    }
    if (is_string_tag(tag)) {
        return read_string(at, read_count(at, tag));
    }
    if (is_map_tag(tag)) {
        return read_map(at, read_count(at, tag));
    }
    if (tag <= 0x9f || tag == 0xdc || tag == 0xdd) {
        return read_array(at, read_count(at, tag));
    }
    return read_scalar(at, tag);
}

int wire_decode(const void *data, size_t size, const struct wire_limits *limits, json_t **out)
{
    int rc = wire_check(data, size, limits);
    if (rc == WIRE_OK) {
        const uint8_t *at = data;
        *out = read_value(&at);
    }
    return rc;
}

/* ---- encoding ---- */

struct bytes {
    uint8_t *data;
    size_t size;
    size_t room;
};

static uint8_t *make_room(struct bytes *self, size_t count)
{
    if (self->room - self->size < count) {
        self->room = 2 * self->room + count + 1024;
        self->data = alloc_resize(self->data, self->room, 1);
    }
    return self->data + self->size;
}

static void put_tagged(struct bytes *self, uint8_t tag, uint64_t value, size_t width)
{
    uint8_t *to = make_room(self, 1 + width);
    to[0] = tag;
    for (size_t i = 0; i < width; i++) {
        to[1 + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    }
    self->size += 1 + width;
}

/* The shortest form, as everywhere here. */
static void put_integer(struct bytes *self, int64_t value)
{
    if (value >= -32 && value <= INT8_MAX) {
        put_tagged(self, (uint8_t)value, 0, 0);
    } else if (value >= 0) {
        size_t step = value <= UINT8_MAX    ? 0
                      : value <= UINT16_MAX ? 1
                      : value <= UINT32_MAX ? 2
                                            : 3;
        put_tagged(self, (uint8_t)(0xcc + step), (uint64_t)value, (size_t)1 << step);
    } else {
        size_t step = value >= INT8_MIN ? 0 : value >= INT16_MIN ? 1 : value >= INT32_MIN ? 2 : 3;
        put_tagged(self, (uint8_t)(0xd0 + step), (uint64_t)value, (size_t)1 << step);
    }
}

/* What a map (small 0x80, tag 0xde) or an array (0x90, 0xdc) begins with. */
static void put_count(struct bytes *self, uint8_t small, uint8_t tag, size_t count)
{
    if (count < 16) {
        put_tagged(self, (uint8_t)(small | count), 0, 0);
    } else if (count <= UINT16_MAX) {
        put_tagged(self, tag, count, 2);
    } else {
        put_tagged(self, (uint8_t)(tag + 1), count, 4);
    }
}

static void put_text(struct bytes *self, const char *text, size_t size)
{
    if (size < 32) {
        put_tagged(self, (uint8_t)(0xa0 | size), 0, 0);
    } else if (size <= UINT8_MAX) {
        put_tagged(self, 0xd9, size, 1);
    } else if (size <= UINT16_MAX) {
        put_tagged(self, 0xda, size, 2);
    } else {
        put_tagged(self, 0xdb, size, 4);
    }
    memcpy(make_room(self, size), text, size);
    self->size += size;
}

static void put_real(struct bytes *self, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    put_tagged(self, 0xcb, bits, 8);
}

static int put_value(struct bytes *self, const json_t *value, size_t depth);

static int put_map(struct bytes *self, const json_t *value, size_t depth)
{
    put_count(self, 0x80, 0xde, json_object_size(value));
    /* jansson's iteration takes a json_t * though it changes nothing */
    json_t *object = (json_t *)(uintptr_t)value;
    const char *key = NULL;
    size_t size = 0;
    json_t *item = NULL;
    json_object_keylen_foreach(object, key, size, item)
    {
        put_text(self, key, size);
        int rc = put_value(self, item, depth + 1);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int put_array(struct bytes *self, const json_t *value, size_t depth)
{
    int rc = 0;
    put_count(self, 0x90, 0xdc, json_array_size(value));
    for (size_t i = 0; rc == 0 && i < json_array_size(value); i++) {
        rc = put_value(self, json_array_get(value, i), depth + 1);
    }
    return rc;
}

/* depth is that of the map or array which holds value; 0 for the outermost. */
static int put_value(struct bytes *self, const json_t *value, size_t depth)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return depth >= WIRE_DEPTH ? -E2BIG : put_map(self, value, depth);
    case JSON_ARRAY:
        return depth >= WIRE_DEPTH ? -E2BIG : put_array(self, value, depth);
    case JSON_STRING:
        put_text(self, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        put_integer(self, json_integer_value(value));
        break;
    case JSON_REAL:
        put_real(self, json_real_value(value));
        break;
    case JSON_TRUE:
        put_tagged(self, 0xc3, 0, 0);
        break;
    case JSON_FALSE:
        put_tagged(self, 0xc2, 0, 0);
        break;
    case JSON_NULL:
        put_tagged(self, 0xc0, 0, 0);
        break;
    }
    return 0;
}

int wire_encode(const json_t *body, void **data, size_t *size)
{
    if (!json_is_object(body)) {
        return -EINVAL;
    }
    struct bytes bytes = { 0 };
    int rc = put_value(&bytes, body, 0);
    if (rc != 0) {
        free(bytes.data);
        return rc;
    }
    *size = bytes.size;
    *data = bytes.data;
    return 0;
}

static const char *const outcome_names[] = {
    "ok",          "too-large",   "truncated", "trailing", "not-a-map",     "deep",
    "many",        "long-string", "bad-text",  "bad-key",  "duplicate-key", "bad-type",
    "bad-integer", "bad-float",
};
_Static_assert(sizeof outcome_names / sizeof outcome_names[0] == WIRE_OUTCOMES,
               "every outcome has a name");

const char *wire_outcome_name(int outcome)
{
    return outcome >= 0 && outcome < WIRE_OUTCOMES ? outcome_names[outcome] : "unknown";
}
