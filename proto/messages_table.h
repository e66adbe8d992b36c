#ifndef PROTO_MESSAGES_TABLE_H
#define PROTO_MESSAGES_TABLE_H

/*
 * messages_table - every message of PROTOCOL.md as const data
 *
 * Read by message_check only. A field says of one key what may stand there; a shape is a list
 * of fields; a message is a type, who sends it, and its shape.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/messages.h"

enum field_type {
    FIELD_INT, /* min .. max */
    FIELD_BOOL,
    FIELD_STR,          /* min .. max bytes */
    FIELD_PATH,         /* a string that begins with '/' */
    FIELD_HEX,          /* exactly max lower-case hex digits */
    FIELD_WORD,         /* one of words */
    FIELD_MAP,          /* of shape */
    FIELD_MAPS,         /* an array of min .. max maps of shape */
    FIELD_INTS,         /* an array of at most max integers */
    FIELD_STRS,         /* an array of at most max strings */
    FIELD_WORDS,        /* an array of at most max of words */
    FIELD_GAUGES,       /* a map of integers */
    FIELD_ORDER,        /* what order_parse takes */
    FIELD_DEVICE_TYPES, /* what device_types_parse takes */
    FIELD_FRAMES,       /* a flat frame list as of ranges_from_json */
};

struct message_shape;

struct message_field {
    const char *key;
    enum field_type type;
    bool optional;
    int64_t min;
    int64_t max;
    const struct message_shape *shape;
    const char *const *words; /* NULL-terminated */
};

struct message_shape {
    const struct message_field *fields; /* the last has key NULL */
    /* Further fields that depend on the word in one of the fields, or NULL. */
    const char *chosen_by;
    const struct message_choice *choices; /* the last has word NULL */
};

struct message_choice {
    const char *word;
    const struct message_field *fields;
};

struct message_type {
    enum message_side side;
    const char *type;
    const struct message_shape *shape;
};

extern const struct message_type message_types[]; /* the last has type NULL */
extern const struct message_shape message_spec_shape;
extern const struct message_shape message_options_shape;

#endif
