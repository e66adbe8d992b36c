#include "proto/frame_name.h"

#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

char *frame_name(const struct frame_name *self, int32_t frame)
{
    int digits = self->digits < 0                       ? 0
                 : self->digits > FRAME_NAME_DIGITS_MAX ? FRAME_NAME_DIGITS_MAX
                                                        : self->digits;
    return alloc_format("%s%.*d%s", self->head, digits, frame, self->tail);
}

bool frame_name_match(const struct frame_name *self, const char *path, int32_t *frame)
{
    size_t head = strlen(self->head);
    size_t tail = strlen(self->tail);
    size_t size = strlen(path);
    if (size <= head + tail || strncmp(path, self->head, head) != 0 ||
        strcmp(path + size - tail, self->tail) != 0) {
        return false;
    }
    size_t number = size - head - tail;
    const char *digit = path + head;
    size_t sign = digit[0] == '-';
    if (number > FRAME_NAME_DIGITS_MAX + 1 || strspn(digit + sign, "0123456789") < number - sign ||
        number == sign) {
        return false;
    }
    long value = 0;
    for (size_t i = sign; i < number; i++) {
        value = value * 10 + (digit[i] - '0');
        if (value > INT32_MAX) {
            return false;
        }
    }
    /* 007 is no name of a pattern with two digits: only what frame_name makes is one */
    CLEANUP(cleanup_free) char *made = frame_name(self, (int32_t)(sign ? -value : value));
    if (strcmp(made, path) != 0) {
        return false;
    }
    *frame = (int32_t)(sign ? -value : value);
    return true;
}
