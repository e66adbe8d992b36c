#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/task.h"

/* Walk through the states; every step must be allowed. */
static struct task *walk(enum task_kind kind, const enum task_state *states, size_t count)
{
    struct task *task = task_new(7, kind, 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(task_move(task, states[i], (int64_t)i + 1));
        assert_int_equal(task->since_ms, i + 1);
    }
    return task;
}

static void a_frame_goes_from_look_to_proof(void **state)
{
    static const enum task_state way[] = { TASK_LOOKING,   TASK_LOOKED,  TASK_TAKING, TASK_TAKEN,
                                           TASK_RENDERING, TASK_PROVING, TASK_ENDED };
    (void)state;
    struct task *task = walk(TASK_RENDER, way, sizeof way / sizeof *way);
    task_destroy(&task);
    assert_null(task);
}

static void an_inspection_may_begin_anew(void **state)
{
    static const enum task_state way[] = { TASK_INSPECTING, TASK_NEW, TASK_INSPECTING,
                                           TASK_SURVEYING, TASK_ENDED };
    (void)state;
    struct task *task = walk(TASK_INSPECT, way, sizeof way / sizeof *way);
    task_destroy(&task);
}

static void what_has_ended_moves_no_more(void **state)
{
    static const enum task_state way[] = { TASK_LOOKING, TASK_ENDED };
    (void)state;
    struct task *task = walk(TASK_RENDER, way, 2);
    for (int to = 0; to < TASK_STATES; to++) {
        assert_false(task_move(task, (enum task_state)to, 9));
    }
    assert_int_equal(task->state, TASK_ENDED);
    assert_int_equal(task->since_ms, 2);
    task_destroy(&task);
}

static void no_frame_is_rendered_that_was_not_taken(void **state)
{
    static const enum task_state way[] = { TASK_LOOKING, TASK_LOOKED };
    (void)state;
    struct task *task = walk(TASK_RENDER, way, 2);
    assert_false(task_move(task, TASK_RENDERING, 9));
    assert_false(task_move(task, TASK_PROVING, 9));
    task_destroy(&task);
}

static void phases_are_those_of_the_wire(void **state)
{
    static const struct {
        enum task_kind kind;
        enum task_state state;
        const char *phase;
        bool unproven, ahead;
    } cases[] = {
        { TASK_RENDER, TASK_NEW, "ahead", true, true },
        { TASK_RENDER, TASK_LOOKED, "ahead", true, true },
        { TASK_RENDER, TASK_TAKING, "rendering", true, false },
        { TASK_RENDER, TASK_RENDERING, "rendering", true, false },
        { TASK_RENDER, TASK_PROVING, "proof", false, false },
        { TASK_RENDER, TASK_GIVING_UP, "proof", false, false },
        { TASK_INSPECT, TASK_SURVEYING, "inspecting", false, false },
        { TASK_SWEEP, TASK_SWEEPING, "sweeping", false, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct task *task = task_new(1, cases[i].kind, 0);
        task->state = cases[i].state;
        assert_string_equal(task_phase(task), cases[i].phase);
        assert_int_equal(task_unproven(task), cases[i].unproven);
        assert_int_equal(task_ahead(task), cases[i].ahead);
        task_destroy(&task);
    }
}

static void kinds_have_words(void **state)
{
    enum task_kind kind = TASK_RENDER;
    (void)state;
    assert_true(task_kind_parse("sweep", &kind));
    assert_int_equal(kind, TASK_SWEEP);
    assert_string_equal(task_kind_name(kind), "sweep");
    assert_false(task_kind_parse("bake", &kind));
    assert_int_equal(kind, TASK_SWEEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_goes_from_look_to_proof),
        cmocka_unit_test(an_inspection_may_begin_anew),
        cmocka_unit_test(what_has_ended_moves_no_more),
        cmocka_unit_test(no_frame_is_rendered_that_was_not_taken),
        cmocka_unit_test(phases_are_those_of_the_wire),
        cmocka_unit_test(kinds_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
