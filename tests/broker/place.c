#include "place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "proto/alloc.h"
#include "temp_folder.h"

int place_new(void **state)
{
    struct place *place = alloc_zero(1, sizeof *place);
    place->folder = temp_folder_new();
    place->ledger = temp_folder_path(place->folder, "ledger.db");
    *state = place;
    return 0;
}

int place_end(void **state)
{
    struct place *place = *state;
    store_close(&place->store);
    temp_folder_remove(&place->folder);
    free(place->ledger);
    free(place);
    return 0;
}

void place_open(struct place *place)
{
    store_close(&place->store);
    char *text = NULL;
    assert_int_equal(store_open(place->ledger, STORE_SERVE, &place->store, &text), 0);
    assert_null(text);
}

void place_sql(struct place *place, const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(place->ledger, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

void place_apply(store_t *store, struct change *change)
{
    assert_int_equal(store_apply(store, change, 1, NULL, 0), 0);
}

void place_put_frame(store_t *store, enum frame_state state, json_t *proof)
{
    struct change change = {
        .kind = CHANGE_FRAME_PUT,
        .as.frame = { .job = 1, .frame = 7, .state = state, .ms = -1, .bytes = -1, .proof = proof },
    };
    place_apply(store, &change);
}

static void count_row(void *arg, const char *state, int64_t count)
{
    (void)state;
    *(int64_t *)arg += count;
}

int64_t place_rows(store_t *store, const char *table)
{
    int64_t rows = 0;
    assert_int_equal(store_count_states(store, table, count_row, &rows), 0);
    return rows;
}
