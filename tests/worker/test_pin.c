#include <linux/mempolicy.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/worker/made_cards.h"
#include "worker/pin.h"

/* What a child of this device is told of a name; NULL: nothing. */
static const char *told(const struct pin_env *env, const char *name)
{
    size_t size = strlen(name);
    const char *found = NULL;
    for (size_t i = 0; env->list[i]; i++) {
        if (strncmp(env->list[i], name, size) == 0 && env->list[i][size] == '=') {
            assert_null(found); /* each name once: which of two would count? */
            found = env->list[i] + size + 1;
        }
    }
    return found;
}

static struct pin_env env_of(const struct card *first, const struct card *second)
{
    const struct device device = made_device(first, second);
    struct pin_env env;
    pin_environment(&device, &env);
    assert_int_equal(env.count > 0, true);
    return env;
}

static void expect(const struct pin_env *env, const char *name, const char *value)
{
    const char *is = told(env, name);
    if (!value) {
        assert_null(is);
    } else {
        assert_non_null(is);
        assert_string_equal(is, value);
    }
}

static void a_card_of_nvidia_is_shown_by_its_uuid(void **state)
{
    (void)state;
    struct pin_env env = env_of(&made_nvidia[1], NULL);
    expect(&env, "CUDA_VISIBLE_DEVICES", "GPU-22222222-bbbb");
    expect(&env, "CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    expect(&env, "HIP_VISIBLE_DEVICES", "-1");
    expect(&env, "ROCR_VISIBLE_DEVICES", "");
    expect(&env, "ONEAPI_DEVICE_SELECTOR", "!level_zero:*");
    expect(&env, "LIBGL_ALWAYS_SOFTWARE", NULL);
    expect(&env, "DRI_PRIME", NULL);
    expect(&env, "OMP_NUM_THREADS", "3");
    pin_env_clear(&env);
    assert_int_equal(env.count, 0);
}

static void a_group_is_all_of_its_cards(void **state)
{
    (void)state;
    struct pin_env env = env_of(&made_nvidia[1], &made_nvidia[0]);
    expect(&env, "CUDA_VISIBLE_DEVICES", "GPU-22222222-bbbb,GPU-11111111-aaaa");
    pin_env_clear(&env);
    env = env_of(&made_amd[0], &made_amd[1]);
    expect(&env, "ROCR_VISIBLE_DEVICES", "GPU-0011223344556677,GPU-8899aabbccddeeff");
    expect(&env, "HIP_VISIBLE_DEVICES", "0,1");
    pin_env_clear(&env);
}

static void an_instance_is_shown_by_its_own_uuid(void **state)
{
    (void)state;
    struct pin_env env = env_of(&made_mig, NULL);
    expect(&env, "CUDA_VISIBLE_DEVICES", "MIG-44444444-dddd");
    pin_env_clear(&env);
}

/* HIP counts anew what ROCR leaves. */
static void a_card_of_amd_is_the_only_one_that_hip_can_count(void **state)
{
    (void)state;
    struct pin_env env = env_of(&made_amd[1], NULL);
    expect(&env, "ROCR_VISIBLE_DEVICES", "GPU-8899aabbccddeeff");
    expect(&env, "HIP_VISIBLE_DEVICES", "0");
    expect(&env, "CUDA_VISIBLE_DEVICES", "");
    expect(&env, "CUDA_DEVICE_ORDER", NULL);
    expect(&env, "DRI_PRIME", "pci-0000_83_00_0");
    pin_env_clear(&env);
}

/* Numbers are within what somebody else has left us: what is set stays. */
static void a_card_without_a_uuid_leaves_its_own_lists_alone(void **state)
{
    (void)state;
    struct pin_env env = env_of(&made_unknown, NULL);
    expect(&env, "CUDA_VISIBLE_DEVICES", NULL);
    expect(&env, "HIP_VISIBLE_DEVICES", "-1");
    pin_env_clear(&env);
    env = env_of(&made_nvidia[0], &made_unknown);
    expect(&env, "CUDA_VISIBLE_DEVICES", NULL);
    pin_env_clear(&env);
    env = env_of(&made_bare_amd, NULL);
    expect(&env, "ROCR_VISIBLE_DEVICES", NULL);
    expect(&env, "HIP_VISIBLE_DEVICES", NULL);
    expect(&env, "CUDA_VISIBLE_DEVICES", "");
    pin_env_clear(&env);
    env = env_of(&made_intel, NULL);
    expect(&env, "ZE_AFFINITY_MASK", NULL);
    expect(&env, "ONEAPI_DEVICE_SELECTOR", NULL);
    expect(&env, "CUDA_VISIBLE_DEVICES", "");
    expect(&env, "DRI_PRIME", "pci-0000_09_00_0");
    pin_env_clear(&env);
}

static void a_worker_without_a_card_shows_none(void **state)
{
    (void)state;
    struct pin_env env = env_of(NULL, NULL);
    expect(&env, "CUDA_VISIBLE_DEVICES", "");
    expect(&env, "ROCR_VISIBLE_DEVICES", "");
    expect(&env, "HIP_VISIBLE_DEVICES", "-1");
    expect(&env, "ONEAPI_DEVICE_SELECTOR", "!level_zero:*");
    expect(&env, "LIBGL_ALWAYS_SOFTWARE", "1");
    pin_env_clear(&env);
}

/* OpenGL knows no variable that chooses among NVIDIA's cards, and none for several at once. */
static void who_draws_where_nobody_can_tell_is_one_of_its_host(void **state)
{
    (void)state;
    const struct device devices[] = {
        made_device(&made_nvidia[0], NULL),      made_device(&made_nvidia[0], &made_nvidia[1]),
        made_device(&made_amd[0], &made_amd[1]), made_device(&made_amd[0], NULL),
        made_device(&made_intel, NULL),          made_device(NULL, NULL),
    };
    static const bool shared[] = { true, true, true, false, false, false };
    for (size_t i = 0; i < sizeof shared; i++) {
        assert_int_equal(pin_draws_shared(&devices[i]), shared[i]);
    }
}

/* These two take the place of hwloc's own: a machine of two nodes is not at hand. */
static struct {
    int memory_flags, cpu_flags;
    int calls;
    char memory[32], cpus[32];
} bound;

int hwloc_set_membind(hwloc_topology_t topology, hwloc_const_bitmap_t set,
                      hwloc_membind_policy_t policy, int flags)
{
    (void)topology;
    bound.calls++;
    bound.memory_flags = flags;
    assert_int_equal(policy, HWLOC_MEMBIND_BIND);
    assert_true(hwloc_bitmap_list_snprintf(bound.memory, sizeof bound.memory, set) > 0);
    return 0;
}

int hwloc_set_cpubind(hwloc_topology_t topology, hwloc_const_bitmap_t set, int flags)
{
    (void)topology;
    bound.cpu_flags = flags;
    assert_true(hwloc_bitmap_list_snprintf(bound.cpus, sizeof bound.cpus, set) > 0);
    return 0;
}

static void pin_on(const char *machine)
{
    hwloc_topology_t topology;
    struct device device = made_device(&made_nvidia[0], NULL);
    memset(&bound, 0, sizeof bound);
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_synthetic(topology, machine), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    device.cpus = hwloc_bitmap_alloc();
    hwloc_bitmap_set_range(device.cpus, 2, 3);
    assert_int_equal(pin_process(topology, &device), 0);
    hwloc_bitmap_free(device.cpus);
    hwloc_topology_destroy(topology);
}

static void cores_and_memory_are_those_of_the_device(void **state)
{
    (void)state;
    pin_on("NUMANode:2 Core:2 PU:1");
    assert_string_equal(bound.cpus, "2-3");
    assert_int_equal(bound.cpu_flags, HWLOC_CPUBIND_PROCESS);
    assert_string_equal(bound.memory, "2-3");
    assert_int_equal(bound.memory_flags, HWLOC_MEMBIND_THREAD); /* a child inherits no other */
    pin_on("NUMANode:1 Core:4 PU:1");
    assert_string_equal(bound.cpus, "2-3");
    assert_int_equal(bound.calls, 0); /* there is nothing to choose */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_of_nvidia_is_shown_by_its_uuid),
        cmocka_unit_test(a_group_is_all_of_its_cards),
        cmocka_unit_test(an_instance_is_shown_by_its_own_uuid),
        cmocka_unit_test(a_card_of_amd_is_the_only_one_that_hip_can_count),
        cmocka_unit_test(a_card_without_a_uuid_leaves_its_own_lists_alone),
        cmocka_unit_test(a_worker_without_a_card_shows_none),
        cmocka_unit_test(who_draws_where_nobody_can_tell_is_one_of_its_host),
        cmocka_unit_test(cores_and_memory_are_those_of_the_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
