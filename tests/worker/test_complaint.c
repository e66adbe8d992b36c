#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/complaint.h"

static void expect(const char *text, const char *code)
{
    struct complaint found = { .code = "?" };
    assert_int_equal(complaint_find(text, &found), 0);
    assert_string_equal(found.code, code);
    assert_non_null(found.hint);
}

static void known_words_have_codes(void **state)
{
    (void)state;
    expect("Fra:1\nError: Build without OpenImageDenoiser\n", "denoiser-missing");
    expect("Error: Cannot render, no camera", "no-camera");
    expect("write: No space left on device", "disk-full");
    expect("Calloc returns null: len=1", "out-of-memory");
}

static void the_last_complaint_counts(void **state)
{
    (void)state;
    expect("no camera?\nError: Cannot render, no camera\nNo space left on device\n", "disk-full");
}

static void an_error_line_alone_says_nothing(void **state)
{
    struct complaint found = { .code = "untouched" };
    (void)state;
    assert_int_equal(complaint_find("Error: Not freed memory blocks: 2", &found), COMPLAINT_NONE);
    assert_string_equal(found.code, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_words_have_codes),
        cmocka_unit_test(the_last_complaint_counts),
        cmocka_unit_test(an_error_line_alone_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
