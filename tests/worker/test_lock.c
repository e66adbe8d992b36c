#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/worker/temp_folder.h"
#include "worker/lock.h"

static struct device make_device(const char *id, const char *list)
{
    char *copy = strdup(id);
    struct device device = { .id = copy, .kind = DEVICE_CPU, .cpus = hwloc_bitmap_alloc() };
    assert_non_null(copy);
    assert_int_equal(hwloc_bitmap_list_sscanf(device.cpus, list), 0);
    device.threads = hwloc_bitmap_weight(device.cpus);
    return device;
}

/* What a child process gets for the device while we hold ours: its outcome, and the text. */
static int in_a_child(const struct temp_folder *folder, const struct device *device, char text[256])
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        lock_t *lock = NULL;
        char *holder = NULL;
        char *overlap = NULL;
        int rc = lock_take(folder->path, device, "host/other", &lock, &holder, &overlap);
        dprintf(fds[1], "%s", holder ? holder : overlap ? overlap : "");
        _exit(rc < 0 ? 99 : rc);
    }
    close(fds[1]);
    size_t used = 0;
    ssize_t size = 0;
    while ((size = read(fds[0], text + used, 255 - used)) > 0) {
        used += (size_t)size;
    }
    text[used] = '\0';
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static lock_t *take(const struct temp_folder *folder, const struct device *device)
{
    lock_t *lock = NULL;
    char *holder = NULL;
    char *overlap = NULL;
    assert_int_equal(lock_take(folder->path, device, "host/mine", &lock, &holder, &overlap), 0);
    assert_null(holder);
    assert_null(overlap);
    return lock;
}

static void a_held_device_is_refused_with_its_holder(void **state)
{
    char text[256];
    char pid[32];
    struct device device = make_device("cpu:0-1", "0-1");
    lock_t *lock = take(*state, &device);
    assert_int_equal(in_a_child(*state, &device, text), LOCK_HELD);
    assert_true(snprintf(pid, sizeof pid, "pid %d", (int)getpid()) > 0);
    assert_non_null(strstr(text, pid));
    assert_non_null(strstr(text, "host/mine"));
    lock_release(&lock);
    assert_null(lock);
    assert_int_equal(in_a_child(*state, &device, text), 0);
    device_clear(&device);
}

static void overlapping_cores_are_told(void **state)
{
    char text[256];
    struct device device = make_device("cpu:0-1", "0-1");
    struct device other = make_device("cpu:1-2", "1-2");
    struct device apart = make_device("cpu:5", "5");
    lock_t *lock = take(*state, &device);
    assert_int_equal(in_a_child(*state, &other, text), 0);
    assert_non_null(strstr(text, "host/mine"));
    assert_int_equal(in_a_child(*state, &apart, text), 0);
    assert_string_equal(text, "");
    lock_release(&lock);
    device_clear(&device);
    device_clear(&other);
    device_clear(&apart);
}

static void a_dead_holder_holds_nothing(void **state)
{
    char text[256];
    struct device device = make_device("cpu:3", "3");
    assert_int_equal(in_a_child(*state, &device, text), 0);
    lock_t *lock = take(*state, &device);
    lock_release(&lock);
    device_clear(&device);
}

static void a_long_list_of_cores_has_a_file_too(void **state)
{
    char id[4096] = "cpu:0";
    size_t used = strlen(id);
    for (int cpu = 2; cpu < 1000; cpu += 2) {
        used += (size_t)snprintf(id + used, sizeof id - used, "+%d", cpu);
        assert_true(used < sizeof id);
    }
    struct device device = make_device(id, "0");
    lock_t *lock = take(*state, &device);
    lock_release(&lock);
    device_clear(&device);
}

static void a_group_and_a_card_of_it_exclude_each_other(void **state)
{
    char text[256];
    char ids[][24] = { "pci:0000:17:00.0", "pci:0000:31:00.0", "pci:0000:b1:00.0" };
    struct card cards[3] = { { .id = ids[0] }, { .id = ids[1] }, { .id = ids[2] } };
    struct device group = make_device("pci:0000:17:00.0+pci:0000:31:00.0", "0-3");
    struct device second = make_device("pci:0000:31:00.0+cpu", "2-3");
    struct device third = make_device("pci:0000:b1:00.0", "4-5");
    group.kind = second.kind = third.kind = DEVICE_GPU;
    group.card_count = 2;
    second.card_count = third.card_count = 1;
    group.cards[0] = &cards[0];
    group.cards[1] = second.cards[0] = &cards[1];
    third.cards[0] = &cards[2];
    lock_t *lock = take(*state, &group);
    assert_int_equal(in_a_child(*state, &second, text), LOCK_HELD);
    assert_non_null(strstr(text, "device pci:0000:31:00.0 is held by worker host/mine"));
    assert_int_equal(in_a_child(*state, &third, text), 0);
    lock_release(&lock);
    lock = take(*state, &second);
    assert_int_equal(in_a_child(*state, &group, text), LOCK_HELD);
    lock_release(&lock);
    assert_int_equal(in_a_child(*state, &group, text), 0);
    device_clear(&group);
    device_clear(&second);
    device_clear(&third);
}

#define FOLDER(test) cmocka_unit_test_setup_teardown(test, temp_folder_make, temp_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER(a_held_device_is_refused_with_its_holder),
        FOLDER(overlapping_cores_are_told),
        FOLDER(a_dead_holder_holds_nothing),
        FOLDER(a_group_and_a_card_of_it_exclude_each_other),
        FOLDER(a_long_list_of_cores_has_a_file_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
