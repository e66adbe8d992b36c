/* The oracle's account of who said that every frame of a job would fail: two are enough. */

#include <stdio.h>
#include <string.h>

#include "tests/sim/oracle.h"
#include "tests/sim/oracle_parts.h"
#include "tests/sim/world.h"

enum { VERDICTS = 8, CODE_SIZE = 32 };

struct verdicts {
    struct {
        char name[NAME_SIZE];
        char code[CODE_SIZE];
    } said[VERDICTS];
    size_t count;
};

static struct verdicts jobs[ORACLE_JOBS];

void oracle_forget_verdicts(int64_t job)
{
    if (job > 0 && job < ORACLE_JOBS) {
        jobs[job].count = 0;
    }
}

void oracle_forget_all_verdicts(void)
{
    memset(jobs, 0, sizeof jobs);
}

void oracle_verdict(int64_t job, const char *name, const char *code, bool agreed)
{
    struct verdicts *verdicts = &jobs[job];
    for (size_t i = 0; i < verdicts->count; i++) {
        if (strcmp(verdicts->said[i].code, code) != 0) {
            continue;
        }
        if (strcmp(verdicts->said[i].name, name) != 0 && !agreed) {
            world_fail("%s and %s agree that job %d fails (%s), and it goes on",
                       verdicts->said[i].name, name, (int)job, code);
        }
        return; /* who said it first counts; a paused job is not stopped by the second */
    }
    if (verdicts->count < VERDICTS) {
        (void)snprintf(verdicts->said[verdicts->count].name, NAME_SIZE, "%s", name);
        (void)snprintf(verdicts->said[verdicts->count].code, CODE_SIZE, "%s", code);
        verdicts->count++;
    }
}
