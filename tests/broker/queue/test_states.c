/* The tables of life cycles, and the words for them. */

#include "sim.h"

#include <string.h>

/* "from to" of every move that DESIGN.md, Life of a frame, allows. */
static const char *const frame_moves[] = {
    "waiting claimed",   "claimed done",    "claimed waiting", "claimed failed",
    "claimed kept",      "claimed taken",   "taken waiting",   "waiting cancelled",
    "claimed cancelled", "taken cancelled", "failed waiting",  "cancelled waiting",
    "done waiting",      "kept waiting",    "done failed",     "kept failed",
};

static const char *const job_moves[] = {
    "queued inspecting", "inspecting held",      "inspecting active", "inspecting queued",
    "inspecting failed", "held active",          "held queued",       "active done",
    "active failed",     "queued paused",        "inspecting paused", "active paused",
    "paused queued",     "paused active",        "paused held",       "queued cancelled",
    "held cancelled",    "inspecting cancelled", "active cancelled",  "paused cancelled",
    "done active",       "done queued",          "done held",         "failed active",
    "failed queued",     "failed held",          "cancelled active",  "cancelled queued",
    "cancelled held",
};

static bool listed(const char *const *moves, size_t count, const char *from, const char *to)
{
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(from);
        if (strncmp(moves[i], from, size) == 0 && moves[i][size] == ' ' &&
            strcmp(moves[i] + size + 1, to) == 0) {
            return true;
        }
    }
    return false;
}

static void frames_move_along_the_table_only(void **state)
{
    (void)state;
    for (int from = 0; from < FRAME_STATES; from++) {
        for (int to = 0; to < FRAME_STATES; to++) {
            assert_int_equal(frame_may_move((enum frame_state)from, (enum frame_state)to),
                             listed(frame_moves, sizeof frame_moves / sizeof *frame_moves,
                                    frame_state_name((enum frame_state)from),
                                    frame_state_name((enum frame_state)to)));
        }
    }
    assert_false(frame_may_move(FRAME_STATES, FRAME_WAITING));
}

static void jobs_move_along_the_table_only(void **state)
{
    (void)state;
    for (int from = 0; from < JOB_STATES; from++) {
        for (int to = 0; to < JOB_STATES; to++) {
            assert_int_equal(job_may_move((enum job_state)from, (enum job_state)to),
                             listed(job_moves, sizeof job_moves / sizeof *job_moves,
                                    job_state_name((enum job_state)from),
                                    job_state_name((enum job_state)to)));
        }
    }
}

static void words_and_values_stand_for_each_other(void **state)
{
    (void)state;
/* NOLINTBEGIN(bugprone-macro-parentheses): the name of a type cannot stand in parentheses */
#define BOTH_WAYS(noun, type, count)                                                               \
    for (int i = 0; i < (int)(count); i++) {                                                       \
        enum type value;                                                                           \
        assert_int_equal(noun##_parse(noun##_name((enum type)i), &value), 0);                      \
        assert_int_equal(value, i);                                                                \
        assert_true(noun##_parse("no such word", &value) < 0);                                     \
        assert_true(noun##_parse(NULL, &value) < 0);                                               \
    }
    BOTH_WAYS(frame_state, frame_state, FRAME_STATES)
    BOTH_WAYS(job_state, job_state, JOB_STATES)
    BOTH_WAYS(claim_outcome, claim_outcome, OUTCOMES)
    BOTH_WAYS(claim_kind, claim_kind, CLAIM_KINDS)
    BOTH_WAYS(claim_phase, claim_phase, PHASES)
    BOTH_WAYS(device_kind, device_kind, DEVICE_KINDS)
    BOTH_WAYS(report_what, report_what, REPORT_WHATS)
    BOTH_WAYS(worker_state, worker_state, WORKER_STATES)
    /* NOLINTEND(bugprone-macro-parentheses) */
    assert_string_equal(event_word_name(EVENT_JOB_ADDED), "job-added");
    assert_string_equal(event_word_name(EVENT_WORKER_LOST), "worker-lost");
    assert_string_equal(event_word_name(EVENT_FRAME_CANCELLED), "frame-cancelled");
    assert_string_equal(drain_order_name(DRAIN_NONE), "");
    assert_string_equal(drain_order_name(DRAIN_NOW), "now");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_move_along_the_table_only),
        cmocka_unit_test(jobs_move_along_the_table_only),
        cmocka_unit_test(words_and_values_stand_for_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
