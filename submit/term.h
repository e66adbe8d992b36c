#ifndef SUBMIT_TERM_H
#define SUBMIT_TERM_H

/*
 * term - what the terminal can do: whether there is one, its size, colours
 *
 * Colours appear on a terminal only, and never with NO_COLOR set or TERM=dumb.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum term_colour {
    TERM_PLAIN,
    TERM_BOLD,
    TERM_DIM,
    TERM_RED,
    TERM_GREEN,
    TERM_YELLOW,
    TERM_BLUE,
    TERM_CYAN,
};

/* Columns of the terminal behind stream; 80 where it does not say, huge where it is none. */
size_t term_width(FILE *stream);

/* Rows of the terminal behind stream, 24 where it does not say. */
size_t term_rows(FILE *stream);

bool term_is(FILE *stream);

/* True if a question can be put and answered: standard input and standard error are terminals. */
bool term_can_ask(void);

/* The bytes that switch to colour, "" where stream shows none. */
const char *term_code(FILE *stream, enum term_colour colour);

/* The colour in which a state of a job, frame or worker is shown. */
enum term_colour term_state_colour(const char *state);

#endif
