#ifndef SUBMIT_CREW_H
#define SUBMIT_CREW_H

/*
 * crew - whom `farm' and `render' start: on which devices, and with which options
 *
 * Both have these options, and hand most of them on to dblend-worker as they are: what can be
 * checked is checked here, so that it is told once, and not by each of them.
 */

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { CREW_WORDS_MAX = 96 };

struct crew_words {
    const char *list[CREW_WORDS_MAX + 1]; /* NULL-terminated */
    size_t count;
};

struct crew {
    const char *devices; /* as given, or NULL */
    bool low_impact;
    const char *when_done;       /* or NULL */
    struct crew_words inspector; /* arguments: which Blender, and how */
    struct crew_words workers;   /* these, and more */
    char cards[16];              /* of --regroups */
};

/* For struct argp_child; the input is a struct crew, all zero at first. */
extern const struct argp crew_argp;

/* Add an argument to those of the workers: an option, and its value where it is not NULL. */
void crew_tell_workers(struct crew *self, struct argp_state *state, const char *option,
                       const char *value);

/* The devices, as devices_choose. */
int crew_choose(const struct crew *self, json_t **out);

/* May the cards be joined for jobs with few frames? Then the workers are told so. */
bool crew_shares_out(struct crew *self, const json_t *devices);

#endif
