#include "proto/log.h"

#include <czmq.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/clock.h"

#define LINE_BYTES 8192
#define HELD_BYTES 4096 /* a pipe takes that much as a whole: lines of two programs do not mix */

static char program_name[64] = "dblend";
static atomic_bool debug_on; /* a signal handler or another thread may switch it */

static _Thread_local bool holding;
static _Thread_local size_t held_size;
static _Thread_local char held[HELD_BYTES];

static void write_out(const char *text, size_t size)
{
    if (size > 0) {
        ssize_t rc = write(STDERR_FILENO, text, size);
        (void)rc; /* there is nobody to tell */
    }
}

void log_hold(void)
{
    holding = true;
}

void log_release(void)
{
    int saved = errno;
    holding = false;
    write_out(held, held_size);
    held_size = 0;
    errno = saved;
}

static void put_line(const char *line, size_t size)
{
    if (held_size + size > sizeof held) {
        write_out(held, held_size);
        held_size = 0;
    }
    if (holding && size <= sizeof held) {
        memcpy(held + held_size, line, size);
        held_size += size;
    } else {
        write_out(line, size);
    }
}

void log_open(const char *program, bool verbose)
{
    (void)snprintf(program_name, sizeof program_name, "%s", program);
    log_set_debug(verbose);
    zsys_handler_set(NULL);
    zsys_set_logstream(stderr); /* by default it is stdout, where our data goes */
}

void log_set_debug(bool on)
{
    atomic_store(&debug_on, on);
}

bool log_is_debug(void)
{
    return atomic_load(&debug_on);
}

void log_plain(char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) {
            *text = '?';
        }
    }
}

/* What each line begins with; the rest follows at what is returned. */
static char *write_head(char line[LINE_BYTES], const char *level)
{
    _Static_assert(LINE_BYTES > CLOCK_TEXT_SIZE + sizeof program_name + 32, "a head fits");
    clock_rfc3339(clock_wall_ms(), line);
    const char *const words[] = { " ", program_name, " ", level, " " };
    char *at = line + strlen(line);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        at = stpcpy(at, words[i]);
    }
    return at;
}

__attribute__((format(printf, 2, 0))) static void write_line(const char *level, const char *format,
                                                             va_list args)
{
    int saved = errno;
    char line[LINE_BYTES];
    char *text = write_head(line, level);
    int room = (int)(line + sizeof line - 1 - text); /* one for the line's end */
    int size = vsnprintf(text, (size_t)room, format, args);
    if (size < 0) {
        size = 0; /* a wide character that cannot be said: ours has none */
    } else if (size >= room) {
        size = room - 1;
    }
    text[size] = '\0';
    log_plain(text);
    text[size] = '\n';
    put_line(line, (size_t)(text + size + 1 - line));
    errno = saved;
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("error", format, args);
    va_end(args);
}

void log_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("warning", format, args);
    va_end(args);
}

void log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("info", format, args);
    va_end(args);
}

void log_debug(const char *format, ...)
{
    if (!log_is_debug()) {
        return;
    }
    va_list args;
    va_start(args, format);
    write_line("debug", format, args);
    va_end(args);
}
