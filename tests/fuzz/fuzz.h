#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/*
 * fuzz - what all fuzz targets share: a cursor over the input, and how a finding is told
 *
 * A target is one fuzz_NAME.c with LLVMFuzzerTestOneInput: it feeds the input to the code under
 * test and checks with FUZZ_CHECK what must hold for any input. Built with libFuzzer it searches
 * (tests/fuzz/run); built with replay.c it runs its seeds and everything ever found, as a test.
 */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Called by libFuzzer and by replay.c before the first input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* For a target that needs something made once. The default does nothing. */
void fuzz_set_up(void);

/* What is left of an input. Past its end everything reads as zero. */
struct fuzz_bytes {
    const uint8_t *at;
    size_t left;
};

uint8_t fuzz_byte(struct fuzz_bytes *self);

/* Little-endian, of so many bytes. */
uint64_t fuzz_number(struct fuzz_bytes *self, size_t bytes);

/* Up to and without the next newline, as a text of its own; the caller's. NULL at the end. */
char *fuzz_line(struct fuzz_bytes *self, size_t *size);

/* All bytes as a text that ends at the first NUL; the caller's. */
char *fuzz_text(const uint8_t *data, size_t size);

_Noreturn void fuzz_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define FUZZ_CHECK(ok, ...)                                                                        \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            fuzz_fail(__FILE__, __LINE__, __VA_ARGS__);                                            \
        }                                                                                          \
    } while (0)

#endif
