#include "proto/messages.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/device_types.h"
#include "proto/json_wire.h"
#include "proto/messages_table.h"
#include "proto/order.h"
#include "proto/ranges.h"

enum {
    STEPS_MOST = 2 * WIRE_DEPTH,
    FIELDS_MOST = 64, /* of a shape */
};

/* Where in a body a check is; it becomes text, "reports[2].claim", only when something is wrong. */
struct step {
    const char *key; /* NULL: an index */
    size_t index;
};

struct check {
    struct step step[STEPS_MOST];
    size_t depth;
    struct message_fault *fault; /* may be NULL */
};

static void write_path(const struct check *self, char *out, size_t room)
{
    size_t size = 0;
    for (size_t i = 0; i < self->depth && size < room; i++) {
        const struct step *step = &self->step[i];
        int count = step->key ? snprintf(out + size, room - size, "%s%s", i ? "." : "", step->key)
                              : snprintf(out + size, room - size, "[%zu]", step->index);
        size += (size_t)count;
    }
}

static int wrong(const struct check *self, const char *why)
{
    if (self->fault) {
        char path[120] = "body";
        write_path(self, path, sizeof path);
        (void)snprintf(self->fault->text, sizeof self->fault->text, "%s: %s", path, why);
    }
    return MESSAGE_MALFORMED;
}

/* The tables nest less deep than the wire does. */
static void enter(struct check *self, const char *key, size_t index)
{
    assert(self->depth < STEPS_MOST);
    self->step[self->depth++] = (struct step){ .key = key, .index = index };
}

static int check_shape(struct check *self, const struct message_shape *shape, const json_t *map);

static bool is_word(const json_t *value, const char *const *words, int *index)
{
    if (!json_is_string(value)) {
        return false;
    }
    for (int i = 0; words[i]; i++) {
        if (strcmp(json_string_value(value), words[i]) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

static bool is_hex(const json_t *value, size_t digits)
{
    return json_is_string(value) && json_string_length(value) == digits &&
           strspn(json_string_value(value), "0123456789abcdef") == digits;
}

static int check_int(const struct check *self, const struct message_field *field,
                     const json_t *value)
{
    if (!json_is_integer(value)) {
        return wrong(self, "no integer");
    }
    json_int_t number = json_integer_value(value);
    return number < field->min || number > field->max ? wrong(self, "out of range") : MESSAGE_OK;
}

static int check_string(const struct check *self, const struct message_field *field,
                        const json_t *value)
{
    if (!json_is_string(value)) {
        return wrong(self, "no string");
    }
    size_t size = json_string_length(value);
    if (size < (size_t)field->min || size > (size_t)field->max) {
        return wrong(self, size > (size_t)field->max ? "too long" : "too short");
    }
    if (field->type == FIELD_PATH && json_string_value(value)[0] != '/') {
        return wrong(self, "no absolute path");
    }
    return MESSAGE_OK;
}

static int check_item(struct check *self, const struct message_field *field, const json_t *item)
{
    int index = 0;
    switch (field->type) {
    case FIELD_MAPS:
        return check_shape(self, field->shape, item);
    case FIELD_INTS:
        return json_is_integer(item) ? MESSAGE_OK : wrong(self, "no integer");
    case FIELD_STRS:
        return json_is_string(item) ? MESSAGE_OK : wrong(self, "no string");
    default:
        return is_word(item, field->words, &index) ? MESSAGE_OK : wrong(self, "no such word");
    }
}

static int check_array(struct check *self, const struct message_field *field, const json_t *value)
{
    if (!json_is_array(value)) {
        return wrong(self, "no array");
    }
    size_t count = json_array_size(value);
    if (count < (size_t)field->min || count > (size_t)field->max) {
        return wrong(self, count > (size_t)field->max ? "too many" : "too few");
    }
    for (size_t i = 0; i < count; i++) {
        enter(self, NULL, i);
        int rc = check_item(self, field, json_array_get(value, i));
        if (rc != MESSAGE_OK) {
            return rc;
        }
        self->depth--;
    }
    return MESSAGE_OK;
}

static int check_gauges(const struct check *self, const json_t *value)
{
    if (!json_is_object(value)) {
        return wrong(self, "no map");
    }
    const char *key = NULL;
    json_t *item = NULL;
    json_object_foreach((json_t *)(uintptr_t)value, key, item) /* it changes nothing */
    {
        if (!json_is_integer(item)) {
            return wrong(self, "not all integers");
        }
    }
    return MESSAGE_OK;
}

static int check_frames(const struct check *self, const json_t *value)
{
    struct ranges ranges = { 0 };
    int rc = ranges_from_json(value, NULL, &ranges);
    ranges_clear(&ranges);
    return rc == RANGES_OK ? MESSAGE_OK : wrong(self, "no normalised frame list");
}

static int check_device_types(struct check *self, const json_t *value)
{
    CLEANUP(cleanup_free) char *error_text = NULL;
    struct device_types types;
    bool right = json_is_string(value) &&
                 device_types_parse(json_string_value(value), &types, &error_text) == 0;
    return right ? MESSAGE_OK : wrong(self, "no types of a GPU");
}

static int check_order(const struct check *self, const json_t *value)
{
    struct order order;
    bool good = json_is_string(value) && order_parse(json_string_value(value), &order) == ORDER_OK;
    return good ? MESSAGE_OK : wrong(self, "no order");
}

static int check_value(struct check *self, const struct message_field *field, const json_t *value)
{
    int index = 0;
    switch (field->type) {
    case FIELD_INT:
        return check_int(self, field, value);
    case FIELD_BOOL:
        return json_is_boolean(value) ? MESSAGE_OK : wrong(self, "no boolean");
    case FIELD_STR:
    case FIELD_PATH:
        return check_string(self, field, value);
    case FIELD_HEX:
        return is_hex(value, (size_t)field->max) ? MESSAGE_OK : wrong(self, "no such hex digits");
    case FIELD_WORD:
        return is_word(value, field->words, &index) ? MESSAGE_OK : wrong(self, "no such word");
    case FIELD_MAP:
        return check_shape(self, field->shape, value);
    case FIELD_MAPS:
    case FIELD_INTS:
    case FIELD_STRS:
    case FIELD_WORDS:
        return check_array(self, field, value);
    case FIELD_GAUGES:
        return check_gauges(self, value);
    case FIELD_ORDER:
        return check_order(self, value);
    case FIELD_DEVICE_TYPES:
        return check_device_types(self, value);
    case FIELD_FRAMES:
        return check_frames(self, value);
    }
    return wrong(self, "no such type");
}

static bool is_key(const struct message_field *field, const char *key)
{
    return field->key[0] == key[0] && strcmp(field->key, key) == 0;
}

/* The field of that key; NULL: it is somebody else's. Keys come in much the order of the table, so
 * it is looked for behind the last one first. */
static const struct message_field *find_field(const struct message_field *fields,
                                              const struct message_field *behind, const char *key)
{
    const struct message_field *at = behind;
    for (; at->key; at++) {
        if (is_key(at, key)) {
            return at;
        }
    }
    for (at = fields; at != behind; at++) {
        if (is_key(at, key)) {
            return at;
        }
    }
    return NULL;
}

static int check_absent(struct check *self, const struct message_field *fields, uint64_t seen)
{
    for (size_t i = 0; fields[i].key; i++) {
        if (!fields[i].optional && (seen >> i & 1) == 0) {
            enter(self, fields[i].key, 0);
            return wrong(self, "missing");
        }
    }
    return MESSAGE_OK;
}

/* Once through the keys that are there: to look each field up would hash far more keys. */
static int check_fields(struct check *self, const struct message_field *fields, const json_t *map)
{
    json_t *object = (json_t *)(uintptr_t)map; /* iteration changes nothing */
    const struct message_field *behind = fields;
    uint64_t seen = 0;
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        const json_t *value = json_object_iter_value(at);
        const struct message_field *field = find_field(fields, behind, json_object_iter_key(at));
        if (!field || json_is_null(value)) {
            continue;
        }
        enter(self, field->key, 0);
        int rc = check_value(self, field, value);
        if (rc != MESSAGE_OK) {
            return rc;
        }
        self->depth--;
        assert(field - fields < FIELDS_MOST);
        seen |= (uint64_t)1 << (field - fields);
        behind = field + 1;
    }
    return check_absent(self, fields, seen);
}

static int check_shape(struct check *self, const struct message_shape *shape, const json_t *map)
{
    if (!json_is_object(map)) {
        return wrong(self, "no map");
    }
    int rc = check_fields(self, shape->fields, map);
    if (rc != MESSAGE_OK || !shape->choices) {
        return rc;
    }
    const char *word = msg_str_or(map, shape->chosen_by, "");
    for (const struct message_choice *choice = shape->choices; choice->word; choice++) {
        if (strcmp(choice->word, word) == 0) {
            return check_fields(self, choice->fields, map);
        }
    }
    return MESSAGE_OK;
}

static const struct message_shape *find_shape(enum message_side side, const char *type)
{
    for (const struct message_type *at = message_types; at->type; at++) {
        if (at->side == side && strcmp(at->type, type) == 0) {
            return at->shape;
        }
    }
    return NULL;
}

int message_check(enum message_side side, const json_t *body, struct message_fault *fault)
{
    struct check check = { .fault = fault };
    int64_t version = 0;
    if (!json_is_object(body) || msg_int(body, "v", INT64_MIN, INT64_MAX, &version) != MSG_OK) {
        return wrong(&check, "no integer v");
    }
    if (version != MESSAGES_VERSION) {
        (void)wrong(&check, "another protocol version");
        return MESSAGE_VERSION;
    }
    const char *type = msg_type(body);
    const struct message_shape *shape = find_shape(side, type);
    if (!shape) {
        (void)wrong(&check, "no such message type");
        return MESSAGE_UNKNOWN;
    }
    return check_shape(&check, shape, body);
}

const char *message_outcome_name(int outcome)
{
    static const char *const names[] = { "ok", "version", "unknown-type", "malformed" };
    return outcome >= MESSAGE_OK && outcome <= MESSAGE_MALFORMED ? names[outcome] : "unknown";
}

int message_check_spec(const json_t *spec, struct message_fault *fault)
{
    struct check check = { .fault = fault };
    return check_shape(&check, &message_spec_shape, spec);
}

int message_check_options(const json_t *options, struct message_fault *fault)
{
    struct check check = { .fault = fault };
    return check_shape(&check, &message_options_shape, options);
}

/* The value of key, NULL when it is absent or nil. */
static const json_t *find(const json_t *map, const char *key)
{
    const json_t *value = json_object_get(map, key);
    return json_is_null(value) ? NULL : value;
}

int msg_int(const json_t *map, const char *key, int64_t min, int64_t max, int64_t *out)
{
    const json_t *value = find(map, key);
    if (!value) {
        return MSG_ABSENT;
    }
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max) {
        return MSG_WRONG;
    }
    *out = json_integer_value(value);
    return MSG_OK;
}

int msg_bool(const json_t *map, const char *key, bool *out)
{
    const json_t *value = find(map, key);
    if (!value) {
        return MSG_ABSENT;
    }
    if (!json_is_boolean(value)) {
        return MSG_WRONG;
    }
    *out = json_is_true(value);
    return MSG_OK;
}

int msg_str(const json_t *map, const char *key, size_t max_bytes, const char **out)
{
    const json_t *value = find(map, key);
    if (!value) {
        return MSG_ABSENT;
    }
    if (!json_is_string(value) || json_string_length(value) > max_bytes) {
        return MSG_WRONG;
    }
    *out = json_string_value(value);
    return MSG_OK;
}

int msg_array(const json_t *map, const char *key, size_t max_items, const json_t **out)
{
    const json_t *value = find(map, key);
    if (!value) {
        return MSG_ABSENT;
    }
    if (!json_is_array(value) || json_array_size(value) > max_items) {
        return MSG_WRONG;
    }
    *out = value;
    return MSG_OK;
}

int msg_map(const json_t *map, const char *key, const json_t **out)
{
    const json_t *value = find(map, key);
    if (!value) {
        return MSG_ABSENT;
    }
    if (!json_is_object(value)) {
        return MSG_WRONG;
    }
    *out = value;
    return MSG_OK;
}

int msg_hex(const json_t *map, const char *key, size_t digits, const char **out)
{
    const json_t *value = find(map, key);
    if (!value) {
        return MSG_ABSENT;
    }
    if (!is_hex(value, digits)) {
        return MSG_WRONG;
    }
    *out = json_string_value(value);
    return MSG_OK;
}

int msg_word(const json_t *map, const char *key, const char *const *words, int *out)
{
    const json_t *value = find(map, key);
    if (!value) {
        return MSG_ABSENT;
    }
    return is_word(value, words, out) ? MSG_OK : MSG_WRONG;
}

int64_t msg_int_or(const json_t *map, const char *key, int64_t fallback)
{
    (void)msg_int(map, key, INT64_MIN, INT64_MAX, &fallback);
    return fallback;
}

bool msg_bool_or(const json_t *map, const char *key, bool fallback)
{
    (void)msg_bool(map, key, &fallback);
    return fallback;
}

const char *msg_str_or(const json_t *map, const char *key, const char *fallback)
{
    (void)msg_str(map, key, SIZE_MAX, &fallback);
    return fallback;
}

const json_t *msg_map_or_null(const json_t *map, const char *key)
{
    const json_t *value = NULL;
    (void)msg_map(map, key, &value);
    return value;
}

const json_t *msg_array_or_null(const json_t *map, const char *key)
{
    const json_t *value = NULL;
    (void)msg_array(map, key, SIZE_MAX, &value);
    return value;
}

const char *msg_type(const json_t *body)
{
    return msg_str_or(body, "t", "");
}

json_t *msg_new(const char *type)
{
    json_t *body = json_object();
    msg_set_int(body, "v", MESSAGES_VERSION);
    msg_set_str(body, "t", type);
    return body;
}

json_t *msg_error(const char *code, const char *text, const char *hint)
{
    json_t *error = json_object();
    msg_set_str(error, "code", code);
    msg_set_str(error, "text", text);
    msg_set_str(error, "hint", hint ? hint : "");
    return error;
}

/* Bytes that are no text, such as those of an old file name, with '?' for what is over 0x7f. */
static json_t *replaced(const char *text)
{
    CLEANUP(cleanup_free) char *copy = alloc_text(text);
    for (char *at = copy; *at; at++) {
        if ((unsigned char)*at > 0x7f) {
            *at = '?';
        }
    }
    return json_string(copy);
}

void msg_set_str(json_t *map, const char *key, const char *text)
{
    if (!text) {
        msg_set(map, key, json_null());
        return;
    }
    json_t *value = json_string(text);
    msg_set(map, key, value ? value : replaced(text));
}

void msg_set_int(json_t *map, const char *key, int64_t value)
{
    msg_set(map, key, json_integer(value));
}

void msg_set_bool(json_t *map, const char *key, bool value)
{
    msg_set(map, key, json_boolean(value));
}

void msg_set(json_t *map, const char *key, json_t *value)
{
    /* keys are words of ours: nobody need look whether they are UTF-8; it fails for want of memory
     * only */
    (void)json_object_set_new_nocheck(map, key, value);
}
