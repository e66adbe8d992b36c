#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/cleanup.h"
#include "submit/given.h"
#include "tests/submit/parse_options.h"

static void assert_given(const char *const *words, const char *text)
{
    CLEANUP(cleanup_json) json_t *map = parse_options(words);
    CLEANUP(cleanup_free) char *given = given_text(map);
    assert_string_equal(given, text);
}

static void options_are_what_was_typed(void **state)
{
    (void)state;
    assert_given(WORDS("--samples=16", "--trust-scripts"), "--samples=16 --trust-scripts");
    assert_given(WORDS("-f", "1-24x2,30", "-p", "70"), "--frames=1-23x2,30 --priority=70");
    assert_given(WORDS("-f", "7,current"), "--frames=7,current");
    assert_given(WORDS("--no-denoise"), "--no-denoise");
    assert_given(WORDS("--stall=90", "--min-frame-time=0.5"), "--stall=90 --min-frame-time=0.5");
    assert_given(WORDS("-S", "Set 2"), "--scene='Set 2'");
}

static void no_options_are_no_text(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *map = json_object();
    CLEANUP(cleanup_free) char *given = given_text(map);
    assert_string_equal(given, "");
}

/* An older or damaged ledger may hold anything. */
static void what_cannot_be_typed_is_left_out(void **state)
{
    (void)state;
    CLEANUP(cleanup_json)
    json_t *map = json_pack("{s:[s], s:n, s:i}", "frames", "x", "scene", "samples", 4);
    CLEANUP(cleanup_free) char *given = given_text(map);
    assert_string_equal(given, "--samples=4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_what_was_typed),
        cmocka_unit_test(no_options_are_no_text),
        cmocka_unit_test(what_cannot_be_typed_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
