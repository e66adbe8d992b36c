#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/cleanup.h"
#include "submit/member.h"
#include "submit/progress.h"
#include "submit/summary.h"
#include "submit/target.h"
#include "submit/text.h"

static json_t *job_with(int total, int done, int kept, int claimed)
{
    return json_pack("{s:i, s:s, s:s, s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i}}", "job", 1, "name",
                     "shot", "state", "active", "frames", "total", total, "done", done, "kept",
                     kept, "claimed", claimed, "failed", 0, "cancelled", 0, "taken", 0);
}

static struct progress_rate rate_at(progress_t *progress, int done, int kept, int64_t now_ms)
{
    CLEANUP(cleanup_json) json_t *job = job_with(100, done, kept, 2);
    return progress_rate_of(progress, job, now_ms);
}

static void there_is_no_estimate_before_a_whole_frame(void **state)
{
    (void)state;
    CLEANUP(progress_destroy) progress_t *progress = progress_new(1000);
    assert_int_equal(rate_at(progress, 0, 0, 1000).left_ms, -1);
    assert_int_equal(rate_at(progress, 0, 5, 9000).left_ms, -1);
}

static void estimate_comes_from_the_frames_seen(void **state)
{
    (void)state;
    CLEANUP(progress_destroy) progress_t *progress = progress_new(1000);
    (void)rate_at(progress, 0, 0, 1000);
    struct progress_rate rate = rate_at(progress, 1, 0, 3000);
    assert_int_equal(rate.left_ms, 99 * 2000);
    assert_int_equal((int)rate.per_minute, 30);
    rate = rate_at(progress, 1, 0, 4000);
    assert_int_equal(rate.left_ms, 99 * 2000 - 1000);
}

static void kept_frames_do_not_make_it_faster(void **state)
{
    (void)state;
    CLEANUP(progress_destroy) progress_t *progress = progress_new(1000);
    (void)rate_at(progress, 0, 0, 1000);
    struct progress_rate rate = rate_at(progress, 1, 89, 3000);
    assert_int_equal(rate.left_ms, 10 * 2000);
}

static void taken_frames_are_said_and_not_estimated(void **state)
{
    (void)state;
    CLEANUP(progress_destroy) progress_t *progress = progress_new(1000);
    (void)rate_at(progress, 0, 0, 1000);
    CLEANUP(cleanup_json) json_t *job = job_with(100, 98, 0, 0);
    json_object_set_new(json_object_get(job, "frames"), "taken", json_integer(2));
    struct progress_rate rate = progress_rate_of(progress, job, 9000);
    assert_int_equal(rate.left_ms, 0);
    CLEANUP(cleanup_free) char *line = progress_job_line(job, &rate, 200);
    assert_non_null(strstr(line, "frames/min, 2 taken by somebody else"));
}

static void old_frames_leave_the_window(void **state)
{
    (void)state;
    CLEANUP(progress_destroy) progress_t *progress = progress_new(1000);
    (void)rate_at(progress, 0, 0, 0);
    (void)rate_at(progress, 1, 0, 600000);
    for (int i = 0; i < 10; i++) {
        (void)rate_at(progress, 2 + i, 0, 730000 + i * 1000);
    }
    struct progress_rate rate = rate_at(progress, 20, 0, 740000);
    assert_true(rate.per_minute > 40);
}

static void lines_fit_the_terminal(void **state)
{
    (void)state;
    struct progress_rate rate = { 34.2, 228000 };
    CLEANUP(cleanup_json) json_t *job = job_with(250, 100, 20, 2);
    CLEANUP(cleanup_free) char *wide = progress_job_line(job, &rate, 120);
    CLEANUP(cleanup_free) char *narrow = progress_job_line(job, &rate, 40);
    assert_non_null(strstr(wide, "120/250"));
    assert_non_null(strstr(wide, "34.2 frames/min, 3m 48s left"));
    assert_non_null(strstr(wide, "48 %"));
    assert_int_equal(text_width(narrow), 40);
}

static void workers_show_blenders_phase(void **state)
{
    (void)state;
    CLEANUP(cleanup_json)
    json_t *worker = json_pack("{s:s, s:s, s:[i, i], s:s, s:{s:i}}", "worker", "ws1/cpu:0-3",
                               "state", "rendering", "frames", 12, 13, "phase", "sample 128/512",
                               "telemetry", "gpu_temperature_c", 71);
    CLEANUP(cleanup_free) char *line = progress_worker_line(worker);
    assert_non_null(strstr(line, "ws1/cpu:0-3"));
    assert_non_null(strstr(line, "frame 12"));
    assert_non_null(strstr(line, "71 C  sample 128/512"));
}

static void idle_workers_say_what_they_leave_to_others(void **state)
{
    (void)state;
    CLEANUP(cleanup_json)
    json_t *worker = json_pack("{s:s, s:s, s:[], s:s, s:{s:s}}", "worker", "ws1/gpu", "state",
                               "idle", "frames", "phase", "", "error", "text", "its card is small");
    CLEANUP(cleanup_free) char *line = progress_worker_line(worker);
    CLEANUP(cleanup_free) char *phase = progress_worker_phase(worker);
    assert_non_null(strstr(line, "idle its card is small"));
    assert_string_equal(phase, "its card is small");
    json_object_del(worker, "error");
    CLEANUP(cleanup_free) char *plain = progress_worker_line(worker);
    assert_string_equal(strrchr(plain, ' '), " idle");
}

static json_t *movie_detail(const char *frames)
{
    return json_pack("{s:{s:{s:o}}, s:{s:i, s:i, s:i, s:i, s:s, s:s, s:[{s:s, s:s, s:i, s:s}]}}",
                     "spec", "options", "frames", json_loads(frames, 0, NULL), "found",
                     "frame_start", 1, "frame_end", 9, "frame_step", 1, "frame_current", 1, "fps",
                     "24", "movie", "/out/my film.mp4", "outputs", "view", "", "head", "/out/100%-",
                     "digits", 4, "tail", ".png");
}

static void movie_command_can_be_pasted(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *detail = movie_detail("[3, 9, 1]");
    CLEANUP(cleanup_free) char *command = summary_movie(detail);
    assert_string_equal(command,
                        "ffmpeg -framerate 24 -start_number 3 -i /out/100%%-%04d.png -frames:v 7 "
                        "-c:v libx264 -pix_fmt yuv420p -crf 18 '/out/my film.mp4'");
}

static void movie_of_stepped_frames_reads_just_these(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *detail = movie_detail("[-2, -2, 1, 1, 9, 2]");
    CLEANUP(cleanup_free) char *command = summary_movie(detail);
    assert_non_null(strstr(command,
                           "for n in $(seq -2 1 -2; seq 1 2 9); do "
                           "cat \"$(printf /out/100%%-%.4d.png $n)\"; done | ffmpeg"));
}

static void movie_of_an_odd_size_is_padded(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *detail = movie_detail("[3, 9, 1]");
    json_object_set_new(json_object_get(detail, "found"), "height", json_integer(25));
    CLEANUP(cleanup_free) char *command = summary_movie(detail);
    assert_non_null(strstr(command, "-vf 'pad=ceil(iw/2)*2:ceil(ih/2)*2'"));
}

static void scenes_of_pictures_have_no_movie(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *detail = movie_detail("[1, 9, 1]");
    json_object_del(json_object_get(detail, "found"), "movie");
    assert_null(summary_movie(detail));
}

static void job_numbers_are_digits(void **state)
{
    (void)state;
    long long number = 0;
    assert_true(target_is_number("12", &number));
    assert_int_equal(number, 12);
    assert_false(target_is_number("./12", &number));
    assert_false(target_is_number("0", &number));
    assert_false(target_is_number("", &number));
    assert_false(target_is_number("99999999999999999999", &number));
}

static void pauses_double_up_to_a_minute(void **state)
{
    (void)state;
    assert_int_equal(member_pause_ms(1), 1000);
    assert_int_equal(member_pause_ms(2), 2000);
    assert_int_equal(member_pause_ms(6), 32000);
    assert_int_equal(member_pause_ms(7), 60000);
    assert_int_equal(member_pause_ms(1000), 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_no_estimate_before_a_whole_frame),
        cmocka_unit_test(estimate_comes_from_the_frames_seen),
        cmocka_unit_test(kept_frames_do_not_make_it_faster),
        cmocka_unit_test(taken_frames_are_said_and_not_estimated),
        cmocka_unit_test(old_frames_leave_the_window),
        cmocka_unit_test(lines_fit_the_terminal),
        cmocka_unit_test(workers_show_blenders_phase),
        cmocka_unit_test(idle_workers_say_what_they_leave_to_others),
        cmocka_unit_test(movie_command_can_be_pasted),
        cmocka_unit_test(movie_of_stepped_frames_reads_just_these),
        cmocka_unit_test(movie_of_an_odd_size_is_padded),
        cmocka_unit_test(scenes_of_pictures_have_no_movie),
        cmocka_unit_test(job_numbers_are_digits),
        cmocka_unit_test(pauses_double_up_to_a_minute),
    };
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
