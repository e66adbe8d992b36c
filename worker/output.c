#include "worker/output.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"

enum { GAP_BYTES = OUTPUT_MAX_BYTES - OUTPUT_HEAD_BYTES - OUTPUT_TAIL_BYTES };

struct output {
    char *head; /* the first OUTPUT_HEAD_BYTES, filled once */
    size_t head_size;
    char *tail; /* a ring of OUTPUT_TAIL_BYTES for what came after */
    size_t tail_begin, tail_size;
    unsigned long long left_out; /* bytes that the ring has dropped */
};

output_t *output_new(void)
{
    output_t *self = alloc_zero(1, sizeof *self);
    self->head = alloc_zero(1, OUTPUT_HEAD_BYTES);
    self->tail = alloc_zero(1, OUTPUT_TAIL_BYTES);
    return self;
}

void output_destroy(output_t **self_p)
{
    if (*self_p) {
        free((*self_p)->head);
        free((*self_p)->tail);
        free(*self_p);
        *self_p = NULL;
    }
}

void output_clear(output_t *self)
{
    self->head_size = self->tail_begin = self->tail_size = 0;
    self->left_out = 0;
}

static void drop_first(output_t *self, size_t size)
{
    self->tail_begin = (self->tail_begin + size) % OUTPUT_TAIL_BYTES;
    self->tail_size -= size;
    self->left_out += size;
}

static void add_bytes(output_t *self, const char *bytes, size_t size)
{
    size_t room = OUTPUT_HEAD_BYTES - self->head_size;
    size_t now = size < room ? size : room;
    memcpy(self->head + self->head_size, bytes, now);
    self->head_size += now;
    bytes += now;
    size -= now;
    if (size > OUTPUT_TAIL_BYTES) {
        self->left_out += size - OUTPUT_TAIL_BYTES;
        bytes += size - OUTPUT_TAIL_BYTES;
        size = OUTPUT_TAIL_BYTES;
    }
    if (self->tail_size + size > OUTPUT_TAIL_BYTES) {
        drop_first(self, self->tail_size + size - OUTPUT_TAIL_BYTES);
    }
    size_t at = (self->tail_begin + self->tail_size) % OUTPUT_TAIL_BYTES;
    size_t first = OUTPUT_TAIL_BYTES - at < size ? OUTPUT_TAIL_BYTES - at : size;
    memcpy(self->tail + at, bytes, first);
    memcpy(self->tail, bytes + first, size - first);
    self->tail_size += size;
}

void output_add(output_t *self, const char *line, size_t size)
{
    add_bytes(self, line, size);
    add_bytes(self, "\n", 1);
}

char *output_text(const output_t *self, size_t *size)
{
    size_t room = self->head_size + self->tail_size + (self->left_out > 0 ? GAP_BYTES : 0) + 1;
    char *text = alloc_zero(1, room);
    memcpy(text, self->head, self->head_size);
    size_t used = self->head_size;
    if (self->left_out > 0) {
        used += (size_t)snprintf(text + used, GAP_BYTES, "\n... %llu bytes left out ...\n",
                                 self->left_out);
    }
    size_t first = OUTPUT_TAIL_BYTES - self->tail_begin;
    first = first < self->tail_size ? first : self->tail_size;
    memcpy(text + used, self->tail + self->tail_begin, first);
    memcpy(text + used + first, self->tail, self->tail_size - first);
    used += self->tail_size;
    *size = output_clean(text, used);
    text[*size] = '\0';
    return text;
}

char *output_last(const output_t *self, size_t count, size_t max)
{
    size_t size = 0;
    char *text = output_text(self, &size);
    while (size > 0 && text[size - 1] == '\n') {
        text[--size] = '\0';
    }
    size_t begin = size;
    while (begin > 0 && size - begin < max) {
        if (text[begin - 1] == '\n' && count-- <= 1) {
            break;
        }
        begin--;
    }
    memmove(text, text + begin, size - begin + 1);
    (void)output_clean(text, size - begin); /* the cut may have broken its first character */
    return text;
}

/* Bytes of the UTF-8 character at text, of size bytes that are left; 0 when it is none. */
static size_t character(const unsigned char *text, size_t size)
{
    static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (text[0] < 0x80) {
        return text[0] >= 0x20 || text[0] == '\n' || text[0] == '\t' ? 1 : 0;
    }
    size_t length = text[0] >= 0xF0 ? 4 : text[0] >= 0xE0 ? 3 : 2;
    if (text[0] < 0xC2 || text[0] > 0xF4 || length > size) {
        return 0;
    }
    unsigned value = text[0] & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
        value = value << 6 | (text[i] & 0x3FU);
    }
    bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    return value < least[length] || value > 0x10FFFF || surrogate ? 0 : length;
}

size_t output_clean(char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        size_t length = character((const unsigned char *)text + at, size - at);
        if (length == 0) {
            text[at] = '?';
            length = 1;
        }
        at += length;
    }
    return at;
}
