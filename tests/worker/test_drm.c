#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/worker/temp_folder.h"
#include "worker/drm.h"

enum { ROOM = 8, MIB = 1048576 };

/* One open descriptor of a process. */
static void make(const struct temp_folder *folder, int pid, int fd, const char *target,
                 const char *info)
{
    char path[1024];
    static const char *const parts[] = { "", "/fd", "/fdinfo" };
    assert_true(snprintf(path, sizeof path, "%s/proc", folder->path) > 0);
    (void)mkdir(path, 0700); /* it may be there, and so may the others */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_true(snprintf(path, sizeof path, "%s/proc/%d%s", folder->path, pid, parts[i]) > 0);
        (void)mkdir(path, 0700);
    }
    assert_true(snprintf(path, sizeof path, "%s/proc/%d/fd/%d", folder->path, pid, fd) > 0);
    assert_int_equal(symlink(target, path), 0);
    assert_true(snprintf(path, sizeof path, "%s/proc/%d/fdinfo/%d", folder->path, pid, fd) > 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(info, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static size_t look(const struct temp_folder *folder, const char *pci, struct card_process *out,
                   size_t max)
{
    size_t count = 99;
    assert_int_equal(setenv("HWLOC_FSROOT", folder->path, 1), 0);
    drm_processes(pci, out, max, &count);
    assert_int_equal(unsetenv("HWLOC_FSROOT"), 0);
    return count;
}

static void processes_are_told_by_card(void **state)
{
    struct card_process found[ROOM];
    assert_int_equal(look(*state, "0000:03:00.0", found, ROOM), 0);
    make(*state, 4711, 5, "/dev/dri/renderD128",
         "pos:\t0\ndrm-driver:\tamdgpu\ndrm-client-id:\t7\ndrm-pdev:\t0000:03:00.0\n"
         "drm-memory-vram:\t2048 KiB\ndrm-memory-gtt:\t99999 KiB\n");
    make(*state, 4711, 6, "/dev/dri/renderD128",
         "drm-client-id: 7\ndrm-pdev: 0000:03:00.0\ndrm-memory-vram: 2048 KiB\n");
    make(*state, 4711, 7, "/dev/dri/card0",
         "drm-client-id: 8\ndrm-pdev: 0000:03:00.0\ndrm-memory-vram: 5 MiB\n"
         "drm-resident-vram0: 3 MiB\n");
    make(*state, 815, 3, "/dev/dri/renderD129",
         "drm-client-id: 9\ndrm-pdev: 0000:83:00.0\ndrm-resident-vram0: 1 GiB\n");
    make(*state, 99, 3, "/tmp/dev/dri/renderD128", "drm-client-id: 9\ndrm-pdev: 0000:03:00.0\n");
    assert_int_equal(look(*state, "0000:03:00.0", found, ROOM), 1);
    assert_int_equal(found[0].pid, 4711);
    assert_int_equal(found[0].bytes, 5 * MIB); /* 2 of one client, 3 of the other */
    assert_int_equal(look(*state, "0000:83:00.0", found, ROOM), 1);
    assert_int_equal(found[0].pid, 815);
    assert_int_equal(found[0].bytes, 1024LL * MIB);
}

static void nonsense_is_no_process(void **state)
{
    struct card_process found[ROOM];
    make(*state, 1, 3, "/dev/dri/renderD128", "drm-pdev\ndrm-pdev: \n:\n\n");
    make(*state, 2, 3, "/dev/dri/renderD128",
         "drm-client-id: -\ndrm-pdev: 0000:03:00.0\ndrm-memory-vram: 99999999999999 GiB\n"
         "drm-resident-vram0: lots\n");
    make(*state, 3, 3, "/dev/dri/renderD128", "drm-client-id: 4\ndrm-pdev: 0000:03:00.0\n");
    assert_int_equal(look(*state, "0000:03:00.0", found, ROOM), 0);
    for (int pid = 4; pid < 7; pid++) {
        make(*state, pid, 3, "/dev/dri/renderD128", "drm-pdev: 0000:03:00.0\ndrm-memory-vram: 1\n");
    }
    assert_int_equal(look(*state, "0000:03:00.0", found, ROOM), 3);
    assert_int_equal(look(*state, "0000:03:00.0", found, 2), 2);
}

#define FOLDER(test) cmocka_unit_test_setup_teardown(test, temp_folder_make, temp_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER(processes_are_told_by_card),
        FOLDER(nonsense_is_no_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
