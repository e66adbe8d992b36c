#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/cleanup.h"
#include "tests/worker/made_cards.h"
#include "worker/cycles.h"

static const struct device_types anything = { .count = 0 };

static struct device_types types_of(const char *text)
{
    struct device_types types;
    char *error_text = NULL;
    assert_int_equal(device_types_parse(text, &types, &error_text), 0);
    return types;
}

static void expect_types(const struct device *device, const char *prefer, const char *expected)
{
    const struct device_types wish = prefer ? types_of(prefer) : anything;
    json_t *list = cycles_types_json(device, &wish);
    CLEANUP(cleanup_free) char *text = json_dumps(list, JSON_COMPACT);
    assert_string_equal(text, expected);
    json_decref(list);
}

static json_t *request_of(const struct device *device, const char *worker, const char *options)
{
    const struct device_types wish = worker ? types_of(worker) : anything;
    CLEANUP(cleanup_json) json_t *given = json_loads(options, 0, NULL);
    assert_non_null(given);
    return cycles_request(device, &wish, given);
}

static void expect_request(const struct device *device, const char *worker, const char *options,
                           const char *expected)
{
    CLEANUP(cleanup_json) json_t *request = request_of(device, worker, options);
    CLEANUP(cleanup_json) json_t *wanted = json_loads(expected, 0, NULL);
    CLEANUP(cleanup_free) char *is = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
    CLEANUP(cleanup_free) char *should = json_dumps(wanted, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(is, should);
}

/* Is an answer to the request of this device as it should be? NULL: it is; else the words. */
static void expect_verdict(const struct device *device, const char *options, const char *answer,
                           const char *words)
{
    CLEANUP(cleanup_json) json_t *request = request_of(device, NULL, options);
    CLEANUP(cleanup_json) json_t *given = answer ? json_loads(answer, 0, NULL) : NULL;
    CLEANUP(cleanup_free) char *text = NULL;
    assert_true(!answer || given);
    assert_int_equal(cycles_check(request, given, &text), words ? CYCLES_OTHER : CYCLES_OK);
    if (words) {
        assert_non_null(strstr(text, words));
    }
}

#define USED(type, rest) "{\"cycles\": true, \"type\": \"" type "\", \"used\": [" rest "]}"
#define ONE(type, place)                                                                           \
    "{\"id\": \"" type "_x_" place "\", \"type\": \"" type "\", \"pci\": \"" place "\"}"
#define CPU "{\"id\": \"CPU\", \"type\": \"CPU\", \"pci\": \"\"}"

static void the_types_are_those_of_every_card(void **state)
{
    (void)state;
    struct device device = made_device(&made_nvidia[0], NULL);
    expect_types(&device, NULL, "[\"OPTIX\",\"CUDA\"]");
    expect_types(&device, "cuda,hip,optix", "[\"CUDA\",\"OPTIX\"]");
    expect_types(&device, "hip", "[]");
    device = made_device(&made_nvidia[0], &made_old);
    expect_types(&device, NULL, "[\"CUDA\"]");
    device = made_device(&made_amd[0], NULL);
    expect_types(&device, NULL, "[\"HIP\"]");
    device = made_device(NULL, NULL);
    expect_types(&device, NULL, "[]");
    expect_types(&device, "cuda", "[]");
}

static void a_gpu_is_asked_for_by_its_address(void **state)
{
    (void)state;
    struct device device = made_device(&made_nvidia[1], NULL);
    expect_request(&device, NULL, "{}",
                   "{\"kind\": \"gpu\", \"types\": [\"OPTIX\", \"CUDA\"], \"cpu\": false,"
                   " \"pci\": [\"0000:c1:00.0\"], \"allow_cpu\": false}");
    device = made_device(&made_nvidia[0], &made_nvidia[1]);
    device.with_cpu = true;
    expect_request(&device, "cuda", "{\"allow_cpu\": true}",
                   "{\"kind\": \"gpu\", \"types\": [\"CUDA\"], \"cpu\": true,"
                   " \"pci\": [\"0000:01:00.0\", \"0000:c1:00.0\"], \"allow_cpu\": true}");
    device = made_device(NULL, NULL);
    expect_request(&device, NULL, "{\"device_type\": \"cuda\"}",
                   "{\"kind\": \"cpu\", \"types\": [], \"cpu\": false, \"pci\": [],"
                   " \"allow_cpu\": false}");
}

static void the_job_orders_what_the_worker_allows(void **state)
{
    (void)state;
    const struct device device = made_device(&made_nvidia[0], NULL);
    CLEANUP(cleanup_json)
    json_t *both = request_of(&device, NULL, "{\"device_type\": \"cuda,optix\"}");
    assert_string_equal(json_string_value(json_array_get(json_object_get(both, "types"), 0)),
                        "CUDA");
    CLEANUP(cleanup_json) json_t *one = request_of(&device, "optix", "{\"device_type\": \"cuda\"}");
    assert_int_equal(json_array_size(json_object_get(one, "types")), 0);
    CLEANUP(cleanup_json) json_t *odd = request_of(&device, NULL, "{\"device_type\": \"magic\"}");
    assert_int_equal(json_array_size(json_object_get(odd, "types")), 2);
}

static void exactly_the_cards_asked_for_are_right(void **state)
{
    (void)state;
    struct device device = made_device(&made_nvidia[1], NULL);
    expect_verdict(&device, "{}", USED("OPTIX", ONE("OPTIX", "0000:c1:00")), NULL);
    expect_verdict(&device, "{}", USED("CUDA", ONE("CUDA", "0000:C1:00.0")), NULL);
    expect_verdict(&device, "{}", USED("OPTIX", ONE("OPTIX", "0000:01:00")), "OPTIX_x_0000:01:00");
    expect_verdict(&device, "{}", USED("OPTIX", ONE("OPTIX", "0000:c1:00.1")),
                   "this worker is gpu");
    expect_verdict(&device, "{}", USED("OPTIX", ONE("CUDA", "0000:c1:00")), "Cycles says");
    expect_verdict(&device, "{}", USED("HIP", ONE("HIP", "0000:c1:00")), "HIP");
    expect_verdict(&device, "{}", USED("OPTIX", ONE("OPTIX", "")), "Cycles says");
    expect_verdict(&device, "{}",
                   USED("OPTIX", ONE("OPTIX", "0000:c1:00") "," ONE("OPTIX", "0000:01:00")),
                   "0000:01:00");
    device = made_device(&made_nvidia[0], &made_nvidia[1]);
    expect_verdict(&device, "{}",
                   USED("OPTIX", ONE("OPTIX", "0000:c1:00") "," ONE("OPTIX", "0000:01:00")), NULL);
    expect_verdict(&device, "{}", USED("OPTIX", ONE("OPTIX", "0000:c1:00")), "0000:01:00.0");
    device = made_device(&made_intel, NULL);
    expect_verdict(&device, "{}", USED("ONEAPI", ONE("ONEAPI", "")), NULL);
    expect_verdict(&device, "{}", USED("ONEAPI", ONE("ONEAPI", "") "," ONE("ONEAPI", "")),
                   "ONEAPI");
}

static void the_cpu_only_where_it_was_wished(void **state)
{
    (void)state;
    struct device device = made_device(&made_nvidia[0], NULL);
    expect_verdict(&device, "{}", USED("NONE", CPU), "NONE (CPU)");
    expect_verdict(&device, "{\"allow_cpu\": true}", USED("NONE", CPU), NULL);
    expect_verdict(&device, "{}", USED("OPTIX", ONE("OPTIX", "0000:01:00") "," CPU), "CPU");
    device.with_cpu = true;
    expect_verdict(&device, "{}", USED("OPTIX", ONE("OPTIX", "0000:01:00") "," CPU), NULL);
    expect_verdict(&device, "{}", USED("OPTIX", ONE("OPTIX", "0000:01:00")), "Cycles says");
    device = made_device(NULL, NULL);
    expect_verdict(&device, "{}", USED("NONE", CPU), NULL);
    expect_verdict(&device, "{}", USED("CUDA", ONE("CUDA", "0000:01:00")), "this worker is cpu");
}

static void what_says_nothing_is_not_believed(void **state)
{
    (void)state;
    const struct device device = made_device(&made_nvidia[0], NULL);
    expect_verdict(&device, "{}", NULL, "nothing");
    expect_verdict(&device, "{}", "{}", "nothing");
    expect_verdict(&device, "{}", "{\"type\": 7, \"used\": 9}", "nothing");
    expect_verdict(&device, "{}", USED("OPTIX", "1, {}"), "OPTIX");
    expect_verdict(&device, "{}", "{\"cycles\": false, \"type\": \"NONE\", \"used\": []}", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_types_are_those_of_every_card),
        cmocka_unit_test(a_gpu_is_asked_for_by_its_address),
        cmocka_unit_test(the_job_orders_what_the_worker_allows),
        cmocka_unit_test(exactly_the_cards_asked_for_are_right),
        cmocka_unit_test(the_cpu_only_where_it_was_wished),
        cmocka_unit_test(what_says_nothing_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
