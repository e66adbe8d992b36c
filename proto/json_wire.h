#ifndef PROTO_JSON_WIRE_H
#define PROTO_JSON_WIRE_H

/*
 * json_wire - message bodies: MessagePack on the wire, jansson in the program
 *
 * Bytes from a socket are scanned before anything is allocated for them (PROTOCOL.md, 1): the
 * limits, valid UTF-8 without NUL, no extension or binary type, finite floats, integers within
 * int64, map keys short, unique strings, one map and nothing after it. Everything that passes
 * the scan is decoded; anything else is a WIRE_* outcome, for counting and for the log.
 */

#include <jansson.h>
#include <stddef.h>

#define WIRE_KEY_BYTES 64 /* longest map key */
#define WIRE_MAP_KEYS 256 /* keys in one map */
#define WIRE_DEPTH 8      /* nesting: the outer map is 1 */
#define WIRE_VALUES 16384
#define WIRE_STRING_BYTES 4096
#define WIRE_WORKER_BYTES 131072
#define WIRE_SUBMITTER_BYTES 1048576
#define WIRE_ANSWER_BYTES 8388608
#define WIRE_ANSWER_VALUES 131072
#define WIRE_BLOB_BYTES 262144
#define WIRE_BLOBS 4

struct wire_limits {
    size_t body_bytes;
    size_t values; /* every map, array, key and scalar counts one */
    size_t depth;  /* at most WIRE_DEPTH */
    size_t string_bytes;
};

extern const struct wire_limits wire_worker_limits;    /* requests of workers */
extern const struct wire_limits wire_submitter_limits; /* requests of submitters */
extern const struct wire_limits wire_answer_limits;    /* answers to both */

enum wire_outcome {
    WIRE_OK,
    WIRE_TOO_LARGE, /* more bytes than the limit */
    WIRE_TRUNCATED, /* the bytes end inside a value, or a count exceeds what is left of them */
    WIRE_TRAILING,  /* something after the one map */
    WIRE_NOT_A_MAP,
    WIRE_DEEP,
    WIRE_MANY, /* too many values, or too many keys in a map */
    WIRE_LONG, /* a string over the limit */
    WIRE_TEXT, /* not UTF-8, or NUL in it */
    WIRE_KEY,  /* a key that is not a string of 1..64 bytes */
    WIRE_DUPLICATE,
    WIRE_TYPE,    /* binary, extension or the never-used byte 0xc1 */
    WIRE_INTEGER, /* over 2^63 - 1 */
    WIRE_FLOAT,   /* not finite */
    WIRE_OUTCOMES,
};

/* Scan without allocating: WIRE_OK or why not. */
int wire_check(const void *data, size_t size, const struct wire_limits *limits);

/* Scan and decode; *out is the caller's, a json object. WIRE_* as of wire_check. */
int wire_decode(const void *data, size_t size, const struct wire_limits *limits, json_t **out);

/*
 * Encode a json object; keys in the order in which they were set, integers in their shortest
 * form. *data is the caller's (free). Always 0 for a body made by us; -EINVAL for what is not an
 * object, -E2BIG for a nesting over WIRE_DEPTH.
 */
int wire_encode(const json_t *body, void **data, size_t *size);

/* The word for an outcome, "duplicate-key": for logs, counters and the vectors. */
const char *wire_outcome_name(int outcome);

#endif
