#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/lines.h"

struct rig {
    int pair[2];
    lines_t *lines;
};

static struct rig rig_of(size_t cap)
{
    struct rig rig;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, rig.pair), 0);
    assert_int_equal(fcntl(rig.pair[0], F_SETFL, O_NONBLOCK), 0);
    rig.lines = lines_new(rig.pair[0], cap);
    return rig;
}

static void rig_close(struct rig *rig)
{
    lines_destroy(&rig->lines);
    lines_destroy(&rig->lines);
    cleanup_fd(&rig->pair[0]);
    cleanup_fd(&rig->pair[1]);
}

static void put(const struct rig *rig, const char *text)
{
    assert_int_equal(write(rig->pair[1], text, strlen(text)), strlen(text));
}

static void gets_line(const struct rig *rig, const char *wanted, bool cut)
{
    struct lines_line line;
    assert_int_equal(lines_next(rig->lines, &line), LINES_OK);
    assert_string_equal(line.text, wanted);
    assert_int_equal(line.size, strlen(wanted));
    assert_int_equal(line.cut, cut);
}

static void gets(const struct rig *rig, int outcome)
{
    struct lines_line line;
    assert_int_equal(lines_next(rig->lines, &line), outcome);
}

static void lines_come_whole_however_the_bytes_arrive(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(100);
    gets(&rig, LINES_AGAIN);
    put(&rig, "one\ntw");
    gets_line(&rig, "one", false);
    gets(&rig, LINES_AGAIN);
    put(&rig, "o\n\nthree\r\n");
    gets_line(&rig, "two", false);
    gets_line(&rig, "", false);
    gets_line(&rig, "three", false);
    gets(&rig, LINES_AGAIN);
}

static void a_last_line_without_newline_is_a_line(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(100);
    put(&rig, "a\nrest");
    cleanup_fd(&rig.pair[1]);
    gets_line(&rig, "a", false);
    gets_line(&rig, "rest", false);
    gets(&rig, LINES_END);
    gets(&rig, LINES_END);
}

static void a_line_of_exactly_the_cap_is_whole(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(5);
    put(&rig, "12345\n67890\n");
    gets_line(&rig, "12345", false);
    gets_line(&rig, "67890", false);
}

static void a_longer_line_is_cut_and_its_rest_dropped(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(5);
    put(&rig, "123456\nnext\n");
    gets_line(&rig, "12345", true);
    gets_line(&rig, "next", false);
    put(&rig, "abcdefghijklmnopq");
    gets_line(&rig, "abcde", true);
    gets(&rig, LINES_AGAIN);
    put(&rig, "rs\nend");
    cleanup_fd(&rig.pair[1]);
    gets_line(&rig, "end", false);
    gets(&rig, LINES_END);
}

static void a_dropped_rest_may_end_the_stream(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(3);
    put(&rig, "abcdef");
    cleanup_fd(&rig.pair[1]);
    gets_line(&rig, "abc", true);
    gets(&rig, LINES_END);
}

static void long_lines_make_the_buffer_grow_to_the_cap_only(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(50000);
    CLEANUP(cleanup_free) char *text = alloc_zero(60001, 1);
    memset(text, 'x', 60000);
    put(&rig, text);
    struct lines_line line;
    assert_int_equal(lines_next(rig.lines, &line), LINES_OK);
    assert_int_equal(line.size, 50000);
    assert_true(line.cut);
    put(&rig, "\nok\n");
    gets_line(&rig, "ok", false);
}

static void many_random_pieces_give_the_same_lines(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(64);
    const char text[] = "a\nbb\n\nccc\r\ndddddddddddd\ne\n";
    const char *const wanted[] = { "a", "bb", "", "ccc", "dddddddddddd", "e" };
    size_t at = 0;
    uint32_t seed = 7;
    for (int i = 0; i < 600; i++) {
        struct lines_line line;
        while (lines_next(rig.lines, &line) == LINES_AGAIN) {
            seed = seed * 1664525u + 1013904223u;
            char piece[8];
            size_t size = 1 + (seed >> 24) % 7;
            for (size_t k = 0; k < size; k++) {
                piece[k] = text[at++ % (sizeof text - 1)];
            }
            assert_int_equal(write(rig.pair[1], piece, size), size);
        }
        assert_string_equal(line.text, wanted[i % 6]);
    }
}

static void json_is_sent_as_one_line(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(100);
    CLEANUP(cleanup_json) json_t *value = json_pack("{s:s,s:i}", "do", "a\nb", "id", 3);
    assert_int_equal(lines_send(rig.pair[1], value, 1000), 0);
    gets_line(&rig, "{\"do\":\"a\\nb\",\"id\":3}", false);
}

static void sending_to_a_closed_end_is_no_signal(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(100);
    cleanup_fd(&rig.pair[0]);
    CLEANUP(cleanup_json) json_t *value = json_object();
    assert_int_equal(lines_send(rig.pair[1], value, 1000), -EPIPE);
}

static void sending_to_a_reader_that_sleeps_ends_in_time(void **state)
{
    (void)state;
    CLEANUP(rig_close) struct rig rig = rig_of(100);
    CLEANUP(cleanup_free) char *text = alloc_zero(3000001, 1);
    memset(text, 'x', 3000000);
    CLEANUP(cleanup_json) json_t *value = json_string(text);
    assert_int_equal(lines_send(rig.pair[1], value, 20), -ETIMEDOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_however_the_bytes_arrive),
        cmocka_unit_test(a_last_line_without_newline_is_a_line),
        cmocka_unit_test(a_line_of_exactly_the_cap_is_whole),
        cmocka_unit_test(a_longer_line_is_cut_and_its_rest_dropped),
        cmocka_unit_test(a_dropped_rest_may_end_the_stream),
        cmocka_unit_test(long_lines_make_the_buffer_grow_to_the_cap_only),
        cmocka_unit_test(many_random_pieces_give_the_same_lines),
        cmocka_unit_test(json_is_sent_as_one_line),
        cmocka_unit_test(sending_to_a_closed_end_is_no_signal),
        cmocka_unit_test(sending_to_a_reader_that_sleeps_ends_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
