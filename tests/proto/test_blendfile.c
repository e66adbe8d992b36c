#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "proto/blendfile.h"
#include "proto/cleanup.h"
#include "tests/proto/files.h"

static char made[65536];
static size_t made_size;

static void add(const void *bytes, size_t size)
{
    assert_true(made_size + size <= sizeof made);
    memcpy(made + made_size, bytes, size);
    made_size += size;
}

static void add_number(uint64_t value, size_t size, bool big_endian)
{
    for (size_t i = 0; i < size; i++) {
        size_t shift = 8 * (big_endian ? size - 1 - i : i);
        char byte = (char)(value >> shift);
        add(&byte, 1);
    }
}

/* A block of so many bytes, in the layout that goes with the header. */
static void add_block(const char *header, const char *code, uint32_t size)
{
    static const char zeros[4096];
    bool big_endian = header[8] == 'V';
    bool large = header[7] == '1';
    size_t pointer = header[7] == '_' ? 4 : 8;
    add(code, 4);
    if (large) {
        add_number(0, 4, false);
        add_number(1, 8, false);
        add_number(size, 8, false);
        add_number(1, 8, false);
    } else {
        add_number(size, 4, big_endian);
        add_number(1, pointer, big_endian);
        add_number(0, 4, big_endian);
        add_number(1, 4, big_endian);
    }
    add(zeros, size);
}

/* A .blend of three blocks: REND, DNA1, ENDB. */
static void make(const char *header)
{
    made_size = 0;
    add(header, strlen(header));
    add_block(header, "REND", 72);
    add_block(header, "DATA", 4096);
    add_block(header, "DNA1", 500);
    add_block(header, "ENDB", 0);
}

static int read_made(struct blendfile *out)
{
    files_write("f.blend", made, made_size);
    return blendfile_read(files_path("f.blend"), out);
}

static void headers_of_all_ages_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        struct blendfile wanted;
    } cases[] = {
        { "BLENDER-v304", { 304, BLENDFILE_PLAIN, 8, false, false } },
        { "BLENDER_v279", { 279, BLENDFILE_PLAIN, 4, false, false } },
        { "BLENDER_V242", { 242, BLENDFILE_PLAIN, 4, true, false } },
        { "BLENDER-V250", { 250, BLENDFILE_PLAIN, 8, true, false } },
        { "BLENDER17-01v0500", { 500, BLENDFILE_PLAIN, 8, false, true } },
        { "BLENDER19-01v1203xy", { 1203, BLENDFILE_PLAIN, 8, false, true } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make(cases[i].header);
        struct blendfile file = { 0 };
        assert_int_equal(read_made(&file), BLENDFILE_OK);
        assert_int_equal(file.version, cases[i].wanted.version);
        assert_int_equal(file.pointer_bytes, cases[i].wanted.pointer_bytes);
        assert_int_equal(file.big_endian, cases[i].wanted.big_endian);
        assert_int_equal(file.large_header, cases[i].wanted.large_header);
    }
}

static void a_file_that_was_cut_is_told(void **state)
{
    (void)state;
    const char *const headers[] = { "BLENDER-v304", "BLENDER_V242", "BLENDER17-01v0500" };
    for (size_t i = 0; i < 3; i++) {
        make(headers[i]);
        size_t end_block = headers[i][7] == '1' ? 32 : headers[i][7] == '_' ? 20 : 24;
        size_t whole = made_size - end_block; /* Blender opens it without the ENDB */
        struct blendfile file = { 0 };
        for (size_t cut = whole; cut > 120; cut -= cut % 97 + 1) {
            made_size = cut;
            assert_int_equal(read_made(&file), cut == whole ? BLENDFILE_OK : BLENDFILE_TRUNCATED);
        }
        for (size_t cut = 7; cut < 20; cut++) {
            made_size = cut;
            assert_int_equal(read_made(&file), BLENDFILE_TRUNCATED);
        }
    }
}

static void other_bytes_are_no_blend(void **state)
{
    (void)state;
    const char *const texts[] = { "",
                                  "B",
                                  "BLENDE",
                                  "hello, this is a text",
                                  "BLENDER+v304abcdefgh",
                                  "BLENDER-v3x4abcdefgh",
                                  "BLENDER-w304abcdefgh",
                                  "BLENDER11-01v0500abcdefghijklmn",
                                  "\x1f\x8b",
                                  "\x1f\x8b not gzip at all",
                                  "\x28\xb5\x2f\xfd no" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct blendfile file = { .version = 77 };
        files_write("f.blend", texts[i], strlen(texts[i]));
        assert_int_equal(blendfile_read(files_path("f.blend"), &file), BLENDFILE_NOT_BLEND);
        assert_int_equal(file.version, 77);
    }
}

static void packed_files_are_read_through(void **state)
{
    (void)state;
    make("BLENDER-v293");
    gzFile gzip = gzopen(files_path("gz.blend"), "wb");
    assert_non_null(gzip);
    assert_int_equal(gzwrite(gzip, made, (unsigned)made_size), made_size);
    assert_int_equal(gzclose(gzip), Z_OK);
    struct blendfile file = { 0 };
    assert_int_equal(blendfile_read(files_path("gz.blend"), &file), BLENDFILE_OK);
    assert_int_equal(file.version, 293);
    assert_int_equal(file.packing, BLENDFILE_GZIP);
    char packed[65536];
    size_t size = 0;
    for (size_t at = 0; at < made_size; at += 1000) { /* several frames, as Blender writes them */
        size_t piece = made_size - at < 1000 ? made_size - at : 1000;
        size += ZSTD_compress(packed + size, sizeof packed - size, made + at, piece, 3);
    }
    files_write("zst.blend", packed, size);
    assert_int_equal(blendfile_read(files_path("zst.blend"), &file), BLENDFILE_OK);
    assert_int_equal(file.packing, BLENDFILE_ZSTD);
    files_write("cut.blend", packed, size / 2);
    assert_int_equal(blendfile_read(files_path("cut.blend"), &file), BLENDFILE_TRUNCATED);
}

static void a_packed_file_that_was_cut_is_told(void **state)
{
    (void)state;
    make("BLENDER-v293");
    gzFile gzip = gzopen(files_path("gz.blend"), "wb0");
    assert_non_null(gzip);
    assert_int_equal(gzwrite(gzip, made, (unsigned)made_size), made_size);
    assert_int_equal(gzclose(gzip), Z_OK);
    size_t size = 0;
    CLEANUP(cleanup_free) char *bytes = files_read(files_path("gz.blend"), &size);
    struct blendfile file = { 0 };
    files_write("cut.blend", bytes, size / 2);
    assert_int_equal(blendfile_read(files_path("cut.blend"), &file), BLENDFILE_TRUNCATED);
}

static void a_layout_of_the_future_still_tells_its_version(void **state)
{
    (void)state;
    made_size = 0;
    add("BLENDER17-02v0612", 17);
    add("blocks that nobody knows yet", 28);
    struct blendfile file = { 0 };
    assert_int_equal(read_made(&file), BLENDFILE_OK);
    assert_int_equal(file.version, 612);
}

static void sizes_out_of_this_world_are_damage(void **state)
{
    (void)state;
    made_size = 0;
    add("BLENDER-v304", 12);
    add("DATA\xff\xff\xff\xff", 8);
    add("0123456789abcdef", 16);
    struct blendfile file = { 0 };
    assert_int_equal(read_made(&file), BLENDFILE_TRUNCATED);
    made_size = 0;
    add("BLENDER17-01v0500", 17);
    add("DATA\0\0\0\0\1\2\3\4\5\6\7\7\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0\0\0\0\0\0", 32);
    assert_int_equal(read_made(&file), BLENDFILE_TRUNCATED);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct blendfile file = { 0 };
    assert_int_equal(blendfile_read(files_path("nothing"), &file), -ENOENT);
    assert_int_equal(blendfile_read(files_path(""), &file), -EISDIR);
    assert_int_equal(mkfifo(files_path("pipe"), 0600), 0);
    assert_int_equal(blendfile_read(files_path("pipe"), &file), BLENDFILE_NOT_BLEND);
}

static void versions_have_words(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *text;
    } cases[] = { { 304, "3.4" }, { 279, "2.79" },  { 280, "2.80" }, { 300, "3.0" },
                  { 500, "5.0" }, { 1203, "12.3" }, { 402, "4.2" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[16];
        blendfile_version_text(cases[i].version, text);
        assert_string_equal(text, cases[i].text);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(headers_of_all_ages_are_read),
        TEST(a_file_that_was_cut_is_told),
        TEST(other_bytes_are_no_blend),
        TEST(packed_files_are_read_through),
        TEST(a_packed_file_that_was_cut_is_told),
        TEST(a_layout_of_the_future_still_tells_its_version),
        TEST(sizes_out_of_this_world_are_damage),
        TEST(what_is_no_file_is_refused),
        TEST(versions_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
