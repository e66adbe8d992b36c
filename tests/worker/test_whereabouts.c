#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/worker/made_cards.h"
#include "worker/whereabouts.h"

static whereabouts_t *made(bool on_card)
{
    const struct device device = made_device(&made_nvidia[0], NULL);
    whereabouts_t *self = whereabouts_new(&device);
    whereabouts_begin(self, on_card);
    return self;
}

/* The end of a frame: words of its warning; NULL: none. Releases it. */
static void ends(whereabouts_t *self, const char *words)
{
    json_t *warning = whereabouts_end(self);
    if (!words) {
        assert_null(warning);
    } else {
        const char *code = json_string_value(json_object_get(warning, "code"));
        const char *text = json_string_value(json_object_get(warning, "text"));
        assert_non_null(code);
        assert_non_null(text);
        assert_string_equal(code, "other-device");
        assert_non_null(strstr(text, words));
    }
    json_decref(warning);
    whereabouts_destroy(&self);
    assert_null(self);
}

static void one_that_is_where_it_should_be_is_fine(void **state)
{
    (void)state;
    whereabouts_t *self = made(true);
    for (int i = 0; i < WHEREABOUTS_LOOKS * 2; i++) {
        whereabouts_note(self, i == 3, NULL); /* it came late, and went again */
    }
    ends(self, NULL);
}

static void another_card_is_told_even_if_it_was_there_once(void **state)
{
    (void)state;
    whereabouts_t *self = made(true);
    whereabouts_note(self, true, NULL);
    whereabouts_note(self, true, "pci:0000:c1:00.0 (NVIDIA RTX A6000)");
    whereabouts_note(self, true, NULL);
    ends(self, "pci:0000:c1:00.0");
}

static void a_frame_begins_without_the_last_ones_sights(void **state)
{
    (void)state;
    whereabouts_t *self = made(true);
    whereabouts_note(self, true, "pci:0000:c1:00.0");
    whereabouts_begin(self, true);
    whereabouts_note(self, true, NULL);
    ends(self, NULL);
    self = made(true);
    for (int i = 0; i < WHEREABOUTS_LOOKS - 1; i++) {
        whereabouts_note(self, false, NULL);
    }
    whereabouts_begin(self, true);
    whereabouts_note(self, false, NULL);
    ends(self, NULL);
}

static void a_frame_without_looks_says_nothing(void **state)
{
    (void)state;
    ends(made(true), NULL);
}

static void never_seen_on_its_card_is_told_after_some_looks(void **state)
{
    struct stat st;
    (void)state;
    if (stat("/proc/self/ns/pid", &st) != 0 || st.st_ino != 0xEFFFFFFCU) {
        skip(); /* in a container nothing follows from it */
    }
    whereabouts_t *self = made(true);
    for (int i = 0; i < WHEREABOUTS_LOOKS - 1; i++) {
        whereabouts_note(self, false, NULL);
    }
    ends(self, NULL);
    self = made(true);
    for (int i = 0; i < WHEREABOUTS_LOOKS; i++) {
        whereabouts_note(self, false, NULL);
    }
    ends(self, "did not see");
    self = made(false); /* on the CPU, by choice */
    for (int i = 0; i < WHEREABOUTS_LOOKS; i++) {
        whereabouts_note(self, false, NULL);
    }
    ends(self, NULL);
}

/* ---- looks at cards: these take the place of worker/card ---- */

enum { CARDS = 2 };

struct cards {
    const struct card *list[CARDS];
    struct card_process on[CARDS]; /* pid 0: nobody */
    int rc;                        /* of the question who is there */
};

size_t cards_count(const cards_t *self)
{
    (void)self;
    return CARDS;
}

const struct card *cards_at(const cards_t *self, size_t index)
{
    return self->list[index];
}

int cards_processes(cards_t *self, size_t index, struct card_process *out, size_t max,
                    size_t *count)
{
    assert_true(max > 0);
    out[0] = self->on[index];
    *count = self->on[index].pid != 0;
    return self->rc;
}

enum { MUCH = 1 << 30, LITTLE = 1 << 20 };

/* The warning, NULL for none, of a frame on the first card during which this is seen. */
static json_t *after_looks(const struct card cards[CARDS], int rc, struct card_process own,
                           struct card_process other)
{
    cards_t list = { { &cards[0], &cards[1] }, { own, other }, rc };
    const struct device device = made_device(&cards[0], NULL);
    whereabouts_t *self = whereabouts_new(&device);
    whereabouts_begin(self, true);
    for (int i = 0; i < WHEREABOUTS_LOOKS; i++) {
        whereabouts_look(self, &list, getpid());
    }
    json_t *warning = whereabouts_end(self);
    whereabouts_destroy(&self);
    return warning;
}

static bool warns(const struct card cards[CARDS], int rc, struct card_process own,
                  struct card_process other)
{
    json_t *warning = after_looks(cards, rc, own, other);
    json_decref(warning);
    return warning != NULL;
}

static const struct card_process nobody;

static void what_blender_started_is_blender(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also where this test fails */
        (void)pause();
        _exit(0);
    }
    const struct card_process below = { .pid = child, .bytes = MUCH };
    const struct card_process init = { .pid = 1, .bytes = MUCH };
    assert_true(warns(made_nvidia, 0, nobody, below));
    assert_false(warns(made_nvidia, 0, below, nobody));
    assert_false(warns(made_nvidia, 0, below, init)); /* others are where they like */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void a_driver_that_does_not_say_says_nothing(void **state)
{
    (void)state;
    assert_false(warns(made_nvidia, -ENOTSUP, nobody, nobody));
}

/* The kernel's DRM files: HIP works past them, and opens all cards that there are. */
static void of_other_makers_only_much_memory_on_another_card_counts(void **state)
{
    const struct card_process little = { .pid = getpid(), .bytes = LITTLE };
    const struct card_process much = { .pid = getpid(), .bytes = MUCH };
    (void)state;
    assert_false(warns(made_amd, 0, nobody, nobody));
    assert_false(warns(made_amd, 0, much, little));
    assert_true(warns(made_amd, 0, much, much));
    assert_true(warns(made_amd, 0, nobody, much));
    assert_true(warns(made_nvidia, 0, much, little)); /* NVML knows */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_where_it_should_be_is_fine),
        cmocka_unit_test(another_card_is_told_even_if_it_was_there_once),
        cmocka_unit_test(a_frame_begins_without_the_last_ones_sights),
        cmocka_unit_test(a_frame_without_looks_says_nothing),
        cmocka_unit_test(never_seen_on_its_card_is_told_after_some_looks),
        cmocka_unit_test(what_blender_started_is_blender),
        cmocka_unit_test(a_driver_that_does_not_say_says_nothing),
        cmocka_unit_test(of_other_makers_only_much_memory_on_another_card_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
