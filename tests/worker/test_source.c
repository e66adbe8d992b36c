#include <fcntl.h>
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
#include "worker/source.h"

/* A job's description of the file at path as it is now. */
static json_t *submit(const char *path, const char *kept)
{
    struct filehash_facts facts;
    assert_int_equal(filehash_facts(path, &facts), 0);
    return json_pack("{s:s, s:I, s:I, s:s, s:s*}", "file", path, "size", (json_int_t)facts.size,
                     "mtime_ns", (json_int_t)facts.mtime_ns, "hash", facts.hash, "kept", kept);
}

static void touch(const char *path, time_t seconds)
{
    struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static struct source_answer look(const json_t *about, bool read_header)
{
    struct source_ask ask;
    struct source_answer answer;
    assert_true(source_from_job(about, &ask));
    ask.read_header = read_header;
    source_look(&ask, &answer);
    source_ask_clear(&ask);
    return answer;
}

static void expect(const json_t *about, enum source_verdict verdict, const char *use)
{
    struct source_answer answer = look(about, false);
    assert_int_equal(answer.verdict, verdict);
    if (use) {
        assert_string_equal(answer.use, use);
    } else {
        assert_null(answer.use);
    }
    source_answer_clear(&answer);
}

static void the_original_is_used_while_it_is_the_same(void **state)
{
    char *path = temp_folder_file(*state, "a.blend", "bytes");
    json_t *about = submit(path, NULL);
    expect(about, SOURCE_OK, path);
    touch(path, 1000000000);
    expect(about, SOURCE_OK, path);
    json_decref(about);
    free(path);
}

static void other_bytes_of_the_same_size_are_another_file(void **state)
{
    char *path = temp_folder_file(*state, "a.blend", "bytes");
    touch(path, 1000000000);
    json_t *about = submit(path, NULL);
    free(temp_folder_file(*state, "a.blend", "BYTES"));
    expect(about, SOURCE_CHANGED, NULL);
    json_decref(about);
    free(path);
}

static void a_file_of_another_size_is_another_file(void **state)
{
    char *path = temp_folder_file(*state, "a.blend", "bytes");
    touch(path, 1000000000);
    json_t *about = submit(path, NULL);
    free(temp_folder_file(*state, "a.blend", "more bytes"));
    touch(path, 1000000000); /* by a program that keeps the time */
    expect(about, SOURCE_CHANGED, NULL);
    json_decref(about);
    free(path);
}

static void the_kept_file_is_not_used_without_need(void **state)
{
    char *path = temp_folder_file(*state, "a.blend", "bytes");
    char *kept = temp_folder_file(*state, ".a.kept.blend", "bytes");
    json_t *about = submit(path, kept);
    expect(about, SOURCE_OK, path);
    json_decref(about);
    free(path);
    free(kept);
}

static void the_kept_file_takes_its_place(void **state)
{
    char *path = temp_folder_file(*state, "a.blend", "bytes");
    char *kept = temp_folder_file(*state, ".a.kept.blend", "bytes");
    json_t *about = submit(path, kept);
    free(temp_folder_file(*state, "a.blend", "saved again"));
    expect(about, SOURCE_OK, kept);
    assert_int_equal(unlink(path), 0);
    expect(about, SOURCE_OK, kept);
    free(temp_folder_file(*state, ".a.kept.blend", "changed too"));
    expect(about, SOURCE_MISSING, NULL);
    free(temp_folder_file(*state, "a.blend", "and again"));
    expect(about, SOURCE_CHANGED, NULL);
    json_decref(about);
    free(path);
    free(kept);
}

static void what_is_no_blend_is_known_by_its_header(void **state)
{
    char *path = temp_folder_file(*state, "a.blend", "bytes");
    json_t *about = submit(path, NULL);
    struct source_answer answer = look(about, true);
    assert_int_equal(answer.verdict, SOURCE_NOT_BLEND);
    source_answer_clear(&answer);
    json_decref(about);
    free(path);
}

static void a_change_while_it_was_opened_is_seen(void **state)
{
    char *path = temp_folder_file(*state, "a.blend", "bytes");
    json_t *about = submit(path, NULL);
    struct source_answer before = look(about, false);
    for (int changed = 0; changed < 2; changed++) {
        struct source_ask ask;
        struct source_answer after;
        assert_true(source_from_job(about, &ask));
        ask.opened = strdup(before.use);
        ask.opened_facts = before.facts;
        if (changed) {
            touch(path, 1000000000);
        }
        source_look(&ask, &after);
        assert_int_equal(after.verdict, changed ? SOURCE_CHANGED : SOURCE_OK);
        source_ask_clear(&ask);
        source_answer_clear(&after);
    }
    source_answer_clear(&before);
    json_decref(about);
    free(path);
}

static void a_thread_answers_through_a_pipe(void **state)
{
    int pipe_fds[2];
    char *path = temp_folder_file(*state, "a.blend", "bytes");
    json_t *about = submit(path, NULL);
    struct source_ask ask;
    struct source_answer answer;
    assert_int_equal(pipe(pipe_fds), 0);
    assert_true(source_from_job(about, &ask));
    ask.id = 77;
    assert_int_equal(source_start(&ask, pipe_fds[1]), 0);
    assert_null(ask.file);
    assert_true(source_receive(pipe_fds[0], &answer)); /* blocks until the thread is through */
    assert_int_equal(answer.id, 77);
    assert_string_equal(answer.use, path);
    source_answer_clear(&answer);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    json_decref(about);
    free(path);
}

static void a_description_without_a_file_is_no_ask(void **state)
{
    struct source_ask ask;
    (void)state;
    json_t *about = json_pack("{s:s}", "hash", "00");
    assert_false(source_from_job(about, &ask));
    json_decref(about);
}

#define FOLDER(test) cmocka_unit_test_setup_teardown(test, temp_folder_make, temp_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER(the_original_is_used_while_it_is_the_same),
        FOLDER(other_bytes_of_the_same_size_are_another_file),
        FOLDER(a_file_of_another_size_is_another_file),
        FOLDER(the_kept_file_is_not_used_without_need),
        FOLDER(the_kept_file_takes_its_place),
        FOLDER(what_is_no_blend_is_known_by_its_header),
        FOLDER(a_change_while_it_was_opened_is_seen),
        FOLDER(a_thread_answers_through_a_pipe),
        FOLDER(a_description_without_a_file_is_no_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
