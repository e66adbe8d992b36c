#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/objects.h"
#include "broker/parked.h"
#include "broker/requests.h"
#include "proto/cleanup.h"
#include "proto/messages.h"

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

static void every_request_of_the_protocol_has_its_handler(void **state)
{
    (void)state;
    static const char *const types[] = { "HELLO",    "ATTEND", "SUBMIT", "LIST",   "SHOW",
                                         "FRAMES",   "LOG",    "OUTPUT", "WAIT",   "WORKERS",
                                         "PAUSE",    "RESUME", "CANCEL", "REMOVE", "RETRY",
                                         "PRIORITY", "ACCEPT", "CLEAR",  "DRAIN",  "REST",
                                         "STOP" };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const struct request_type *type = requests_find(types[i]);
        assert_non_null(type);
        assert_string_equal(type->type, types[i]);
        assert_non_null(type->handle);
    }
    assert_null(requests_find("READY"));
    assert_null(requests_find(""));
}

static void the_hash_is_of_the_content_and_not_of_its_order(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *one = parse("{\"a\": 1, \"b\": {\"x\": 1, \"y\": [1, 2]}}");
    CLEANUP(cleanup_json) json_t *same = parse("{\"b\": {\"y\": [1, 2], \"x\": 1}, \"a\": 1}");
    CLEANUP(cleanup_json) json_t *other = parse("{\"a\": 1, \"b\": {\"x\": 1, \"y\": [2, 1]}}");
    char hashes[3][REQUESTS_HASH_SIZE];
    requests_hash(one, hashes[0]);
    requests_hash(same, hashes[1]);
    requests_hash(other, hashes[2]);
    assert_string_equal(hashes[0], hashes[1]);
    assert_string_not_equal(hashes[0], hashes[2]);
    assert_int_equal(strlen(hashes[0]), 64);
}

static void nobody_waits_longer_than_is_allowed(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *body = json_object();
    const struct request_type *wait = requests_find("WAIT");
    assert_int_equal(requests_wait_ms(wait, body), 0);
    msg_set_int(body, "wait_ms", 500);
    assert_int_equal(requests_wait_ms(wait, body), 500);
    msg_set_int(body, "wait_ms", 3600000);
    assert_int_equal(requests_wait_ms(wait, body), 10000);
    assert_int_equal(requests_wait_ms(requests_find("ATTEND"), body), 1000);
}

static void a_new_request_of_a_peer_replaces_what_it_parked(void **state)
{
    (void)state;
    CLEANUP(parked_destroy) parked_t *parked = parked_new();
    for (uint8_t i = 0; i < 40; i++) {
        struct parked_request request = {
            .address = { .peer = { 0, 0, 0, 0, i % 20 } },
            .body = json_object(),
            .due_ms = 1000 - i,
        };
        parked_drop(parked, NULL, &request.address);
        parked_add(parked, &request);
    }
    assert_int_equal(parked_count(parked), 20);
    assert_int_equal(parked_deadline(parked), 961);
    while (parked_count(parked) > 0) {
        parked_remove(parked, 0);
    }
    assert_true(parked_deadline(parked) == INT64_MAX);
}

static void a_page_takes_no_more_than_an_answer_holds(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *list = json_array();
    struct objects_page page = { 0 };
    char text[4001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    size_t count = 0;
    while (objects_page_add(&page, list, json_pack("{s:s}", "text", text))) {
        count++;
        assert_true(count < 3000);
    }
    assert_int_equal(json_array_size(list), count);
    assert_in_range(count, 500, 2000);

    CLEANUP(cleanup_json) json_t *one = json_array();
    struct objects_page fresh = { 0 };
    json_t *huge = json_array();
    for (int i = 0; i < 200000; i++) {
        json_array_append_new(huge, json_integer(i));
    }
    assert_true(objects_page_add(&fresh, one, huge)); /* or nobody would ever see it */
}

static void what_is_not_known_is_null(void **state)
{
    (void)state;
    struct frame_row row = { .job = 1, .frame = -5, .ms = -1, .bytes = -1 };
    CLEANUP(cleanup_json) json_t *frame = objects_frame(&row, NULL);
    CLEANUP(cleanup_json)
    json_t *expected = parse(
        "{\"type\": \"frame\", \"job\": 1, \"frame\": -5, "
        "\"state\": \"waiting\", \"attempts\": 0, \"worker\": null, "
        "\"ms\": null, \"files\": null, \"error\": null}");
    assert_true(json_equal(frame, expected));

    struct store_event event = { .id = 3, .at_ms = 1, .event = "x", .frame = EVENT_NO_FRAME };
    CLEANUP(cleanup_json) json_t *shown = objects_event(&event);
    CLEANUP(cleanup_json)
    json_t *wanted = parse(
        "{\"type\": \"event\", \"time\": \"1970-01-01T00:00:00.001Z\", "
        "\"event\": \"x\", \"job\": null, \"frame\": null, "
        "\"worker\": null, \"text\": null, \"id\": 3}");
    assert_true(json_equal(shown, wanted));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_of_the_protocol_has_its_handler),
        cmocka_unit_test(the_hash_is_of_the_content_and_not_of_its_order),
        cmocka_unit_test(nobody_waits_longer_than_is_allowed),
        cmocka_unit_test(a_new_request_of_a_peer_replaces_what_it_parked),
        cmocka_unit_test(a_page_takes_no_more_than_an_answer_holds),
        cmocka_unit_test(what_is_not_known_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
