/* By which ways GPU workers render a job: what the person named, and Open Shading Language. */

#include "trouble.h"

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
        TEST(all_workers_of_a_host_render_with_cycles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
