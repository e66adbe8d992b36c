#include "proto/process.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cleanup.h"

enum { FIELD_STATE = 3, FIELD_START = 22 };

static bool read_line(const char *path, char *text, int size)
{
    CLEANUP(cleanup_file) FILE *file = fopen(path, "re");
    return file && fgets(text, size, file);
}

/* Where the field begins in what is a line of /proc/PID/stat; NULL: it has no such field. */
static const char *find_field(const char *line, int field)
{
    const char *at = strrchr(line, ')'); /* the name before it may hold anything */
    for (int i = FIELD_STATE - 1; at && i < field; i++) {
        at = strchr(at + 1, ' ');
    }
    return at ? at + 1 : NULL;
}

static bool read_stat(pid_t pid, char *text, int size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return read_line(path, text, size);
}

int64_t process_field(pid_t pid, int field)
{
    char text[1024];
    const char *at = read_stat(pid, text, sizeof text) ? find_field(text, field) : NULL;
    return at ? strtoll(at, NULL, 10) : -1;
}

int64_t process_start(pid_t pid)
{
    char text[1024];
    const char *state = read_stat(pid, text, sizeof text) ? find_field(text, FIELD_STATE) : NULL;
    if (!state || *state == 'Z' || *state == 'X') {
        return -1;
    }
    const char *start = find_field(text, FIELD_START);
    return start ? strtoll(start, NULL, 10) : -1;
}

int64_t process_boot(void)
{
    char text[64];
    char digits[16];
    size_t count = 0;
    if (!read_line("/proc/sys/kernel/random/boot_id", text, sizeof text)) {
        return 0;
    }
    for (const char *at = text; *at && count < sizeof digits - 1; at++) {
        if (strchr("0123456789abcdef", *at)) {
            digits[count++] = *at;
        }
    }
    digits[count] = '\0';
    return strtoll(digits, NULL, 16); /* 60 bits, which an int64 holds */
}
