#include "tests/bench/pack.h"

#include <string.h>

void pack_text(msgpack_packer *packer, const char *text)
{
    size_t size = strlen(text);
    (void)msgpack_pack_str(packer, size); /* a growing buffer: fails for want of memory only */
    (void)msgpack_pack_str_body(packer, text, size);
}

void pack_key_text(msgpack_packer *packer, const char *key, const char *text)
{
    pack_text(packer, key);
    pack_text(packer, text);
}

void pack_key_int(msgpack_packer *packer, const char *key, int64_t value)
{
    pack_text(packer, key);
    (void)msgpack_pack_int64(packer, value);
}

void pack_key_bool(msgpack_packer *packer, const char *key, bool value)
{
    pack_text(packer, key);
    (void)(value ? msgpack_pack_true(packer) : msgpack_pack_false(packer));
}

void pack_key_map(msgpack_packer *packer, const char *key, size_t count)
{
    pack_text(packer, key);
    (void)msgpack_pack_map(packer, count);
}

void pack_key_array(msgpack_packer *packer, const char *key, size_t count)
{
    pack_text(packer, key);
    (void)msgpack_pack_array(packer, count);
}

static bool same(const msgpack_object *object, const char *text)
{
    size_t size = strlen(text);
    return object->type == MSGPACK_OBJECT_STR && object->via.str.size == size &&
           memcmp(object->via.str.ptr, text, size) == 0;
}

const msgpack_object *pack_get(const msgpack_object *map, const char *key)
{
    if (!map || map->type != MSGPACK_OBJECT_MAP) {
        return NULL;
    }
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        if (same(&map->via.map.ptr[i].key, key)) {
            return &map->via.map.ptr[i].val;
        }
    }
    return NULL;
}

int64_t pack_int(const msgpack_object *map, const char *key, int64_t otherwise)
{
    const msgpack_object *value = pack_get(map, key);
    if (!value || (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER &&
                   value->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)) {
        return otherwise;
    }
    return value->via.i64;
}

bool pack_is(const msgpack_object *map, const char *key, const char *text)
{
    const msgpack_object *value = pack_get(map, key);
    return value && same(value, text);
}
