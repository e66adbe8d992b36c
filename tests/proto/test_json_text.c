#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/cleanup.h"
#include "proto/json_text.h"

static void it_is_what_jansson_writes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[]",
        "\"\"",
        "null",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "0.1",
        "-2.5e300",
        "[true,false,null,[[],{}],{\"a\":{\"b\":[1,2,3]}}]",
        "\"\\\" \\\\ / \\b\\f\\n\\r\\t \\u0001 \\u001f \\u007f \xc3\xa9 \xf0\x9f\x8e\xac\"",
        "{\"path\":\"/r/shot_0001.png\",\"bytes\":2000001,\"view\":\"\",\"quoted \\\" key\":[]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CLEANUP(cleanup_json) json_t *value = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        CLEANUP(cleanup_free)
        char *expected = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        CLEANUP(cleanup_free) char *text = json_text(value);
        assert_string_equal(text, expected);
    }
}

static void no_value_is_no_text(void **state)
{
    (void)state;
    assert_null(json_text(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_jansson_writes),
        cmocka_unit_test(no_value_is_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
