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
#include "worker/sysfs.h"

static const struct sysfs_pci card = { 0, 0x65, 0, 0 };

static void make(const char *root, const char *path, const char *content)
{
    char text[1024];
    assert_true(snprintf(text, sizeof text, "%s/%s", root, path) < (int)sizeof text);
    for (char *at = text + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        (void)mkdir(text, 0700); /* it may be there */
        *at = '/';
    }
    FILE *file = fopen(text, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#define DEVICE "sys/bus/pci/devices/0000:65:00.0/"

static void addresses_are_read_and_written(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        { "0000:65:00.0", "0000:65:00.0" },     { "65:00.0", "0000:65:00.0" },
        { "00000000:65:1F.7", "0000:65:1f.7" }, { "10000:e1:00.0", "00010000:e1:00.0" },
        { "0:0:0.0", "0000:00:00.0" },
    };
    static const char *const wrong[] = { "",          "65",         "65:00",          "65:00.8",
                                         "65:20.0",   "65:00.0 ",   "g5:00.0",        "065:00.0",
                                         "0:65:0.0x", "-1:65:00.0", "123456789:0:0.0" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct sysfs_pci pci;
        char text[SYSFS_PCI_TEXT];
        assert_true(sysfs_pci_parse(texts[i][0], &pci));
        sysfs_pci_format(&pci, text);
        assert_string_equal(text, texts[i][1]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct sysfs_pci pci = { 7, 7, 7, 7 };
        assert_false(sysfs_pci_parse(wrong[i], &pci));
        assert_int_equal(pci.bus, 7);
    }
}

static void addresses_have_an_order(void **state)
{
    (void)state;
    static const char *const texts[] = { "65:00.0", "65:00.1", "65:01.0", "66:00.0", "1:00:00.0" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            struct sysfs_pci left;
            struct sysfs_pci right;
            assert_true(sysfs_pci_parse(texts[i], &left) && sysfs_pci_parse(texts[k], &right));
            int order = sysfs_pci_compare(&left, &right);
            assert_true(i < k ? order < 0 : i > k ? order > 0 : order == 0);
        }
    }
}

static void files_are_not_trusted(void **state)
{
    struct temp_folder *folder = *state;
    assert_int_equal(setenv("HWLOC_FSROOT", folder->path, 1), 0);
    make(folder->path, DEVICE "plain", "4711\n");
    make(folder->path, DEVICE "hex", "0x1f\n");
    make(folder->path, DEVICE "words", "12 monkeys\n");
    make(folder->path, DEVICE "minus", "-3\n");
    make(folder->path, DEVICE "huge", "99999999999999999999\n");
    make(folder->path, DEVICE "empty", "");
    make(folder->path, DEVICE "name", "a\x1b[31m\xc3\xa9\nsecond");
    assert_int_equal(sysfs_int(&card, "plain"), 4711);
    assert_int_equal(sysfs_int(&card, "hex"), 31);
    static const char *const none[] = { "words", "minus", "huge", "empty", "name", "missing" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(sysfs_int(&card, none[i]), -1);
    }
    char *name = sysfs_text(&card, "name");
    assert_string_equal(name, "a?[31m??");
    free(name);
    assert_null(sysfs_text(&card, "empty"));
    assert_int_equal(unsetenv("HWLOC_FSROOT"), 0);
}

static void sensors_and_screens_are_found(void **state)
{
    struct temp_folder *folder = *state;
    assert_int_equal(setenv("HWLOC_FSROOT", folder->path, 1), 0);
    assert_false(sysfs_is_there(&card));
    make(folder->path, DEVICE "hwmon/hwmon3/temp1_input", "55000\n");
    make(folder->path, DEVICE "hwmon/other/temp2_input", "1\n");
    make(folder->path, DEVICE "drm/card0/card0-DP-1/status", "disconnected\n");
    make(folder->path, DEVICE "drm/card0/card0-HDMI-A-1/status", "disconnected\n");
    assert_true(sysfs_is_there(&card));
    assert_int_equal(sysfs_sensor(&card, "temp1_input"), 55000);
    assert_int_equal(sysfs_sensor(&card, "temp2_input"), -1);
    assert_false(sysfs_display(&card));
    make(folder->path, DEVICE "drm/card0/card0-HDMI-A-1/status", "connected\n");
    assert_true(sysfs_display(&card));
    assert_null(sysfs_driver(&card));
    char link[1024];
    assert_true(snprintf(link, sizeof link, "%s/" DEVICE "driver", folder->path) > 0);
    assert_int_equal(symlink("../../drivers/amdgpu", link), 0);
    char *driver = sysfs_driver(&card);
    assert_string_equal(driver, "amdgpu");
    free(driver);
    assert_int_equal(unsetenv("HWLOC_FSROOT"), 0);
}

#define FOLDER(test) cmocka_unit_test_setup_teardown(test, temp_folder_make, temp_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(addresses_have_an_order),
        FOLDER(files_are_not_trusted),
        FOLDER(sensors_and_screens_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
