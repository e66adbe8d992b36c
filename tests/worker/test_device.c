#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/device.h"

/* A machine of four cores with two threads each, numbered as Linux does: 0-3 and 4-7. */
static int make_machine(void **state)
{
    static hwloc_topology_t topology;
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(
        hwloc_topology_set_synthetic(topology, "pack:1 core:4 pu:2(indexes=0,4,1,5,2,6,3,7)"), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    *state = &topology;
    return 0;
}

static int end_machine(void **state)
{
    hwloc_topology_destroy(*(hwloc_topology_t *)*state);
    return 0;
}

static hwloc_topology_t machine(void **state)
{
    return *(hwloc_topology_t *)*state;
}

static void expect_list(void **state, const char *text, size_t count, const char *const *ids)
{
    struct device *list = NULL;
    size_t found = 0;
    char *error_text = NULL;
    assert_int_equal(device_expand(machine(state), NULL, text, &list, &found, &error_text), 0);
    assert_int_equal(found, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(list[i].id, ids[i]);
        assert_int_equal(list[i].kind, DEVICE_CPU);
    }
    device_list_free(&list, found);
    assert_null(list);
}

static void expect_outcome(void **state, const char *text, int outcome, const char *word)
{
    struct device *list = NULL;
    size_t count = 0;
    char *error_text = NULL;
    assert_int_equal(device_expand(machine(state), NULL, text, &list, &count, &error_text),
                     outcome);
    assert_non_null(error_text);
    if (!strstr(error_text, word)) {
        fail_msg("\"%s\" does not say \"%s\"", error_text, word);
    }
    assert_null(list);
    free(error_text);
}

static void expect_refused(void **state, const char *text, const char *word)
{
    expect_outcome(state, text, DEVICE_REFUSED, word);
}

static void a_gpu_that_is_not_there_may_come(void **state)
{
    expect_outcome(state, "gpu", DEVICE_ABSENT, "there is no GPU here");
    expect_outcome(state, "gpu:0,2", DEVICE_ABSENT, "gpu:0: there is no GPU here");
    expect_outcome(state, "pci:0000:65:00.0", DEVICE_ABSENT, "there is no such GPU");
}

static void the_default_is_every_cpu(void **state)
{
    const char *const ids[] = { "cpu:0-7" };
    expect_list(state, NULL, 1, ids);
    expect_list(state, "cpu", 1, ids);
}

static void shares_are_whole_cores(void **state)
{
    const char *const halves[] = { "cpu:0-1+4-5", "cpu:2-3+6-7" };
    expect_list(state, "cpu/2", 2, halves);
    const char *const thirds[] = { "cpu:0+4", "cpu:1+5", "cpu:2-3+6-7" };
    expect_list(state, "cpu/3", 3, thirds);
}

static void numbers_are_the_kernels(void **state)
{
    const char *const ids[] = { "cpu:0", "cpu:1-2", "cpu:3+7" };
    expect_list(state, "cpu:0,cpu:1-2,cpu:3+7", 3, ids);
}

static void the_same_cores_have_the_same_id(void **state)
{
    const char *const ids[] = { "cpu:0-3" };
    expect_list(state, "cpu:0+1+2+3", 1, ids);
    expect_list(state, "cpu:2-3+0-1", 1, ids);
}

static void what_cannot_be_is_refused(void **state)
{
    expect_refused(state, "cpu/5", "only 4 cores");
    expect_refused(state, "cpu:6-9", "cpu:0-7");
    expect_refused(state, "cpu:0,0", "twice");
    expect_refused(state, "toaster", "toaster");
}

static void one_worker_has_one_device(void **state)
{
    struct device device = { .id = NULL };
    char *error_text = NULL;
    assert_int_equal(device_find(machine(state), NULL, "cpu/2", &device, &error_text),
                     DEVICE_REFUSED);
    free(error_text);
    error_text = NULL;
    assert_int_equal(device_find(machine(state), NULL, "cpu:1-2", &device, &error_text), 0);
    assert_int_equal(device.threads, 2);
    assert_string_equal(device_kind_word(device.kind), "cpu");
    device_clear(&device);
    assert_int_equal(device_find(machine(state), NULL, "none", &device, &error_text), 0);
    assert_string_equal(device.id, "none");
    assert_string_equal(device_kind_word(device.kind), "none");
    device_clear(&device);
}

static void a_device_is_described_in_json(void **state)
{
    struct device device = { .id = NULL };
    char *error_text = NULL;
    assert_int_equal(device_find(machine(state), NULL, "cpu:1+6", &device, &error_text), 0);
    json_t *json = device_json(&device);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text,
                        "{\"device\":\"cpu:1+6\",\"id\":\"cpu:1+6\",\"kind\":\"cpu\",\"cpus\":"
                        "[1,6],\"threads\":2}");
    free(text);
    json_decref(json);
    device_clear(&device);
}

#define MACHINE(test) cmocka_unit_test_setup_teardown(test, make_machine, end_machine)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE(the_default_is_every_cpu),         MACHINE(shares_are_whole_cores),
        MACHINE(numbers_are_the_kernels),          MACHINE(the_same_cores_have_the_same_id),
        MACHINE(a_gpu_that_is_not_there_may_come), MACHINE(what_cannot_be_is_refused),
        MACHINE(one_worker_has_one_device),        MACHINE(a_device_is_described_in_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
