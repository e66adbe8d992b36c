#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/json_wire.h"

#define CHECK(bytes) wire_check(bytes, sizeof(bytes) - 1, &wire_worker_limits)

static void a_small_map_passes(void **state)
{
    (void)state;
    assert_int_equal(CHECK("\x80"), WIRE_OK);
    assert_int_equal(CHECK("\x82\xa1v\x01\xa1t\xa4SYNC"), WIRE_OK);
}

static void what_is_no_map_is_refused(void **state)
{
    (void)state;
    assert_int_equal(CHECK("\x90"), WIRE_NOT_A_MAP);
    assert_int_equal(CHECK("\x01"), WIRE_NOT_A_MAP);
    assert_int_equal(CHECK("\xc1"), WIRE_NOT_A_MAP);
    assert_int_equal(CHECK(""), WIRE_TRUNCATED);
}

static void bytes_after_the_map_are_refused(void **state)
{
    (void)state;
    assert_int_equal(CHECK("\x80\x80"), WIRE_TRAILING);
    assert_int_equal(CHECK("\x81\xa1k\x01\xc0"), WIRE_TRAILING);
}

static void a_declared_count_over_the_bytes_left_is_refused(void **state)
{
    (void)state;
    assert_int_equal(CHECK("\x81\xa1k\xdd\xff\xff\xff\xff"), WIRE_TRUNCATED);
    assert_int_equal(CHECK("\x81\xa1k\xdd\x10\x00\x00\x00"), WIRE_TRUNCATED);
    assert_int_equal(CHECK("\xdf\xff\xff\xff\xff"), WIRE_TRUNCATED);
    assert_int_equal(CHECK("\x81\xa1k\x92\x01"), WIRE_TRUNCATED);
    assert_int_equal(CHECK("\x81\xa1k\xa5"
                           "ab"),
                     WIRE_TRUNCATED);
}

static void every_cut_of_a_message_is_refused(void **state)
{
    (void)state;
    static const char bytes[] =
        "\x83\xa1"
        "a\xcd\x12\x34\xa1"
        "b\x93\xd9\x02hi\xcb\x3f\xf0\0\0\0\0\0\0"
        "\xde\x00\x01\xa1x\xc3\xa1"
        "c\xd3\xff\xff\xff\xff\xff\xff\xff\x00";
    size_t size = sizeof bytes - 1;
    assert_int_equal(wire_check(bytes, size, &wire_worker_limits), WIRE_OK);
    for (size_t cut = 0; cut < size; cut++) {
        char *exact = alloc_bytes(bytes, cut); /* of its own, so that ASan sees a read too far */
        assert_int_equal(wire_check(exact, cut, &wire_worker_limits), WIRE_TRUNCATED);
        free(exact);
    }
}

static void nesting_ends_at_eight(void **state)
{
    (void)state;
    assert_int_equal(CHECK("\x81\xa1k\x91\x91\x91\x91\x91\x91\x90"), WIRE_OK);
    assert_int_equal(CHECK("\x81\xa1k\x91\x91\x91\x91\x91\x91\x91\x90"), WIRE_DEEP);
}

static void binary_extension_and_the_unused_byte_are_refused(void **state)
{
    (void)state;
    assert_int_equal(CHECK("\x81\xa1k\xc4\x01x"), WIRE_TYPE);
    assert_int_equal(CHECK("\x81\xa1k\xd4\x01x"), WIRE_TYPE);
    assert_int_equal(CHECK("\x81\xa1k\xc7\x01\x01x"), WIRE_TYPE);
    assert_int_equal(CHECK("\x81\xa1k\xc1"), WIRE_TYPE);
}

static void keys_are_unique_short_strings(void **state)
{
    (void)state;
    assert_int_equal(CHECK("\x81\x01\x01"), WIRE_KEY);
    assert_int_equal(CHECK("\x81\xa0\x01"), WIRE_KEY);
    assert_int_equal(CHECK("\x81\x90\x01"), WIRE_KEY);
    assert_int_equal(CHECK("\x82\xa1k\x01\xa1k\x02"), WIRE_DUPLICATE);
    assert_int_equal(CHECK("\x82\xa1k\x01\xd9\x01k\x02"), WIRE_DUPLICATE);
    assert_int_equal(CHECK("\x82\xa1"
                           "a\x81\xa1"
                           "a\x01\xa1"
                           "b\x81\xa1"
                           "a\x01"),
                     WIRE_OK);
    char key[70] = "\x81\xd9\x41";
    memset(key + 3, 'k', 65);
    assert_int_equal(wire_check(key, 69, &wire_worker_limits), WIRE_KEY);
}

static void a_duplicate_in_an_outer_map_is_found_after_an_inner_one(void **state)
{
    (void)state;
    assert_int_equal(CHECK("\x83\xa1"
                           "a\x81\xa1"
                           "b\x01\xa1"
                           "b\x01\xa1"
                           "a\x02"),
                     WIRE_DUPLICATE);
}

static void text_is_utf_8_without_nul(void **state)
{
    (void)state;
    assert_int_equal(CHECK("\x81\xa1k\xa4\xf0\x9f\x90\x92"), WIRE_OK);
    assert_int_equal(CHECK("\x81\xa1k\xa3"
                           "a\0b"),
                     WIRE_TEXT);
    assert_int_equal(CHECK("\x81\xa1k\xa1\xff"), WIRE_TEXT);
    assert_int_equal(CHECK("\x81\xa1k\xa2\xc0\xaf"), WIRE_TEXT);         /* overlong */
    assert_int_equal(CHECK("\x81\xa1k\xa3\xe0\x80\xaf"), WIRE_TEXT);     /* overlong */
    assert_int_equal(CHECK("\x81\xa1k\xa4\xf0\x8f\xbf\xbf"), WIRE_TEXT); /* overlong */
    assert_int_equal(CHECK("\x81\xa1k\xa3\xed\xa0\x80"), WIRE_TEXT);     /* surrogate */
    assert_int_equal(CHECK("\x81\xa1k\xa4\xf4\x90\x80\x80"), WIRE_TEXT); /* over U+10FFFF */
    assert_int_equal(CHECK("\x81\xa1k\xa2\xe2\x82"), WIRE_TEXT);         /* cut */
}

static void integers_are_those_of_int64(void **state)
{
    (void)state;
    assert_int_equal(CHECK("\x81\xa1k\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), WIRE_OK);
    assert_int_equal(CHECK("\x81\xa1k\xcf\x80\0\0\0\0\0\0\0"), WIRE_INTEGER);
    assert_int_equal(CHECK("\x81\xa1k\xd3\x80\0\0\0\0\0\0\0"), WIRE_OK);
}

static void floats_are_finite(void **state)
{
    (void)state;
    assert_int_equal(CHECK("\x81\xa1k\xca\x3f\x80\0\0"), WIRE_OK);
    assert_int_equal(CHECK("\x81\xa1k\xca\x7f\x80\0\0"), WIRE_FLOAT);
    assert_int_equal(CHECK("\x81\xa1k\xcb\x7f\xf8\0\0\0\0\0\0"), WIRE_FLOAT);
    assert_int_equal(CHECK("\x81\xa1k\xcb\xff\xf0\0\0\0\0\0\0"), WIRE_FLOAT);
}

static void a_string_over_the_limit_is_refused(void **state)
{
    (void)state;
    char *bytes = alloc_zero(5000, 1);
    static const char head[6] = { '\x81', '\xa1', 'k', '\xda', 0x10, 0 };
    memcpy(bytes, head, sizeof head);
    memset(bytes + 6, 'x', 4097);
    assert_int_equal(wire_check(bytes, 6 + 4096, &wire_worker_limits), WIRE_OK);
    bytes[5] = 1;
    assert_int_equal(wire_check(bytes, 6 + 4097, &wire_worker_limits), WIRE_LONG);
    free(bytes);
}

/* {"k": [nil, nil, ...]} of so many values in all */
static int check_values(size_t values)
{
    size_t nils = values - 3;
    char *bytes = alloc_zero(nils + 8, 1);
    memcpy(bytes, "\x81\xa1k\xdd", 4);
    bytes[4] = 0;
    bytes[5] = (char)(nils >> 16);
    bytes[6] = (char)(nils >> 8);
    bytes[7] = (char)nils;
    memset(bytes + 8, 0xc0, nils);
    int rc = wire_check(bytes, nils + 8, &wire_worker_limits);
    free(bytes);
    return rc;
}

static void values_are_counted(void **state)
{
    (void)state;
    assert_int_equal(check_values(WIRE_VALUES), WIRE_OK);
    assert_int_equal(check_values(WIRE_VALUES + 1), WIRE_MANY);
    assert_int_equal(check_values(WIRE_WORKER_BYTES - 8), WIRE_MANY);
}

static void bytes_are_counted(void **state)
{
    (void)state;
    char *bytes = alloc_zero(WIRE_WORKER_BYTES + 1, 1);
    bytes[0] = (char)0x80;
    assert_int_equal(wire_check(bytes, WIRE_WORKER_BYTES + 1, &wire_worker_limits), WIRE_TOO_LARGE);
    assert_int_equal(wire_check(bytes, WIRE_WORKER_BYTES + 1, &wire_submitter_limits),
                     WIRE_TRAILING);
    free(bytes);
}

static void a_map_has_at_most_256_keys(void **state)
{
    (void)state;
    json_t *map = json_object();
    for (int i = 0; i < WIRE_MAP_KEYS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key%d", i);
        json_object_set_new(map, key, json_integer(i));
    }
    void *data = NULL;
    size_t size = 0;
    assert_int_equal(wire_encode(map, &data, &size), 0);
    assert_int_equal(wire_check(data, size, &wire_worker_limits), WIRE_OK);
    free(data);
    json_object_set_new(map, "one-more", json_null());
    assert_int_equal(wire_encode(map, &data, &size), 0);
    assert_int_equal(wire_check(data, size, &wire_worker_limits), WIRE_MANY);
    free(data);
    json_decref(map);
}

static void what_is_encoded_is_decoded_to_the_same(void **state)
{
    (void)state;
    static const char text[] =
        "{\"v\":1,\"t\":\"X\",\"n\":[0,-1,127,128,-32,-33,255,256,65535,65536,4294967296,"
        "9223372036854775807,-9223372036854775808],\"f\":0.5,\"y\":true,\"z\":false,\"o\":null,"
        "\"e\":{},\"a\":[],\"s\":\"\\u00f1\\u00f8\",\"long\":"
        "\"0123456789012345678901234567890123\"}";
    json_t *body = json_loads(text, 0, NULL);
    assert_non_null(body);
    void *data = NULL;
    size_t size = 0;
    assert_int_equal(wire_encode(body, &data, &size), 0);
    json_t *back = NULL;
    assert_int_equal(wire_decode(data, size, &wire_worker_limits, &back), WIRE_OK);
    assert_true(json_equal(body, back));
    char *dumped = json_dumps(back, JSON_COMPACT);
    char *wanted = json_dumps(body, JSON_COMPACT);
    assert_string_equal(dumped, wanted); /* the order of keys too */
    free(dumped);
    free(wanted);
    free(data);
    json_decref(body);
    json_decref(back);
}

static void integers_take_their_shortest_form(void **state)
{
    (void)state;
    json_t *body = json_pack("{s:i,s:i,s:I}", "a", 5, "b", 200, "c", (json_int_t)1 << 33);
    void *data = NULL;
    size_t size = 0;
    assert_int_equal(wire_encode(body, &data, &size), 0);
    static const char wanted[] =
        "\x83\xa1"
        "a\x05\xa1"
        "b\xcc\xc8\xa1"
        "c\xcf\0\0\0\x02\0\0\0\0";
    assert_int_equal(size, sizeof wanted - 1);
    assert_memory_equal(data, wanted, size);
    free(data);
    json_decref(body);
}

static void a_body_may_be_as_large_as_the_limit(void **state)
{
    (void)state;
    static const char body[] = "\x81\xa1k\xa3xyz";
    struct wire_limits limits = wire_worker_limits;
    limits.body_bytes = sizeof body - 1;
    assert_int_equal(wire_check(body, sizeof body - 1, &limits), WIRE_OK);
    limits.body_bytes--;
    assert_int_equal(wire_check(body, sizeof body - 1, &limits), WIRE_TOO_LARGE);
}

static void only_maps_of_a_sane_depth_are_encoded(void **state)
{
    (void)state;
    void *data = NULL;
    size_t size = 0;
    json_t *array = json_array();
    assert_int_equal(wire_encode(array, &data, &size), -EINVAL);
    assert_int_equal(wire_encode(NULL, &data, &size), -EINVAL);
    json_decref(array);
    json_t *deep = json_object();
    for (int i = 0; i < WIRE_DEPTH; i++) {
        deep = json_pack("{s:o}", "k", deep);
    }
    assert_int_equal(wire_encode(deep, &data, &size), -E2BIG);
    json_decref(deep);
    deep = json_array();
    for (int i = 0; i < WIRE_DEPTH - 1; i++) {
        deep = json_pack("[o]", deep);
    }
    deep = json_pack("{s:o}", "k", deep);
    assert_int_equal(wire_encode(deep, &data, &size), -E2BIG);
    json_decref(deep);
    assert_null(data);
}

static void random_bytes_never_pass_the_scan_and_fail_the_decoder(void **state)
{
    (void)state;
    uint32_t seed = 12345;
    unsigned passed = 0;
    for (int round = 0; round < 200000; round++) {
        uint8_t bytes[24];
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(seed >> 24);
        }
        static const uint8_t likely[] = { 0x81, 0xa1, 'k', 0x93, 0xa1, 'j', 0xc0, 0x82 };
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = bytes[i] & 1 ? likely[(bytes[i] >> 1) % sizeof likely] : bytes[i];
        }
        bytes[0] = 0x81;
        size_t size = 2 + (seed >> 8) % (sizeof bytes - 2);
        json_t *out = NULL;
        if (wire_decode(bytes, size, &wire_worker_limits, &out) == WIRE_OK) {
            passed++;
            assert_true(json_is_object(out));
            json_decref(out);
        }
    }
    assert_true(passed > 0);
}

/* A text of that size, all 'a' but for the bytes at one place. */
static int check_text(size_t size, size_t at, const char *bytes)
{
    uint8_t body[4 + 31] = { 0x81, 0xa1, 'k', (uint8_t)(0xa0 | size) };
    memset(body + 4, 'a', size);
    size_t count = bytes[0] ? strlen(bytes) : 1; /* "": a NUL */
    for (size_t i = 0; i < count; i++) {
        body[4 + at + i] = (uint8_t)bytes[i];
    }
    return wire_check(body, 4 + size, &wire_worker_limits);
}

static void each_byte_of_a_text_is_looked_at(void **state)
{
    (void)state;
    for (size_t size = 1; size < 30; size++) {
        for (size_t at = 0; at < size; at++) {
            assert_int_equal(check_text(size, at, "b"), WIRE_OK);
            assert_int_equal(check_text(size, at, ""), WIRE_TEXT); /* NUL */
            assert_int_equal(check_text(size, at, "\x80"), WIRE_TEXT);
            assert_int_equal(check_text(size, at, "\xff"), WIRE_TEXT);
            if (at + 2 <= size) {
                assert_int_equal(check_text(size, at, "\xc3\xa9"), WIRE_OK);
            }
        }
    }
}

static void every_outcome_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(wire_outcome_name(WIRE_OK), "ok");
    assert_string_equal(wire_outcome_name(WIRE_DUPLICATE), "duplicate-key");
    assert_string_equal(wire_outcome_name(WIRE_FLOAT), "bad-float");
    assert_string_equal(wire_outcome_name(-1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_map_passes),
        cmocka_unit_test(what_is_no_map_is_refused),
        cmocka_unit_test(bytes_after_the_map_are_refused),
        cmocka_unit_test(a_declared_count_over_the_bytes_left_is_refused),
        cmocka_unit_test(every_cut_of_a_message_is_refused),
        cmocka_unit_test(nesting_ends_at_eight),
        cmocka_unit_test(binary_extension_and_the_unused_byte_are_refused),
        cmocka_unit_test(keys_are_unique_short_strings),
        cmocka_unit_test(a_duplicate_in_an_outer_map_is_found_after_an_inner_one),
        cmocka_unit_test(text_is_utf_8_without_nul),
        cmocka_unit_test(integers_are_those_of_int64),
        cmocka_unit_test(floats_are_finite),
        cmocka_unit_test(a_string_over_the_limit_is_refused),
        cmocka_unit_test(values_are_counted),
        cmocka_unit_test(bytes_are_counted),
        cmocka_unit_test(a_map_has_at_most_256_keys),
        cmocka_unit_test(what_is_encoded_is_decoded_to_the_same),
        cmocka_unit_test(integers_take_their_shortest_form),
        cmocka_unit_test(a_body_may_be_as_large_as_the_limit),
        cmocka_unit_test(only_maps_of_a_sane_depth_are_encoded),
        cmocka_unit_test(random_bytes_never_pass_the_scan_and_fail_the_decoder),
        cmocka_unit_test(each_byte_of_a_text_is_looked_at),
        cmocka_unit_test(every_outcome_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
