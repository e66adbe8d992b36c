#ifndef BROKER_ATTEND_H
#define BROKER_ATTEND_H

/*
 * attend - who keeps this farm: each live `dblend farm` and `dblend render`
 *
 * An attendant repeats ATTEND; while it does the broker stays. One that was silent for so long
 * is gone: killed, or stopped by Ctrl-Z.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ATTEND_SILENCE_MS = 5000,
    ATTEND_STOPPING_MS = 1500, /* of one that was told to stop, and may have done so */
};

typedef struct attend attend_t;

enum attend_role { ATTEND_FARM, ATTEND_RENDER };

attend_t *attend_new(void);
void attend_destroy(attend_t **self_p);

/* pid asked again. true: it is new. */
bool attend_seen(attend_t *self, int64_t now_ms, int64_t pid, enum attend_role role);

/* Forget one that has been silent for silence_ms and tell its role and pid. false: nobody (more) to
 * forget. */
bool attend_expire(attend_t *self, int64_t now_ms, int64_t silence_ms, int64_t *pid,
                   enum attend_role *role);

/* It says good-bye. false: it was not known. */
bool attend_leave(attend_t *self, int64_t pid, enum attend_role role);

/* Forget one whose process is_dead, and tell its role and pid. false: nobody (more). */
bool attend_drop(attend_t *self, bool (*is_dead)(int64_t pid), int64_t *pid,
                 enum attend_role *role);

/* Is there one, other than process pid, that is not dead? */
bool attend_others(const attend_t *self, int64_t pid, bool (*is_dead)(int64_t pid));

size_t attend_count(const attend_t *self);

/* When attend_expire has something to do; INT64_MAX = never. */
int64_t attend_deadline(const attend_t *self, int64_t silence_ms);

#endif
