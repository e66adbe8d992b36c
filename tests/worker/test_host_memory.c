/* What the machine and the control groups have left. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "tests/worker/temp_folder.h"
#include "worker/host_memory.h"

#define GIB ((int64_t)1 << 30)

static void put(const struct temp_folder *base, const char *name, const char *text)
{
    if (text) {
        free(temp_folder_file(base, name, text));
        return;
    }
    char *path = alloc_format("%s/%s", base->path, name);
    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
}

static int64_t available(const struct temp_folder *base)
{
    char *proc = alloc_format("%s/proc", base->path);
    char *groups = alloc_format("%s/groups", base->path);
    int64_t bytes = host_memory_available_in(proc, groups);
    free(proc);
    free(groups);
    return bytes;
}

static void make_machine(const struct temp_folder *base)
{
    put(base, "proc", NULL);
    put(base, "proc/self", NULL);
    put(base, "groups", NULL);
    put(base, "proc/meminfo",
        "MemTotal:       65536000 kB\nMemFree:            1024 kB\nMemAvailable:   41943040 kB\n");
}

static void the_machine_says_what_is_available(void **state)
{
    const struct temp_folder *base = *state;
    assert_int_equal(available(base), 0);
    make_machine(base);
    assert_int_equal(available(base), 40 * GIB);
}

static void the_least_of_all_groups_above_counts(void **state)
{
    const struct temp_folder *base = *state;
    make_machine(base);
    put(base, "proc/self/cgroup", "0::/a/b\n");
    put(base, "groups/a", NULL);
    put(base, "groups/a/b", NULL);
    put(base, "groups/a/b/memory.max", "max\n");
    put(base, "groups/a/b/memory.current", "1073741824\n");
    assert_int_equal(available(base), 40 * GIB);
    put(base, "groups/a/memory.max", "10737418240\n");
    put(base, "groups/a/memory.current", "3221225472\n");
    assert_int_equal(available(base), 7 * GIB);
    put(base, "groups/a/memory.stat", "anon 5\ninactive_file 1073741824\nactive_file 7\n");
    assert_int_equal(available(base), 8 * GIB);
    put(base, "groups/a/b/memory.max", "536870912\n");
    assert_int_equal(available(base), 1); /* used up; "nothing" would mean that it is not known */
}

static void the_older_control_groups_count_too(void **state)
{
    const struct temp_folder *base = *state;
    make_machine(base);
    put(base, "proc/self/cgroup", "5:cpu:/x\n4:memory:/old\n");
    put(base, "groups/memory", NULL);
    put(base, "groups/memory/old", NULL);
    put(base, "groups/memory/old/memory.limit_in_bytes", "2147483648\n");
    put(base, "groups/memory/old/memory.usage_in_bytes", "1073741824\n");
    assert_int_equal(available(base), GIB);
    put(base, "groups/memory/old/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(available(base), 40 * GIB);
}

static void nonsense_is_not_known(void **state)
{
    const struct temp_folder *base = *state;
    make_machine(base);
    put(base, "proc/meminfo", "MemAvailable: many kB\n");
    assert_int_equal(available(base), 0);
    put(base, "proc/meminfo", "MemAvailable: 99999999999999999999999 kB\n");
    assert_int_equal(available(base), 0);
    assert_true(host_memory_available() > 0); /* of this machine */
}

#define FOLDER(test) cmocka_unit_test_setup_teardown(test, temp_folder_make, temp_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER(the_machine_says_what_is_available),
        FOLDER(the_least_of_all_groups_above_counts),
        FOLDER(the_older_control_groups_count_too),
        FOLDER(nonsense_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
