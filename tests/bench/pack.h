#ifndef BENCH_PACK_H
#define BENCH_PACK_H

/*
 * pack - MessagePack bodies of the peers that make the load, without a tree in between
 */

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void pack_text(msgpack_packer *packer, const char *text);
void pack_key_text(msgpack_packer *packer, const char *key, const char *text);
void pack_key_int(msgpack_packer *packer, const char *key, int64_t value);
void pack_key_bool(msgpack_packer *packer, const char *key, bool value);
void pack_key_map(msgpack_packer *packer, const char *key, size_t count);
void pack_key_array(msgpack_packer *packer, const char *key, size_t count);

/* The value of a key of a map, NULL when there is none or map is none. */
const msgpack_object *pack_get(const msgpack_object *map, const char *key);

/* Its integer; otherwise when it is none. */
int64_t pack_int(const msgpack_object *map, const char *key, int64_t otherwise);

/* Is the value of the key this text? */
bool pack_is(const msgpack_object *map, const char *key, const char *text);

#endif
