#include <string.h>

#include "broker/requests.h"
#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/json_wire.h"
#include "proto/messages.h"

enum { OUTPUT_BYTES = 65536 };

/* Bytes of a character that begins with lead; 0: no character begins so. */
static size_t character_size(unsigned char lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4) {
        return 0;
    }
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* The bytes of the whole character at text; 0: none, 1 to 4. *cut: it is only its beginning. */
static size_t read_character(const char *text, size_t size, bool *cut)
{
    size_t length = character_size((unsigned char)text[0]);
    size_t have = 1;
    while (have < length && have < size && ((unsigned char)text[have] & 0xc0) == 0x80) {
        have++;
    }
    *cut = have < length && have == size;
    if (have < length) {
        return 0;
    }
    if (length == 1) {
        return 1;
    }
    CLEANUP(cleanup_json) json_t *checked = json_stringn(text, length);
    return checked ? length : 0; /* surrogates and overlong forms look whole */
}

/*
 * Blender prints file names as they are, so its output may be no UTF-8: such bytes and NUL become
 * '?', in place, so that offsets stay. Returns the size without a character that is cut at the
 * end; the rest of it comes with the next request.
 */
static size_t clean(char *text, size_t size, bool more)
{
    for (size_t at = 0; at < size;) {
        bool cut = false;
        size_t length = read_character(text + at, size - at, &cut);
        if (cut && more) {
            return at;
        }
        if (length == 0 || text[at] == '\0') {
            text[at] = '?';
            length = 1;
        }
        at += length;
    }
    return size;
}

/* Lines without their breaks; one that is too long for a string comes as several. */
static json_t *cut_into_lines(const char *text, size_t size)
{
    json_t *lines = json_array();
    for (size_t at = 0; at < size;) {
        size_t most = size - at < WIRE_STRING_BYTES ? size - at : WIRE_STRING_BYTES;
        const char *end = memchr(text + at, '\n', most);
        size_t length = end ? (size_t)(end - (text + at)) : most;
        while (!end && at + length < size && ((unsigned char)text[at + length] & 0xc0) == 0x80) {
            length--; /* not within a character */
        }
        json_array_append_new(lines, json_stringn(text + at, length));
        at += length + (end != NULL);
    }
    return lines;
}

/* A page ends with a line, so that no line is cut in two for nothing. */
static size_t whole_lines(const char *text, size_t size)
{
    const char *end = memrchr(text, '\n', size);
    return end ? (size_t)(end - text) + 1 : size;
}

json_t *request_output(const struct request *request)
{
    struct output_place place = {
        .job = msg_int_or(request->body, "job", 0),
        .frame = (int32_t)msg_int_or(request->body, "frame", 0),
        .offset = msg_int_or(request->body, "offset", 0),
    };
    CLEANUP(cleanup_free) char *text = alloc_zero(1, OUTPUT_BYTES);
    size_t size = 0;
    int rc = output_read(request->broker->output, &place, text, OUTPUT_BYTES, &size);
    if (rc < 0) {
        return requests_fault(rc);
    }
    bool more = size == OUTPUT_BYTES;
    size = clean(text, size, more);
    size = more ? whole_lines(text, size) : size;
    json_t *answer = requests_ok();
    msg_set(answer, "lines", cut_into_lines(text, size));
    msg_set(answer, "next", more ? json_integer(place.offset + (int64_t)size) : json_null());
    return answer;
}
