#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/worker/made_cards.h"
#include "worker/whereabouts.h"

static whereabouts_t *made(bool on_card)
{
    const struct device device = made_device(&made_nvidia[0], NULL);
    whereabouts_t *self = whereabouts_new(&device);
    whereabouts_begin(self, on_card);
    return self;
}

/* The end of a frame: words of its warning; NULL: none. Releases it. */
static void ends(whereabouts_t *self, const char *words)
{
    json_t *warning = whereabouts_end(self);
    if (!words) {
        assert_null(warning);
    } else {
        const char *code = json_string_value(json_object_get(warning, "code"));
        const char *text = json_string_value(json_object_get(warning, "text"));
        assert_non_null(code);
        assert_non_null(text);
        assert_string_equal(code, "other-device");
        assert_non_null(strstr(text, words));
    }
    json_decref(warning);
    whereabouts_destroy(&self);
    assert_null(self);
}

static void one_that_is_where_it_should_be_is_fine(void **state)
{
    (void)state;
    whereabouts_t *self = made(true);
    for (int i = 0; i < WHEREABOUTS_LOOKS * 2; i++) {
        whereabouts_note(self, i == 3, NULL); /* it came late, and went again */
    }
    ends(self, NULL);
}

static void another_card_is_told_even_if_it_was_there_once(void **state)
{
    (void)state;
    whereabouts_t *self = made(true);
    whereabouts_note(self, true, NULL);
    whereabouts_note(self, true, "pci:0000:c1:00.0 (NVIDIA RTX A6000)");
    whereabouts_note(self, true, NULL);
    ends(self, "pci:0000:c1:00.0");
}

static void a_frame_begins_without_the_last_ones_sights(void **state)
{
    (void)state;
    whereabouts_t *self = made(true);
    whereabouts_note(self, true, "pci:0000:c1:00.0");
    whereabouts_begin(self, true);
    whereabouts_note(self, true, NULL);
    ends(self, NULL);
}

static void a_frame_without_looks_says_nothing(void **state)
{
    (void)state;
    ends(made(true), NULL);
}

static void never_seen_on_its_card_is_told_after_some_looks(void **state)
{
    struct stat st;
    (void)state;
    if (stat("/proc/self/ns/pid", &st) != 0 || st.st_ino != 0xEFFFFFFCU) {
        skip(); /* in a container nothing follows from it */
    }
    whereabouts_t *self = made(true);
    for (int i = 0; i < WHEREABOUTS_LOOKS - 1; i++) {
        whereabouts_note(self, false, NULL);
    }
    ends(self, NULL);
    self = made(true);
    for (int i = 0; i < WHEREABOUTS_LOOKS; i++) {
        whereabouts_note(self, false, NULL);
    }
    ends(self, "did not see");
    self = made(false); /* on the CPU, by choice */
    for (int i = 0; i < WHEREABOUTS_LOOKS; i++) {
        whereabouts_note(self, false, NULL);
    }
    ends(self, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_where_it_should_be_is_fine),
        cmocka_unit_test(another_card_is_told_even_if_it_was_there_once),
        cmocka_unit_test(a_frame_begins_without_the_last_ones_sights),
        cmocka_unit_test(a_frame_without_looks_says_nothing),
        cmocka_unit_test(never_seen_on_its_card_is_told_after_some_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
