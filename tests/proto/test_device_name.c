#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/device_name.h"

static void becomes(const char *text, const char *wanted)
{
    struct device_spec spec = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(device_name_parse(text, &spec, &error), DEVICE_NAME_OK);
    CLEANUP(cleanup_free) char *back = device_name_format(&spec);
    assert_string_equal(back, wanted);
    device_name_clear(&spec);
    device_name_clear(&spec);
}

static void a_device_has_one_text(void **state)
{
    (void)state;
    becomes("none", "none");
    becomes("cpu", "cpu");
    becomes("gpu", "gpu");
    becomes("cpu:3", "cpu:3");
    becomes("cpu:0-3", "cpu:0-3");
    becomes("cpu:8-9+0-1", "cpu:0-1+8-9");
    becomes("cpu:0-1+2-3", "cpu:0-3");
    becomes("cpu:0-1+1+3+5", "cpu:0-1+3+5");
    becomes("cpu:0+2+4", "cpu:0+2+4");
    becomes("cpu:7-9+1+1", "cpu:1+7-9"); /* merging splits these otherwise: 1-7x6, 8-9 */
    becomes("gpu:0", "gpu:0");
    becomes("gpu:3+0+1", "gpu:0+1+3");
    becomes("GPU-1a2b3c4d-0000-1111-2222-333344445555", "GPU-1a2b3c4d-0000-1111-2222-333344445555");
    becomes("pci:0000:65:00.0", "pci:0000:65:00.0");
    becomes("pci:0000:AB:00.0", "pci:0000:ab:00.0");
    becomes("pci:65:00.0", "pci:0000:65:00.0");
    becomes("pci:65:00.0+66:00.0", "pci:0000:65:00.0+pci:0000:66:00.0");
    becomes("GPU-a+GPU-b", "GPU-a+GPU-b");
    becomes("gpu+cpu", "gpu+cpu");
    becomes("gpu:3+0+cpu", "gpu:0+3+cpu");
    becomes("pci:65:00.0+cpu", "pci:0000:65:00.0+cpu");
    becomes("MIG-a+cpu", "MIG-a+cpu");
}

static void refuses(const char *text, const char *words)
{
    struct device_spec spec = { 0 };
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(device_name_parse(text, &spec, &error), DEVICE_NAME_WRONG);
    assert_non_null(strstr(error, words));
    assert_null(spec.names);
    assert_null(spec.numbers.items);
}

static void what_is_no_device_is_said_why(void **state)
{
    (void)state;
    refuses("", "is no device");
    refuses("CPU", "is no device");
    refuses("a\n\tb", "\"a??b\" is no device");
    refuses("cpu:", "CPU numbers");
    refuses("cpu:3-1", "end before they begin");
    refuses("cpu:0-", "CPU numbers");
    refuses("cpu:0+", "CPU numbers");
    refuses("cpu:9999", "CPU numbers");
    refuses("cpu:-1", "CPU numbers");
    refuses("cpu:0,1", "CPU numbers");
    refuses("cpu/2", "several devices");
    refuses("cpu/0", "number of workers");
    refuses("cpu/", "number of workers");
    refuses("gpu:", "GPU numbers");
    refuses("gpu:0-1", "GPU numbers");
    refuses("gpu/2", "is no device");
    refuses("cpu+cpu", "is no device");
    refuses("gpu:0+cpu+1", "GPU numbers");
    refuses("gpu:0+cpu+cpu", "GPU numbers");
    refuses("GPU-", "UUID");
    refuses("GPU-a b", "UUID");
    refuses("pci:", "PCI");
    refuses("pci:0000:65:00", "PCI");
    refuses("pci:0000:65:00.8", "PCI");
    refuses("pci:zz:65:00.0", "PCI");
    refuses("GPU-a+65:00.0", "PCI");
    refuses("0", "is no device");
}

static void list_is(const char *text, const char *wanted)
{
    struct device_spec *list = NULL;
    size_t count = 0;
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(device_name_parse_list(text, &list, &count, &error), DEVICE_NAME_OK);
    CLEANUP(cleanup_free) char *all = alloc_text("");
    for (size_t i = 0; i < count; i++) {
        CLEANUP(cleanup_free) char *one = device_name_format(&list[i]);
        char *more = alloc_format("%s%s%s", all, i ? " " : "", one);
        free(all);
        all = more;
    }
    assert_string_equal(all, wanted);
    device_name_list_free(&list, count);
    assert_null(list);
}

static void commas_separate_devices(void **state)
{
    (void)state;
    list_is("cpu", "cpu");
    list_is("cpu/2", "cpu/2");
    list_is("gpu, cpu", "gpu cpu");
    list_is("cpu:0-1,cpu:2-3", "cpu:0-1 cpu:2-3");
    list_is("pci:65:00.0,GPU-a", "pci:0000:65:00.0 GPU-a");
}

static void digits_alone_go_on_with_the_prefix_before(void **state)
{
    (void)state;
    list_is("gpu:0,2", "gpu:0 gpu:2");
    list_is("cpu:0,1", "cpu:0 cpu:1");
    list_is("gpu:0+1,2,3,cpu:0,4", "gpu:0+1 gpu:2 gpu:3 cpu:0 cpu:4");
}

static void list_refuses(const char *text, const char *words)
{
    struct device_spec *list = NULL;
    size_t count = 0;
    CLEANUP(cleanup_free) char *error = NULL;
    assert_int_equal(device_name_parse_list(text, &list, &count, &error), DEVICE_NAME_WRONG);
    assert_non_null(strstr(error, words));
    assert_null(list);
}

static void a_wrong_list_names_the_wrong_item(void **state)
{
    (void)state;
    list_refuses("", "missing beside a comma");
    list_refuses("cpu,", "missing beside a comma");
    list_refuses("0", "\"0\" is a number without");
    list_refuses("cpu,1", "\"1\" is a number without");
    list_refuses("cpu/2,1", "\"1\" is a number without");
    list_refuses("GPU-a,1", "\"1\" is a number without");
    list_refuses("cpu:0-1,2-3", "\"2-3\" is no device");
    list_refuses("gpu:0,none", "one worker");
}

static void a_list_has_an_end(void **state)
{
    (void)state;
    char text[DEVICE_NAME_BYTES + 10];
    memset(text, '1', sizeof text);
    memcpy(text, "gpu:", 4);
    text[DEVICE_NAME_BYTES + 1] = '\0';
    list_refuses(text, "too long");
    memcpy(text, "gpu:1", 5);
    for (size_t i = 5; i + 1 < 4095; i += 2) {
        memcpy(text + i, ",1", 2);
    }
    text[4095] = '\0';
    list_refuses(text, "one too many");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_has_one_text),
        cmocka_unit_test(what_is_no_device_is_said_why),
        cmocka_unit_test(commas_separate_devices),
        cmocka_unit_test(digits_alone_go_on_with_the_prefix_before),
        cmocka_unit_test(a_wrong_list_names_the_wrong_item),
        cmocka_unit_test(a_list_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
