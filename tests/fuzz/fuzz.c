#include "tests/fuzz/fuzz.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"

/* libFuzzer is told to silence stderr, where the code under test logs; findings go past that. */
static int report_fd = STDERR_FILENO;

__attribute__((weak)) void fuzz_set_up(void)
{
}

/* libFuzzer chose the signature. NOLINTNEXTLINE(readability-non-const-parameter) */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    (void)signal(SIGPIPE, SIG_IGN); /* as all programs of ours do */
    report_fd = dup(STDERR_FILENO);
    fuzz_set_up();
    return 0;
}

uint8_t fuzz_byte(struct fuzz_bytes *self)
{
    if (self->left == 0) {
        return 0;
    }
    self->left--;
    return *self->at++;
}

uint64_t fuzz_number(struct fuzz_bytes *self, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)fuzz_byte(self) << 8 * i;
    }
    return value;
}

char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = alloc_zero(size + 1, 1);
    if (size > 0) {
        memcpy(text, data, size);
    }
    return text;
}

char *fuzz_line(struct fuzz_bytes *self, size_t *size)
{
    if (self->left == 0) {
        return NULL;
    }
    const uint8_t *newline = memchr(self->at, '\n', self->left);
    *size = newline ? (size_t)(newline - self->at) : self->left;
    char *line = fuzz_text(self->at, *size);
    self->left -= *size + (newline != NULL);
    self->at += *size + (newline != NULL);
    return line;
}

void fuzz_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)dprintf(report_fd, "%s:%d: ", file, line);
    (void)vdprintf(report_fd, format, args);
    (void)dprintf(report_fd, "\n");
    va_end(args);
    abort();
}
