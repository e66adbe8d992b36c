/* work: what a job renders on is asked for, compared, and refused when it is something else. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/worker/made_cards.h"
#include "tests/worker/work_bench.h"

static const char right_text[] =
    "{\"cycles\": true, \"type\": \"OPTIX\", \"used\":"
    " [{\"id\": \"CUDA_NVIDIA RTX A6000_0000:c1:00_OptiX\", \"type\": \"OPTIX\","
    " \"pci\": \"0000:c1:00\"}], \"warnings\": []}";
static const char other_text[] =
    "{\"cycles\": true, \"type\": \"OPTIX\", \"used\":"
    " [{\"id\": \"CUDA_NVIDIA RTX A6000_0000:01:00_OptiX\", \"type\": \"OPTIX\","
    " \"pci\": \"0000:01:00\"}], \"warnings\": []}";
static const char on_cpu_text[] =
    "{\"cycles\": true, \"type\": \"NONE\", \"used\": [{\"id\": \"CPU\", \"type\": \"CPU\","
    " \"pci\": \"\"}], \"warnings\": [{\"code\": \"on-cpu\", \"text\": \"rendered on the CPU\","
    " \"hint\": \"\"}]}";

/* Claim 1 is granted and its file opened by a worker of the second card; this is the answer. */
static struct bench *open_with(void **state, const char *answer)
{
    static struct device device;
    struct bench *bench = *state;
    device = made_device(&made_nvidia[1], NULL);
    bench_make_device(bench, &device);
    bench->used = answer;
    bench_grant(bench, 1, 31);
    bench_prover_says(bench, "render");
    bench_open_file(bench);
    return bench;
}

static void open_names_the_card(void **state)
{
    struct bench *bench = open_with(state, right_text);
    const json_t *device = json_object_get(bench->opening, "device");
    assert_string_equal(bench_text_of(device, "kind"), "gpu");
    assert_string_equal(json_string_value(json_array_get(json_object_get(device, "pci"), 0)),
                        "0000:c1:00.0");
    bench_prover_says(bench, "mine");
    assert_int_equal(bench->blender, BLENDER_RENDERING);
}

static void another_card_renders_nothing(void **state)
{
    struct bench *bench = open_with(state, other_text);
    bench_expect_report(bench, 1, "error", "device-mismatch", "_0000:01:00_OptiX");
    assert_string_equal(bench->asks_text, "look 1; "); /* nothing was taken */
    assert_int_equal(bench->restarts, 1);
}

static void an_answer_without_a_device_is_a_mismatch(void **state)
{
    struct bench *bench = open_with(state, NULL);
    bench_expect_report(bench, 1, "error", "device-mismatch", "nothing");
}

static void a_frame_on_the_cpu_says_so(void **state)
{
    struct bench *bench = *state;
    json_object_set_new(bench->about, "options", json_pack("{s:b}", "allow_cpu", 1));
    bench = open_with(state, on_cpu_text);
    bench_prover_says(bench, "mine");
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench_expect_report(bench, 1, "finished", "on-cpu", "rendered on the CPU");
}

static void a_frame_whose_blender_was_elsewhere_is_flagged(void **state)
{
    struct bench *bench = open_with(state, right_text);
    bench_prover_says(bench, "mine");
    assert_int_equal(bench->watches, 1);
    assert_true(bench->on_card);
    bench->elsewhere = "{\"code\": \"other-device\", \"text\": \"seen on card 7\"}";
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench_expect_report(bench, 1, "finished", "other-device", "seen on card 7");
}

static void the_next_frame_is_watched_anew(void **state)
{
    struct bench *bench = open_with(state, right_text);
    bench_prover_says(bench, "mine");
    bench_blender_says(bench, "rendered");
    bench_prover_says(bench, "done");
    bench_expect_report(bench, 1, "finished", NULL, NULL);
    bench_render_next(bench, 2, 32);
    assert_int_equal(bench->watches, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(open_names_the_card),
        BENCH(another_card_renders_nothing),
        BENCH(an_answer_without_a_device_is_a_mismatch),
        BENCH(a_frame_on_the_cpu_says_so),
        BENCH(a_frame_whose_blender_was_elsewhere_is_flagged),
        BENCH(the_next_frame_is_watched_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
