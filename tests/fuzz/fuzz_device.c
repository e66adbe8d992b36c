/* device: the grammar of --device and --devices */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"
#include "proto/device_name.h"
#include "tests/fuzz/fuzz.h"

static void check_error(int rc, char **error)
{
    FUZZ_CHECK((rc == DEVICE_NAME_OK) == (*error == NULL), "outcome %d, text %s", rc,
               *error ? *error : "none");
    FUZZ_CHECK(!*error || !strchr(*error, '\n'), "an error of several lines");
    cleanup_free(error);
}

static void check_spec(const struct device_spec *spec)
{
    FUZZ_CHECK(spec->form != DEVICE_SHARE || (spec->kind == DEVICE_CPU && spec->share >= 1),
               "a share of %d", spec->share);
    FUZZ_CHECK(spec->form != DEVICE_NUMBERS || ranges_count(&spec->numbers) > 0, "no numbers");
    FUZZ_CHECK(spec->form != DEVICE_NAMES || (spec->names && spec->names[0]), "no names");
}

/* The text of a device is that device: alone where it may stand alone, else as a list of one. */
static void check_text(const struct device_spec *spec)
{
    CLEANUP(cleanup_free) char *text = device_name_format(spec);
    struct device_spec *list = NULL;
    struct device_spec one = { 0 };
    size_t count = 0;
    char *error = NULL;
    int rc = spec->kind == DEVICE_NONE ? device_name_parse(text, &one, &error)
                                       : device_name_parse_list(text, &list, &count, &error);
    FUZZ_CHECK(rc == DEVICE_NAME_OK, "\"%s\" of our own: %s", text, error ? error : "no text");
    FUZZ_CHECK(list == NULL || count == 1, "\"%s\" is %zu devices", text, count);
    CLEANUP(cleanup_free) char *again = device_name_format(list ? &list[0] : &one);
    FUZZ_CHECK(strcmp(text, again) == 0, "\"%s\" became \"%s\"", text, again);
    device_name_clear(&one);
    device_name_list_free(&list, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(cleanup_free) char *text = fuzz_text(data, size);
    struct device_spec one = { 0 };
    struct device_spec *list = NULL;
    size_t count = 0;
    char *error = NULL;
    int rc = device_name_parse(text, &one, &error);
    check_error(rc, &error);
    if (rc == DEVICE_NAME_OK) {
        check_spec(&one);
        check_text(&one);
    }
    device_name_clear(&one);

    rc = device_name_parse_list(text, &list, &count, &error);
    check_error(rc, &error);
    FUZZ_CHECK(rc != DEVICE_NAME_OK || (count > 0 && count <= DEVICE_NAME_LIST_MAX),
               "a list of %zu", count);
    for (size_t i = 0; rc == DEVICE_NAME_OK && i < count; i++) {
        check_spec(&list[i]);
        check_text(&list[i]);
    }
    device_name_list_free(&list, count);
    return 0;
}
