#ifndef SUBMIT_TEXT_H
#define SUBMIT_TEXT_H

/*
 * text - strings for people: their width on a terminal, made safe, made to fit
 *
 * File names and Blender's messages come from outside and may hold anything, also bytes that
 * move the cursor. What is printed for people goes through text_clean first. Widths are columns
 * (wcwidth), never bytes; they need setlocale(LC_CTYPE) to have been called.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A copy without control characters and broken UTF-8 (each becomes '?'). The caller frees it. */
char *text_clean(const char *text);

/* Columns that text takes. */
size_t text_width(const char *text);

/*
 * A copy that takes exactly width columns: cut with an ellipsis or filled with spaces, on the
 * left if right is set. The caller frees it.
 */
char *text_fit(const char *text, size_t width, bool right);

/* True if the locale can show more than ASCII. */
bool text_unicode(void);

/* A bar of width columns of which the given part (0..1) is full. The caller frees it. */
char *text_bar(double part, size_t width);

/* "1h 04m", "3m 48s", "12 s", "0.4 s". The caller frees it. */
char *text_duration(int64_t ms);

/*
 * An RFC 3339 time as "19:05:10" of the person's own zone, the date before it if dated is set; as
 * it is if it cannot be read. The caller frees it.
 */
char *text_time(const char *utc, bool dated);

/* "12.3 MiB". The caller frees it. */
char *text_bytes(int64_t bytes);

/* text in single quotes for a shell, if it needs them. The caller frees it. */
char *text_shell(const char *text);

#endif
