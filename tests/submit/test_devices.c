/* Cards in groups, for fewer frames than cards. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/devices.h"

static void expect(const char *const *cards, int64_t frames, const char *expected)
{
    CLEANUP(cleanup_json) json_t *devices = json_array();
    CLEANUP(cleanup_free) char *text = alloc_text("");
    for (size_t i = 0; cards[i]; i++) {
        json_array_append_new(devices, json_string(cards[i]));
    }
    CLEANUP(cleanup_json) json_t *groups = devices_group(devices, frames);
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const char *group = json_string_value(json_array_get(groups, i));
        char *longer = alloc_format("%s%s%s", text, i > 0 ? " " : "", group);
        free(text);
        text = longer;
    }
    assert_string_equal(text, expected);
}

static void a_still_gets_all_cards(void **state)
{
    static const char *const cards[] = { "pci:a", "pci:b", "pci:c", "pci:d", NULL };
    (void)state;
    expect(cards, 1, "pci:a+pci:b+pci:c+pci:d");
}

static void groups_are_of_equal_size(void **state)
{
    static const char *const cards[] = { "a", "b", "c", "d", "e", NULL };
    (void)state;
    expect(cards, 2, "a+b c+d");
    expect(cards, 3, "a b c d e");
    expect(cards, 4, "a b c d e");
}

static void enough_frames_need_no_groups(void **state)
{
    static const char *const cards[] = { "a", "b", NULL };
    (void)state;
    expect(cards, 2, "a b");
    expect(cards, 100, "a b");
    expect(cards, 0, "a b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_still_gets_all_cards),
        cmocka_unit_test(groups_are_of_equal_size),
        cmocka_unit_test(enough_frames_need_no_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
