#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "worker/blenders.h"
#include "worker/probe.h"

static void add(struct blenders *list, const char *version, bool denoiser)
{
    struct blender_info info = { .denoiser = denoiser };
    assert_true(blenders_parse_version(version, &info.series, &info.patch));
    info.path = alloc_format("/opt/%s/blender", version);
    assert_true(snprintf(info.version, sizeof info.version, "%s", version) > 0);
    list->items = alloc_resize(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = info;
}

static int make(void **state)
{
    static struct blenders list;
    list = (struct blenders){ .items = NULL };
    add(&list, "3.6.5", true);
    add(&list, "3.4.1", false);
    add(&list, "4.2.0", true);
    add(&list, "2.79.0", true);
    add(&list, "4.2.11", true);
    add(&list, "3.4.0", true);
    blenders_order(&list);
    *state = &list;
    return 0;
}

static int end(void **state)
{
    blenders_clear(*state);
    return 0;
}

/* What is chosen for a need: its version, and a word of the remark (NULL: there is none). */
static void expect(const struct blenders *list, int file_version, const char *bound, bool denoiser,
                   const char *version, const char *remark_word)
{
    struct blender_need need = { file_version, bound, denoiser };
    const struct blender_info *chosen = NULL;
    char *remark = NULL;
    assert_int_equal(blenders_choose(list, &need, &chosen, &remark), 0);
    assert_string_equal(chosen->version, version);
    if (remark_word) {
        assert_non_null(remark);
        assert_non_null(strstr(remark, remark_word));
    } else {
        assert_null(remark);
    }
    free(remark);
}

static int outcome(const struct blenders *list, int file_version, const char *bound, bool denoiser)
{
    struct blender_need need = { file_version, bound, denoiser };
    const struct blender_info *chosen = NULL;
    char *remark = NULL;
    int rc = blenders_choose(list, &need, &chosen, &remark);
    free(remark);
    return rc;
}

static void they_are_ordered_newest_first(void **state)
{
    const struct blenders *list = *state;
    static const char *const order[] = { "4.2.11", "4.2.0", "3.6.5", "3.4.1", "3.4.0" };
    assert_int_equal(list->count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(list->items[i].version, order[i]);
    }
    assert_string_equal(list->too_old, "2.79.0");
}

static void the_files_own_series_is_chosen(void **state)
{
    expect(*state, 304, NULL, false, "3.4.1", NULL);
    expect(*state, 402, NULL, false, "4.2.11", NULL);
}

static void else_the_nearest_newer_one(void **state)
{
    expect(*state, 305, NULL, false, "3.6.5", "saved by Blender 3.5");
    expect(*state, 279, NULL, false, "3.4.1", NULL);
}

static void one_that_cannot_denoise_is_passed_over(void **state)
{
    expect(*state, 304, NULL, true, "3.4.0", "3.4.1 was passed over");
}

static void a_bound_job_takes_its_series_only(void **state)
{
    expect(*state, 304, "3.6", false, "3.6.5", NULL);
    assert_int_equal(outcome(*state, 304, "3.5", false), BLENDERS_NONE);
}

static void what_is_too_new_is_known(void **state)
{
    assert_int_equal(outcome(*state, 403, NULL, false), BLENDERS_TOO_OLD);
    assert_int_equal(outcome(*state, 500, NULL, true), BLENDERS_TOO_OLD);
}

static void without_any_there_is_none(void **state)
{
    struct blenders none = { .items = NULL };
    (void)state;
    assert_int_equal(outcome(&none, 304, NULL, false), BLENDERS_NONE);
}

static void without_a_denoiser_anywhere_it_is_said(void **state)
{
    struct blenders list = { .items = NULL };
    (void)state;
    add(&list, "3.4.1", false);
    assert_int_equal(outcome(&list, 304, NULL, true), BLENDERS_NO_DENOISER);
    assert_int_equal(outcome(&list, 0, NULL, true), BLENDERS_NO_DENOISER);
    expect(&list, 0, NULL, false, "3.4.1", NULL);
    blenders_clear(&list);
}

static void versions_are_read_strictly(void **state)
{
    static const char *const wrong[] = { "", "3", "a.b", "3.", "-3.4", "3.4.x", "3.4.1 ", "0.4" };
    int series = 0;
    int patch = 0;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(blenders_parse_version(wrong[i], &series, &patch));
    }
    assert_true(blenders_parse_version("2.93", &series, &patch));
    assert_int_equal(series, 293);
    assert_true(blenders_parse_version("5.0.1", &series, &patch));
    assert_int_equal(series, 500);
    assert_int_equal(patch, 1);
}

static void the_answer_of_a_probe_is_found_among_other_lines(void **state)
{
    struct blender_info info = { .path = NULL };
    (void)state;
    assert_false(probe_parse("Blender 3.4.1", &info));
    assert_false(probe_parse("DBLEND-PROBE nonsense", &info));
    assert_false(probe_parse("DBLEND-PROBE {\"version\": 3}", &info));
    assert_true(probe_parse("DBLEND-PROBE {\"version\": \"3.4.1\", \"denoiser\": true}", &info));
    assert_int_equal(info.series, 304);
    assert_true(info.denoiser);
}

#define LIST(test) cmocka_unit_test_setup_teardown(test, make, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIST(they_are_ordered_newest_first),
        LIST(the_files_own_series_is_chosen),
        LIST(else_the_nearest_newer_one),
        LIST(one_that_cannot_denoise_is_passed_over),
        LIST(a_bound_job_takes_its_series_only),
        LIST(what_is_too_new_is_known),
        cmocka_unit_test(without_any_there_is_none),
        cmocka_unit_test(without_a_denoiser_anywhere_it_is_said),
        cmocka_unit_test(versions_are_read_strictly),
        cmocka_unit_test(the_answer_of_a_probe_is_found_among_other_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
