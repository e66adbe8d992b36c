#include "proto/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static void fill(void *out, size_t size)
{
    /* up to 256 bytes getrandom is never cut short once the kernel's pool is ready */
    if (getrandom(out, size, 0) != (ssize_t)size) {
        perror("getrandom");
        abort();
    }
}

void random_hex(char *out, size_t digits)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t bytes[128];
    for (size_t i = 0; i < digits; i++) {
        size_t at = i % sizeof bytes;
        if (at == 0) {
            size_t left = digits - i;
            fill(bytes, left < sizeof bytes ? left : sizeof bytes);
        }
        out[i] = hex[bytes[at] & 15];
    }
    out[digits] = '\0';
}

uint32_t random_below(uint32_t limit)
{
    if (limit == 0) {
        return 0;
    }
    uint32_t unfair = UINT32_MAX - UINT32_MAX % limit; /* values from here on are drawn again */
    uint32_t value = 0;
    do {
        fill(&value, sizeof value);
    } while (value >= unfair);
    return value % limit;
}
