#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/cleanup.h"
#include "submit/objects.h"

/* Takes object. */
static void assert_line(json_t *object, const char *wanted)
{
    CLEANUP(cleanup_json) json_t *owned = object;
    CLEANUP(cleanup_free) char *got = json_dumps(owned, JSON_COMPACT | JSON_PRESERVE_ORDER);
    assert_string_equal(got, wanted);
}

static void job_has_every_key_in_order(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *empty = json_object();
    assert_line(objects_job(empty),
                "{\"type\":\"job\",\"job\":null,\"name\":null,\"file\":null,\"scene\":null,"
                "\"state\":null,\"priority\":null,\"output\":null,\"frames\":{\"total\":null,"
                "\"waiting\":null,\"claimed\":null,\"done\":null,\"kept\":null,\"taken\":null,"
                "\"failed\":null,\"cancelled\":null},\"warnings\":[],\"submitted\":null,"
                "\"finished\":null,\"eta_s\":null,\"memory\":{\"gpu_peak_bytes\":null,"
                "\"gpu_rss_peak_bytes\":null,\"cpu_rss_peak_bytes\":null},\"error\":null}");
}

static void what_is_not_documented_is_left_out(void **state)
{
    (void)state;
    CLEANUP(cleanup_json)
    json_t *wire =
        json_pack("{s:s, s:i, s:s, s:{s:s, s:s, s:s, s:i}}", "phase", "x", "job", 7, "worker",
                  "h/cpu", "error", "hint", "h", "text", "t", "code", "c", "more", 1);
    assert_line(objects_worker(wire),
                "{\"type\":\"worker\",\"worker\":\"h/cpu\",\"device\":null,\"host\":null,"
                "\"pid\":null,\"state\":null,\"job\":7,\"frames\":null,\"blender\":null,"
                "\"done\":null,\"error\":{\"code\":\"c\",\"text\":\"t\",\"hint\":\"h\"},"
                "\"rests_until\":null,\"telemetry\":null}");
    assert_line(objects_frame(wire),
                "{\"type\":\"frame\",\"job\":7,\"frame\":null,\"state\":null,\"attempts\":null,"
                "\"worker\":\"h/cpu\",\"ms\":null,\"files\":[],\"error\":{\"code\":\"c\","
                "\"text\":\"t\",\"hint\":\"h\"}}");
}

static void event_and_error_have_their_keys(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *wire = json_pack("{s:s, s:i}", "event", "frame-done", "id", 9);
    assert_line(objects_event(wire),
                "{\"type\":\"event\",\"time\":null,\"event\":\"frame-done\",\"job\":null,"
                "\"frame\":null,\"worker\":null,\"text\":null}");
    assert_line(objects_error("not-blend", "/a", 0, "t", NULL),
                "{\"type\":\"error\",\"code\":\"not-blend\",\"file\":\"/a\",\"job\":null,"
                "\"text\":\"t\",\"hint\":null}");
}

static void accessors_never_fail(void **state)
{
    (void)state;
    CLEANUP(cleanup_json) json_t *job = json_pack("{s:{s:i, s:n}}", "frames", "done", 3, "total");
    assert_string_equal(objects_str(NULL, "x"), "");
    assert_string_equal(objects_str(job, "frames"), "");
    assert_int_equal(objects_int(job, "frames"), 0);
    assert_int_equal(objects_frames(job, "done"), 3);
    assert_int_equal(objects_frames(job, "total"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(job_has_every_key_in_order),
        cmocka_unit_test(what_is_not_documented_is_left_out),
        cmocka_unit_test(event_and_error_have_their_keys),
        cmocka_unit_test(accessors_never_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
