#include "submit/table.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "submit/say.h"
#include "submit/term.h"
#include "submit/text.h"

enum { GAP = 2, SHRUNK_MIN = 8 };

struct table {
    const struct table_column *columns;
    size_t column_count;
    char **cells; /* owned, row after row */
    size_t cell_count;
    size_t capacity;
};

table_t *table_new(const struct table_column *columns, size_t count)
{
    table_t *self = alloc_zero(1, sizeof *self);
    self->columns = columns;
    self->column_count = count;
    return self;
}

void table_destroy(table_t **self_p)
{
    assert(self_p);
    if (*self_p) {
        for (size_t i = 0; i < (*self_p)->cell_count; i++) {
            free((*self_p)->cells[i]);
        }
        free((*self_p)->cells);
        free(*self_p);
        *self_p = NULL;
    }
}

void table_cell(table_t *self, char *text)
{
    if (self->cell_count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 64;
        self->cells = alloc_resize(self->cells, self->capacity, sizeof *self->cells);
    }
    self->cells[self->cell_count++] = text ? text : alloc_text("");
}

static void measure(const table_t *self, size_t limit, size_t *widths)
{
    size_t sum = 0;
    for (size_t c = 0; c < self->column_count; c++) {
        widths[c] = text_width(self->columns[c].title);
        for (size_t i = c; i < self->cell_count; i += self->column_count) {
            size_t width = text_width(self->cells[i]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
        sum += widths[c] + (c > 0 ? GAP : 0);
    }
    for (size_t c = 0; c < self->column_count && sum > limit; c++) {
        if (self->columns[c].flags & TABLE_SHRINKS) {
            size_t excess = sum - limit;
            size_t least = widths[c] < SHRUNK_MIN ? widths[c] : SHRUNK_MIN;
            size_t width = widths[c] > excess + least ? widths[c] - excess : least;
            sum -= widths[c] - width;
            widths[c] = width;
        }
    }
}

static void print_cell(const table_t *self, size_t column, const char *text, size_t width,
                       FILE *stream)
{
    const struct table_column *about = &self->columns[column];
    bool last = column + 1 == self->column_count;
    bool right = about->flags & TABLE_RIGHT;
    if (last && !right && text_width(text) < width) {
        width = text_width(text); /* no blanks at the end of a line */
    }
    CLEANUP(cleanup_free) char *fitted = text_fit(text, width, right);
    enum term_colour colour = about->flags & TABLE_STATE ? term_state_colour(text) : TERM_PLAIN;
    const char *on = colour == TERM_PLAIN ? "" : term_code(stream, colour);
    const char *off = colour == TERM_PLAIN ? "" : term_code(stream, TERM_PLAIN);
    fprintf(stream, "%s%s%s%*s", on, fitted, off, last ? 0 : GAP, "");
}

void table_print(const table_t *self, FILE *stream)
{
    size_t rows = self->column_count ? self->cell_count / self->column_count : 0;
    if (rows == 0) {
        return;
    }
    CLEANUP(cleanup_free) size_t *widths = alloc_zero(self->column_count, sizeof *widths);
    measure(self, term_width(stream), widths);
    fputs(term_code(stream, TERM_BOLD), stream);
    for (size_t c = 0; c < self->column_count; c++) {
        print_cell(self, c, self->columns[c].title, widths[c], stream);
    }
    if (fprintf(stream, "%s\n", term_code(stream, TERM_PLAIN)) < 0) {
        say_lost(errno);
    }
    for (size_t i = 0; i < rows * self->column_count; i++) {
        size_t column = i % self->column_count;
        print_cell(self, column, self->cells[i], widths[column], stream);
        if (column + 1 == self->column_count && fputc('\n', stream) == EOF) {
            say_lost(errno);
        }
    }
}
