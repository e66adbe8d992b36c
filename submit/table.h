#ifndef SUBMIT_TABLE_H
#define SUBMIT_TABLE_H

/*
 * table - rows and columns for people
 *
 * Columns are as wide as their widest cell; on a terminal that is too narrow the column marked
 * TABLE_SHRINKS gives way. A cell of a column marked TABLE_STATE is coloured by what it says.
 */

#include <stddef.h>
#include <stdio.h>

typedef struct table table_t;

enum table_flags {
    TABLE_LEFT = 0,
    TABLE_RIGHT = 1,
    TABLE_SHRINKS = 2,
    TABLE_STATE = 4,
};

struct table_column {
    const char *title;
    int flags;
};

/* A table of count columns; columns is borrowed for the life of the table. */
table_t *table_new(const struct table_column *columns, size_t count);

void table_destroy(table_t **self_p);

/* Take over one cell (allocated by malloc, NULL is empty); rows fill up from the left. */
void table_cell(table_t *self, char *text);

/* Print header and rows. Nothing at all if there are no rows. */
void table_print(const table_t *self, FILE *stream);

#endif
