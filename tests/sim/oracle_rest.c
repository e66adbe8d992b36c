/* The oracle's own list of workers that were told to rest: the broker's is not asked. */

#include <stdio.h>
#include <string.h>

#include "tests/sim/hand.h"
#include "tests/sim/oracle.h"
#include "tests/sim/oracle_parts.h"

static struct place {
    char name[NAME_SIZE]; /* "": free */
    int64_t changes;      /* what made it unknown: a wake that was asked for, a start */
    int waking;           /* wakes that nobody has heard of yet: they may be done at any time */
    bool rests;
} places[HANDS_MOST];

static struct place *place_of(const char *name)
{
    size_t i = 0;
    while (i + 1 < HANDS_MOST && places[i].name[0] && strcmp(places[i].name, name) != 0) {
        i++;
    }
    (void)snprintf(places[i].name, NAME_SIZE, "%s", name);
    return &places[i];
}

void oracle_rest_open(void)
{
    memset(places, 0, sizeof places);
}

void oracle_rest_forget(void)
{
    for (size_t i = 0; i < HANDS_MOST; i++) {
        places[i].rests = false;
        places[i].changes++;
    }
}

int64_t oracle_rest_asked(bool rest, const char *name)
{
    struct place *place = place_of(name);
    if (!rest) {
        place->rests = false;
        place->changes++;
        place->waking++;
    }
    return place->changes;
}

void oracle_rest_heard(bool rest, const char *name, bool done, int64_t ticket)
{
    struct place *place = place_of(name);
    place->waking -= !rest;
    if (rest && done && ticket == place->changes && place->waking == 0) {
        place->rests = true;
    }
}

bool oracle_rests(const char *name)
{
    return place_of(name)->rests;
}
