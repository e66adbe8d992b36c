#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>

#include "proto/clock.h"
#include "worker/errand.h"

enum { LONG_MS = 30000, SHORT_MS = 20 };

struct sum {
    int left, right, result;
};

static void add(void *data)
{
    struct sum *sum = data;
    sum->result = sum->left + sum->right;
}

/* A call that comes back when its pipe is written to or closed; it tells so on another. */
struct stuck {
    int gate, done;
    int passed;
};

static void wait_at_gate(void *data)
{
    struct stuck *self = data;
    char byte = 0;
    (void)!read(self->gate, &byte, 1);
    self->passed = 1;
    (void)!write(self->done, "d", 1);
}

static void what_is_done_comes_back(void **state)
{
    (void)state;
    errand_t *errand = errand_new();
    for (int i = 0; i < 1000; i++) {
        struct sum sum = { i, 2, 0 };
        assert_int_equal(errand_run(errand, add, &sum, sizeof sum, LONG_MS), 0);
        assert_int_equal(sum.result, i + 2);
    }
    assert_false(errand_is_stuck(errand));
    errand_destroy(&errand);
    assert_null(errand);
    errand_destroy(&errand);
}

static void who_waits_in_vain_goes_on(void **state)
{
    (void)state;
    int gate[2];
    int done[2];
    char byte = 0;
    assert_int_equal(pipe(gate), 0);
    assert_int_equal(pipe(done), 0);
    errand_t *errand = errand_new();
    struct stuck stuck = { gate[0], done[1], 0 };
    struct sum sum = { 1, 2, 0 };
    assert_int_equal(errand_run(errand, wait_at_gate, &stuck, sizeof stuck, SHORT_MS), -ETIMEDOUT);
    assert_int_equal(stuck.passed, 0);
    assert_true(errand_is_stuck(errand));
    int64_t begun_ms = clock_mono_ms();
    assert_int_equal(errand_run(errand, add, &sum, sizeof sum, LONG_MS), -ETIMEDOUT);
    assert_true(clock_mono_ms() - begun_ms < LONG_MS / 2);

    assert_int_equal(write(gate[1], "g", 1), 1); /* now it comes back, and its answer is dropped */
    assert_int_equal(read(done[0], &byte, 1), 1);
    while (errand_run(errand, add, &sum, sizeof sum, LONG_MS) != 0) {
    }
    assert_int_equal(sum.result, 3);
    assert_int_equal(stuck.passed, 0);
    errand_destroy(&errand);
    for (int i = 0; i < 2; i++) {
        close(gate[i]);
        close(done[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_done_comes_back),
        cmocka_unit_test(who_waits_in_vain_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
