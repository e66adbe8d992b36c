#ifndef PROTO_MESSAGES_H
#define PROTO_MESSAGES_H

/*
 * messages - the messages of PROTOCOL.md: a table that checks them, and accessors
 *
 * message_check holds a decoded body against the table of its type: required keys, types,
 * ranges. A receiver calls it once at the door; what passes can be read with the msg_*
 * accessors without looking at their results again, except for optional keys. All accessors
 * take nil for absent, and none follows a value of the wrong type.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGES_VERSION 1

/* Who sends the message to whom. */
enum message_side {
    MESSAGE_FROM_WORKER,
    MESSAGE_TO_WORKER,
    MESSAGE_FROM_SUBMITTER,
    MESSAGE_TO_SUBMITTER,
};

enum message_outcome {
    MESSAGE_OK,
    MESSAGE_VERSION, /* another protocol version: answer REFUSED or ERROR with code `version` */
    MESSAGE_UNKNOWN, /* no such type on this side */
    MESSAGE_MALFORMED,
};

/* Where a body is wrong: "reports[2].claim: missing". */
struct message_fault {
    char text[160];
};

/* Check a whole body. fault may be NULL; it is written on every outcome but MESSAGE_OK. */
int message_check(enum message_side side, const json_t *body, struct message_fault *fault);

/* A word for an outcome: "malformed". */
const char *message_outcome_name(int outcome);

/* The check of a job spec alone (PROTOCOL.md 4.1): one bad job of a SUBMIT need not end the rest.
 */
int message_check_spec(const json_t *spec, struct message_fault *fault);

/* The check of a map of options alone (ACCEPT, or a spec's). */
int message_check_options(const json_t *options, struct message_fault *fault);

enum msg_outcome {
    MSG_OK,
    MSG_ABSENT, /* no such key, or nil */
    MSG_WRONG,  /* another type, or out of range */
};

/* *out is written only on MSG_OK. Strings, arrays and maps are borrowed from map. */
int msg_int(const json_t *map, const char *key, int64_t min, int64_t max, int64_t *out);
int msg_bool(const json_t *map, const char *key, bool *out);
int msg_str(const json_t *map, const char *key, size_t max_bytes, const char **out);
int msg_array(const json_t *map, const char *key, size_t max_items, const json_t **out);
int msg_map(const json_t *map, const char *key, const json_t **out);

/* Exactly digits lower-case hex digits. */
int msg_hex(const json_t *map, const char *key, size_t digits, const char **out);

/* One of words (NULL-terminated); *out is its index. */
int msg_word(const json_t *map, const char *key, const char *const *words, int *out);

/* The same with a value for what is absent or wrong: for bodies that passed message_check. */
int64_t msg_int_or(const json_t *map, const char *key, int64_t fallback);
bool msg_bool_or(const json_t *map, const char *key, bool fallback);
const char *msg_str_or(const json_t *map, const char *key, const char *fallback);
const json_t *msg_map_or_null(const json_t *map, const char *key);
const json_t *msg_array_or_null(const json_t *map, const char *key);

/* The type of a body, "SYNC"; "" when it has none. */
const char *msg_type(const json_t *body);

/* A new body {"v": 1, "t": type}; the caller's. */
json_t *msg_new(const char *type);

/* {"code", "text", "hint"}: hint may be NULL and becomes "". */
json_t *msg_error(const char *code, const char *text, const char *hint);

/* Set key to a string, or to nil for NULL. Text that is not UTF-8 is stored with '?' in it. */
void msg_set_str(json_t *map, const char *key, const char *text);
void msg_set_int(json_t *map, const char *key, int64_t value);
void msg_set_bool(json_t *map, const char *key, bool value);

/* Takes value. */
void msg_set(json_t *map, const char *key, json_t *value);

#endif
