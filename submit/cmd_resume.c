/*
 * dblend resume - let paused jobs, or the farm, go on
 */

#include "submit/command.h"
#include "submit/results.h"

int cmd_resume(int argc, char **argv)
{
    static const struct results_change change = {
        .type = "RESUME",
        .doc = "Let paused jobs, or the whole farm, go on.",
        .choice = TARGET_UNFINISHED,
        .done = "goes on",
        .farm = "the farm goes on",
        .flag = { "accept-change", COMMAND_KEY_OWN,
                  "Render the file as it is now: it was changed since the submit, and its bytes "
                  "are gone",
                  "accept_change", NULL },
    };
    return results_command(&change, argc, argv);
}
