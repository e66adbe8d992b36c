/* By which ways GPU workers render a job: what the person named, and Open Shading Language. */

#include "trouble.h"

#include <stdio.h>
#include <string.h>

#include "proto/device_types.h"

static int setup(void **state)
{
    static struct sim sim;
    sim_open(&sim);
    *state = &sim;
    return 0;
}

static int teardown(void **state)
{
    sim_close(*state);
    return 0;
}

/* A worker of a GPU that can these ("OPTIX CUDA"; "" where it does not say), or of CPUs (NULL). */
static struct sim_worker *gpu(struct sim *sim, const char *name, const char *ways,
                              const char *blender)
{
    struct sim_worker *worker = sim_worker(sim, name);
    worker->kind = ways ? DEVICE_GPU : DEVICE_CPU;
    worker->ways = ways && strstr(ways, "OPTIX") ? device_types_bit("OPTIX") : 0;
    worker->ways |= ways && strstr(ways, "CUDA") ? device_types_bit("CUDA") : 0;
    worker->ways |= ways && strstr(ways, "HIP") ? device_types_bit("HIP") : 0;
    worker->versions[0] = blender;
    worker->want = 1;
    worker->no_sweeps = true;
    sim_ready(sim, worker);
    sim_turn(sim);
    sim_step(sim, worker);
    return worker;
}

static int64_t job(struct sim *sim, const char *engine, bool osl, json_t *options)
{
    json_t *found = sim_found(1, 9);
    json_object_set_new(found, "engine", json_string(engine));
    json_object_set_new(found, "engine_cpu_only", json_boolean(osl));
    return sim_inspected(sim, "/a", found, NULL, options);
}

static void expect_why(struct sim *sim, int64_t number, const char *code, const char *words)
{
    struct job_view view = sim_job(sim, number);
    assert_non_null(view.error);
    assert_string_equal(trouble_code(view.error), code);
    assert_non_null(strstr(trouble_text(view.error), words));
}

static void only_workers_with_the_wanted_type_get_the_job(void **state)
{
    struct sim *sim = *state;
    int64_t number = job(sim, "CYCLES", false, json_pack("{s:s}", "device_type", "optix"));
    assert_int_equal(gpu(sim, "h/amd", "HIP", "3.6.0")->held_count, 0);
    expect_why(sim, number, "device-type", "optix");
    assert_int_equal(gpu(sim, "h/old", "CUDA", "3.6.0")->held_count, 0);
    assert_int_equal(gpu(sim, "h/new", "OPTIX CUDA", "3.6.0")->held_count, 1);
}

static void what_a_worker_does_not_say_is_not_held_against_it(void **state)
{
    struct sim *sim = *state;
    (void)job(sim, "CYCLES", false, json_pack("{s:s}", "device_type", "optix"));
    assert_int_equal(gpu(sim, "h/1", "", "3.6.0")->held_count, 1);
}

static void other_engines_have_no_ways(void **state)
{
    struct sim *sim = *state;
    (void)job(sim, "BLENDER_EEVEE", false, json_pack("{s:s}", "device_type", "optix"));
    assert_int_equal(gpu(sim, "h/amd", "HIP", "3.6.0")->held_count, 1);
}

static void osl_goes_to_cpus(void **state)
{
    struct sim *sim = *state;
    int64_t number = job(sim, "CYCLES", true, NULL);
    assert_int_equal(gpu(sim, "h/cuda", "CUDA", "3.6.0")->held_count, 0);
    assert_int_equal(gpu(sim, "h/amd", "HIP", "3.6.0")->held_count, 0);
    expect_why(sim, number, "cpu-only", "Open Shading Language");
    assert_int_equal(gpu(sim, "h/cpu", NULL, "3.6.0")->held_count, 1);
}

static void osl_goes_to_optix_from_3_5_on(void **state)
{
    struct sim *sim = *state;
    (void)job(sim, "CYCLES", true, NULL);
    assert_int_equal(gpu(sim, "h/old", "OPTIX CUDA", "3.4.1")->held_count, 0);
    assert_int_equal(gpu(sim, "h/new", "OPTIX CUDA", "3.5.0")->held_count, 1);
}

static void allow_cpu_lets_any_gpu_worker_take_it(void **state)
{
    struct sim *sim = *state;
    (void)job(sim, "CYCLES", true, json_pack("{s:b}", "allow_cpu", 1));
    assert_int_equal(gpu(sim, "h/amd", "HIP", "3.6.0")->held_count, 1);
}

/* A worker of an NVIDIA card on a host. */
static struct sim_worker *drawing(struct sim *sim, const char *name, const char *host)
{
    struct sim_worker *worker = sim_worker(sim, name);
    worker->kind = DEVICE_GPU;
    worker->host = host;
    worker->draws_shared = true;
    worker->want = 1;
    worker->no_sweeps = true;
    sim_ready(sim, worker);
    sim_turn(sim);
    sim_step(sim, worker);
    return worker;
}

static void one_worker_of_a_host_draws(void **state)
{
    struct sim *sim = *state;
    (void)job(sim, "BLENDER_EEVEE_NEXT", false, NULL);
    struct sim_worker *first = drawing(sim, "a/1", "a");
    struct sim_worker *second = drawing(sim, "a/2", "a");
    assert_int_equal(first->held_count, 1);
    assert_int_equal(second->held_count, 0);
    assert_int_equal(drawing(sim, "b/1", "b")->held_count, 1);
    first->leave = true;
    first->want = 0;
    sim_step(sim, first);
    sim_turn(sim);
    sim_step(sim, second);
    assert_true(second->held_count > 0); /* now it is the one */
}

/* It would wait for the idle one for ever, and be called over from every other job. */
static void a_frame_that_failed_waits_for_nobody_who_must_not_draw(void **state)
{
    struct sim *sim = *state;
    json_t *found = sim_found(1, 1);
    json_object_set_new(found, "engine", json_string("BLENDER_EEVEE_NEXT"));
    int64_t first = sim_inspected(sim, "/first", found, NULL, json_pack("{s:i}", "priority", 80));
    struct sim_worker *failing = drawing(sim, "b/1", "b");
    found = sim_found_at(1, 9, "/other/");
    json_object_set_new(found, "engine", json_string("BLENDER_EEVEE_NEXT"));
    (void)sim_inspected(sim, "/second", found, NULL, NULL);
    assert_int_equal(drawing(sim, "a/1", "a")->held_count, 1);
    assert_int_equal(drawing(sim, "a/2", "a")->held_count, 0);
    assert_int_equal(failing->held[0].grant.job, first);
    sim_error(failing, 0, "crashed", false);
    sim_step(sim, failing);
    assert_int_equal(failing->held_count, 1);
    assert_int_equal(failing->held[0].grant.job, first);
}

struct idle {
    const char *name;
    char code[32], text[256];
};

static void note(void *arg, const struct worker_view *view)
{
    struct idle *idle = arg;
    if (strcmp(view->worker, idle->name) == 0) {
        (void)snprintf(idle->code, sizeof idle->code, "%s", trouble_code(view->error));
        (void)snprintf(idle->text, sizeof idle->text, "%s", trouble_text(view->error));
    }
}

static struct idle idle_of(struct sim *sim, const char *name)
{
    struct idle idle = { .name = name };
    queue_workers(sim->queue, sim->now, note, &idle);
    return idle;
}

static void who_must_not_draw_says_so(void **state)
{
    struct sim *sim = *state;
    int64_t number = job(sim, "BLENDER_EEVEE_NEXT", false, NULL);
    (void)drawing(sim, "a/1", "a");
    (void)drawing(sim, "a/2", "a");
    struct idle idle = idle_of(sim, "a/2");
    assert_string_equal(idle.code, "draws-shared");
    assert_string_equal(idle.text,
                        "only one worker of this host draws job 1 (BLENDER_EEVEE_NEXT): its card "
                        "cannot be chosen; a/1 draws");
    assert_string_equal(idle_of(sim, "a/1").code, "");
    struct trouble_list blocked = trouble_blocked(sim, number);
    assert_int_equal(blocked.count, 1);
    assert_string_equal(blocked.views[0].worker, "a/2");
    assert_string_equal(blocked.views[0].code, "draws-shared");
    assert_null(sim_job(sim, number).error); /* the job itself goes on */
}

static void a_job_that_waits_for_who_draws_says_so(void **state)
{
    struct sim *sim = *state;
    (void)job(sim, "BLENDER_WORKBENCH", false, NULL);
    (void)drawing(sim, "a/1", "a");
    (void)drawing(sim, "a/2", "a");
    json_t *found = sim_found_at(1, 9, "/other");
    json_object_set_new(found, "engine", json_string("BLENDER_EEVEE"));
    int64_t second = sim_inspected(sim, "/b", found, NULL, NULL);
    expect_why(sim, second, "draws-shared", "a/1 draws job 1");
    (void)gpu(sim, "b/amd", "HIP", "3.4.1"); /* whose card can be chosen */
    assert_null(sim_job(sim, second).error);
}

static void idle_for_want_of_memory_is_said(void **state)
{
    struct sim *sim = *state;
    int64_t number = job(sim, "CYCLES", false, NULL);
    struct sim_worker *large = sim_worker(sim, "h/large");
    struct sim_worker *small = sim_worker(sim, "h/small");
    large->kind = small->kind = DEVICE_GPU;
    large->memory_bytes = (int64_t)48 << 30;
    small->memory_bytes = (int64_t)24 << 30;
    large->no_sweeps = small->no_sweeps = true;
    sim_ready(sim, large);
    sim_turn(sim);
    sim_step(sim, large);
    sim_report(large, 0, REPORT_FINISHED);
    large->reports[0].gpu_peak_bytes = (int64_t)40 << 30;
    sim_step(sim, large);
    sim_ready(sim, small);
    sim_turn(sim);
    sim_step(sim, small);
    assert_int_equal(small->held_count, 0);
    struct idle idle = idle_of(sim, "h/small");
    assert_string_equal(idle.code, "out-of-gpu-memory");
    assert_string_equal(idle.text, "job 1 needs 40 GiB of GPU memory; this card has 24 GiB");
    assert_string_equal(trouble_blocked(sim, number).views[0].code, "out-of-gpu-memory");
}

static void all_workers_of_a_host_render_with_cycles(void **state)
{
    struct sim *sim = *state;
    (void)job(sim, "CYCLES", false, NULL);
    assert_int_equal(drawing(sim, "a/1", "a")->held_count, 1);
    assert_int_equal(drawing(sim, "a/2", "a")->held_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_workers_with_the_wanted_type_get_the_job),
        TEST(what_a_worker_does_not_say_is_not_held_against_it),
        TEST(other_engines_have_no_ways),
        TEST(osl_goes_to_cpus),
        TEST(osl_goes_to_optix_from_3_5_on),
        TEST(allow_cpu_lets_any_gpu_worker_take_it),
        TEST(one_worker_of_a_host_draws),
        TEST(a_frame_that_failed_waits_for_nobody_who_must_not_draw),
        TEST(who_must_not_draw_says_so),
        TEST(a_job_that_waits_for_who_draws_says_so),
        TEST(idle_for_want_of_memory_is_said),
        TEST(all_workers_of_a_host_render_with_cycles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
