#include "proto/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *pointer)
{
    if (!pointer) {
        static const char text[] = "out of memory\n";
        (void)fputs(text, stderr); /* nothing can be done about a closed stderr */
        abort();
    }
    return pointer;
}

void *alloc_zero(size_t count, size_t size)
{
    /* calloc(0) may give NULL, which would read as no memory */
    return or_abort(calloc(count ? count : 1, size ? size : 1));
}

void *alloc_resize(void *pointer, size_t count, size_t size)
{
    return or_abort(reallocarray(pointer, count ? count : 1, size ? size : 1));
}

char *alloc_text(const char *text)
{
    return text ? or_abort(strdup(text)) : NULL;
}

char *alloc_bytes(const void *bytes, size_t size)
{
    if (size == SIZE_MAX) {
        return or_abort(NULL);
    }
    char *copy = or_abort(malloc(size + 1));
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    copy[size] = '\0';
    return copy;
}

char *alloc_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int size = vasprintf(&text, format, args);
    va_end(args);
    return or_abort(size < 0 ? NULL : text);
}
