#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/complaint.h"

static void expect(const char *text, const char *code)
{
    struct complaint found = { .code = "?" };
    assert_int_equal(complaint_find(text, &found), 0);
    assert_string_equal(found.code, code);
    assert_non_null(found.hint);
}

static void known_words_have_codes(void **state)
{
    (void)state;
    expect("Fra:1\nError: Build without OpenImageDenoiser\n", "denoiser-missing");
    expect("Error: Cannot render, no camera", "no-camera");
    expect("write: No space left on device", "disk-full");
    expect("Calloc returns null: len=1", "out-of-memory");
    expect("Error: System is out of GPU memory", "out-of-gpu-memory");
    expect("Error: Out of memory in cuMemAlloc_v2(&pointer, size) (x.cpp:1)", "out-of-gpu-memory");
    expect("Error: Failed to create CUDA context (Out of memory)", "out-of-gpu-memory");
    expect("Error: Out of memory in CUDA queue copy_from_device (shade)", "out-of-gpu-memory");
    expect("Error: Out of memory in HIP queue enqueue (shade)", "out-of-gpu-memory");
    expect("Failed to build acceleration structure: OPTIX_ERROR_DEVICE_OUT_OF_MEMORY",
           "out-of-gpu-memory");
    expect("oneAPI: UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY", "out-of-gpu-memory");
    expect("ze: ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY", "out-of-gpu-memory");
    expect("Unable to determine the device handle: GPU is lost.", "device-lost");
    expect("Error: Illegal address in CUDA queue synchronize (shade)", "crashed");
}

static void the_last_complaint_counts(void **state)
{
    (void)state;
    expect("no camera?\nError: Cannot render, no camera\nNo space left on device\n", "disk-full");
}

static void an_error_line_alone_says_nothing(void **state)
{
    struct complaint found = { .code = "untouched" };
    (void)state;
    assert_int_equal(complaint_find("Error: Not freed memory blocks: 2", &found), COMPLAINT_NONE);
    assert_string_equal(found.code, "untouched");
}

static void some_words_spoil_a_picture(void **state)
{
    struct complaint found = { .code = "untouched" };
    (void)state;
    assert_int_equal(complaint_spoiling("No space left on device\nCalloc returns null\n", &found),
                     COMPLAINT_NONE);
    assert_string_equal(found.code, "untouched");
    assert_int_equal(complaint_spoiling("Fra:1 Mem:1M\nError: System is out of GPU memory\n"
                                        "No space left on device\nSaved: 'a.png'\n",
                                        &found),
                     COMPLAINT_OK);
    assert_string_equal(found.code, "out-of-gpu-memory");
}

static void an_end_has_a_code(void **state)
{
    static const struct {
        struct child_end end;
        bool oom;
        const char *last, *code;
    } ends[] = {
        { { true, SIGKILL }, true, "Sample 1/4", "out-of-memory" },
        { { true, SIGKILL }, false, "Sample 1/4", "crashed" },
        { { true, SIGSEGV }, true, "Sample 1/4", "crashed" },
        { { true, SIGABRT }, false, "terminate: std::bad_alloc", "out-of-memory" },
        { { false, 9 }, false, "Traceback", "script-error" },
        { { false, 1 }, false, "", "crashed" },
        { { false, 9 }, false, "No space left on device", "disk-full" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct complaint found = { .code = NULL };
        complaint_of_end(&ends[i].end, ends[i].oom, ends[i].last, &found);
        assert_string_equal(found.code, ends[i].code);
        assert_non_null(found.hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_words_have_codes),
        cmocka_unit_test(the_last_complaint_counts),
        cmocka_unit_test(some_words_spoil_a_picture),
        cmocka_unit_test(an_end_has_a_code),
        cmocka_unit_test(an_error_line_alone_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
