#include "submit/term.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    DEFAULT_WIDTH = 80,
    DEFAULT_ROWS = 24,
    NO_TERMINAL_WIDTH = 100000,
};

bool term_is(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

size_t term_width(FILE *stream)
{
    if (!term_is(stream)) {
        return NO_TERMINAL_WIDTH;
    }
    struct winsize size = { 0 };
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return DEFAULT_WIDTH;
}

size_t term_rows(FILE *stream)
{
    struct winsize size = { 0 };
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_row > 0) {
        return size.ws_row;
    }
    return DEFAULT_ROWS;
}

bool term_can_ask(void)
{
    return term_is(stdin) && term_is(stderr);
}

static bool coloured(FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return term_is(stream) && !(no_colour && *no_colour) && term && *term &&
           strcmp(term, "dumb") != 0;
}

const char *term_code(FILE *stream, enum term_colour colour)
{
    static const char *const codes[] = {
        [TERM_PLAIN] = "\033[0m", [TERM_BOLD] = "\033[1m",   [TERM_DIM] = "\033[2m",
        [TERM_RED] = "\033[31m",  [TERM_GREEN] = "\033[32m", [TERM_YELLOW] = "\033[33m",
        [TERM_BLUE] = "\033[34m", [TERM_CYAN] = "\033[36m",
    };
    return coloured(stream) ? codes[colour] : "";
}

enum term_colour term_state_colour(const char *state)
{
    static const struct {
        const char *state;
        enum term_colour colour;
    } table[] = {
        { "active", TERM_CYAN },     { "done", TERM_GREEN },      { "kept", TERM_GREEN },
        { "failed", TERM_RED },      { "held", TERM_YELLOW },     { "paused", TERM_YELLOW },
        { "cancelled", TERM_DIM },   { "rendering", TERM_CYAN },  { "claimed", TERM_CYAN },
        { "taken", TERM_YELLOW },    { "resting", TERM_YELLOW },  { "lost", TERM_RED },
        { "draining", TERM_YELLOW }, { "inspecting", TERM_BLUE }, { "opening", TERM_BLUE },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].state, state) == 0) {
            return table[i].colour;
        }
    }
    return TERM_PLAIN;
}
