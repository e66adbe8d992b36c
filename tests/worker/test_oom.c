#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/alloc.h"
#include "tests/worker/temp_folder.h"
#include "worker/oom.h"

static void folder(const struct temp_folder *base, const char *name)
{
    char *path = alloc_format("%s/%s", base->path, name);
    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
}

static void file(const struct temp_folder *base, const char *name, const char *text)
{
    free(temp_folder_file(base, name, text));
}

static int64_t kills(const struct temp_folder *base)
{
    char *proc = alloc_format("%s/proc", base->path);
    char *groups = alloc_format("%s/groups", base->path);
    int64_t count = oom_kills_in(proc, groups);
    free(proc);
    free(groups);
    return count;
}

static void the_machine_counts_where_the_group_does_not(void **state)
{
    const struct temp_folder *base = *state;
    assert_int_equal(kills(base), 0);
    folder(base, "proc");
    file(base, "proc/vmstat", "nr_free 5\noom_kill 3\noom_kill_x 9\n");
    assert_int_equal(kills(base), 3);
    folder(base, "proc/self");
    file(base, "proc/self/cgroup", "0::/a/b\n");
    assert_int_equal(kills(base), 3);
}

static void the_group_counts_by_either_version(void **state)
{
    const struct temp_folder *base = *state;
    folder(base, "proc");
    folder(base, "proc/self");
    folder(base, "groups");
    folder(base, "groups/a");
    folder(base, "groups/memory");
    folder(base, "groups/memory/old");
    file(base, "proc/vmstat", "oom_kill 3\n");
    file(base, "groups/a/memory.events", "low 0\noom 7\noom_kill 5\n");
    file(base, "groups/memory/old/memory.oom_control", "oom_kill_disable 0\noom_kill 6\n");
    file(base, "proc/self/cgroup", "12:cpu:/x\n0::/a\n");
    assert_int_equal(kills(base), 5);
    file(base, "proc/self/cgroup", "5:devices:/y\n4:memory:/old\n0::/\n");
    assert_int_equal(kills(base), 6);
}

#define FOLDER(test) cmocka_unit_test_setup_teardown(test, temp_folder_make, temp_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER(the_machine_counts_where_the_group_does_not),
        FOLDER(the_group_counts_by_either_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
