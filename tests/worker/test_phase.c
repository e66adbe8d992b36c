#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "worker/phase.h"

static void expect(const char *line, const char *text, int done, int total)
{
    struct phase phase = { .done = -1 };
    assert_true(phase_parse(line, &phase));
    assert_string_equal(phase.text, text);
    assert_int_equal(phase.done, done);
    assert_int_equal(phase.total, total);
}

static void cycles_samples_are_read(void **state)
{
    (void)state;
    expect(
        "Fra:1 Mem:10.40M (Peak 10.47M) | Time:00:00.06 | Remaining:00:00.01 | Mem:0.94M, "
        "Peak:0.94M | Scene, ViewLayer | Sample 128/512",
        "sample 128/512", 128, 512);
    expect("Fra:7 Mem:1M | Time:00:01.00 | Scene, ViewLayer | Rendered 3/40 Tiles, Sample 4/128",
           "sample 4/128", 4, 128);
    /* as autorender prints them for 5.0 */
    expect("Fra:1 Mem: 2M | Sample 0/64", "sample 0/64", 0, 64);
    expect("Fra:1 Remaining: 00:02.07 | Mem: 6M | Sample 1/64", "sample 1/64", 1, 64);
}

static void eevee_samples_are_read(void **state)
{
    (void)state;
    expect("Fra:1 Mem:11.38M (Peak 12.50M) | Time:00:05.12 | Rendering 26 / 64 samples",
           "sample 26/64", 26, 64);
}

static void steps_before_the_samples_have_names(void **state)
{
    (void)state;
    static const char head[] = "Fra:1 Mem:9M (Peak 9M) | Time:00:00.00 | Scene, ViewLayer | ";
    static const struct {
        const char *tail, *text;
    } steps[] = {
        { "Synchronizing object | Cube", "synchronising" },
        { "Loading render kernels (may take a few minutes the first time)", "loading kernels" },
        { "Updating Scene BVH | Building BVH 0%", "building BVH" },
        { "Updating Meshes", "synchronising" },
        { "Finished", "finishing" },
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char line[256];
        assert_true(snprintf(line, sizeof line, "%s%s", head, steps[i].tail) > 0);
        expect(line, steps[i].text, 0, 0);
    }
}

static void other_lines_say_nothing(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "Saved: '/tmp/a.png'",
        "Sample 1/4",
        "my script | Sample 1/4",
        "Fra:1",
        "Fra:1 Mem:9M | Time:00:00.00",
        "Fra:1 Mem:9M | Sample 9/4",
        "Fra:1 Mem:9M | Sample -1/4",
        "Fra:1 | Sample 1/0",
        "Fra:1 | Sample 99999999999/99999999999",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct phase phase = { .done = -1 };
        assert_false(phase_parse(lines[i], &phase));
        assert_int_equal(phase.done, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cycles_samples_are_read),
        cmocka_unit_test(eevee_samples_are_read),
        cmocka_unit_test(steps_before_the_samples_have_names),
        cmocka_unit_test(other_lines_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
