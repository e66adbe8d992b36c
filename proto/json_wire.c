#include "proto/json_wire.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Most bodies fit into blocks of this size, which glibc keeps at hand; not so those of 8 KiB that
 * msgpack-c takes by itself. */
#define BLOCK_BYTES 1024
#define MSGPACK_SBUFFER_INIT_SIZE BLOCK_BYTES
#include <msgpack.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/log.h"

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
static bool is_plain(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101u;
    return ((bytes | ((bytes - ones) & ~bytes)) & (ones << 7)) == 0;
}

static uint64_t eight_at(const uint8_t *text)
{
    uint64_t bytes = 0;
    memcpy(&bytes, text, sizeof bytes);
    return bytes;
}

/* The first four bytes and the last four: all of a text of four to eight. */
static uint64_t both_ends(const uint8_t *text, size_t size)
{
    uint32_t first = 0;
    uint32_t last = 0;
    memcpy(&first, text, sizeof first);
    memcpy(&last, text + size - sizeof last, sizeof last);
    return first | (uint64_t)last << 32;
}

static bool is_text(const uint8_t *text, size_t size)
{
    size_t at = 0;
    while (size - at >= sizeof(uint64_t) && is_plain(eight_at(text + at))) {
        at += sizeof(uint64_t);
    }
    size_t left = size - at;
    if (left >= sizeof(uint32_t) && left < sizeof(uint64_t) &&
        is_plain(both_ends(text + at, left))) {
        return true;
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

static json_t *to_json(const msgpack_object *object);

/* Recursion ends: the scan has held the depth to WIRE_DEPTH. */
static json_t *map_to_json(const msgpack_object_map *map)
{
    json_t *out = json_object();
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object_str *key = &map->ptr[i].key.via.str;
        (void)json_object_setn_new_nocheck(out, key->ptr, key->size, to_json(&map->ptr[i].val));
    }
    return out;
}

static json_t *array_to_json(const msgpack_object_array *array)
{
    json_t *out = json_array();
    for (uint32_t i = 0; i < array->size; i++) {
        (void)json_array_append_new(out, to_json(&array->ptr[i]));
    }
    return out;
}

static json_t *to_json(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return json_integer((json_int_t)object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer((json_int_t)object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return json_real(object->via.f64);
    case MSGPACK_OBJECT_STR:
        return json_stringn_nocheck(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_ARRAY:
        return array_to_json(&object->via.array);
    case MSGPACK_OBJECT_MAP:
        return map_to_json(&object->via.map);
    case MSGPACK_OBJECT_NIL:
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        break; /* the last two do not pass the scan */
    }
    return json_null();
}

int wire_decode(const void *data, size_t size, const struct wire_limits *limits, json_t **out)
{
    int rc = wire_check(data, size, limits);
    if (rc != WIRE_OK) {
        return rc;
    }
    CLEANUP(msgpack_zone_destroy) msgpack_zone zone;
    if (!msgpack_zone_init(&zone, BLOCK_BYTES)) {
        log_error("out of memory");
        abort();
    }
    msgpack_object object; /* its strings are those in data */
    size_t at = 0;
    if (msgpack_unpack(data, size, &at, &zone, &object) != MSGPACK_UNPACK_SUCCESS) {
        return WIRE_TRUNCATED; /* the scan is the stricter of the two: not reached */
    }
    *out = to_json(&object);
    return WIRE_OK;
}

static int pack(msgpack_packer *packer, const json_t *value, size_t depth);

static int pack_text(msgpack_packer *packer, const char *text, size_t size)
{
    (void)msgpack_pack_str(packer, size); /* a growing buffer: fails for want of memory only */
    return msgpack_pack_str_body(packer, text, size);
}

static int pack_object(msgpack_packer *packer, const json_t *value, size_t depth)
{
    int rc = msgpack_pack_map(packer, json_object_size(value));
    /* jansson's iteration takes a json_t * though it changes nothing */
    json_t *object = json_incref((json_t *)(uintptr_t)value);
    const char *key = NULL;
    size_t size = 0;
    json_t *item = NULL;
    json_object_keylen_foreach(object, key, size, item)
    {
        rc = rc == 0 ? pack_text(packer, key, size) : rc;
        rc = rc == 0 ? pack(packer, item, depth + 1) : rc;
    }
    json_decref(object);
    return rc;
}

static int pack_array(msgpack_packer *packer, const json_t *value, size_t depth)
{
    int rc = msgpack_pack_array(packer, json_array_size(value));
    for (size_t i = 0; rc == 0 && i < json_array_size(value); i++) {
        rc = pack(packer, json_array_get(value, i), depth + 1);
    }
    return rc;
}

/* depth is that of the map or array which holds value; 0 for the outermost. */
static int pack(msgpack_packer *packer, const json_t *value, size_t depth)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return depth >= WIRE_DEPTH ? -E2BIG : pack_object(packer, value, depth);
    case JSON_ARRAY:
        return depth >= WIRE_DEPTH ? -E2BIG : pack_array(packer, value, depth);
    case JSON_STRING:
        return pack_text(packer, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return msgpack_pack_int64(packer, json_integer_value(value));
    case JSON_REAL:
        return msgpack_pack_double(packer, json_real_value(value));
    case JSON_TRUE:
        return msgpack_pack_true(packer);
    case JSON_FALSE:
        return msgpack_pack_false(packer);
    case JSON_NULL:
        break;
    }
    return msgpack_pack_nil(packer);
}

int wire_encode(const json_t *body, void **data, size_t *size)
{
    if (!json_is_object(body)) {
        return -EINVAL;
    }
    msgpack_sbuffer buffer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    int rc = pack(&packer, body, 0);
    if (rc != 0) {
        msgpack_sbuffer_destroy(&buffer);
        return rc == -E2BIG ? rc : -ENOMEM;
    }
    *size = buffer.size;
    *data = msgpack_sbuffer_release(&buffer);
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
