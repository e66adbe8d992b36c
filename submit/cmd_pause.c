/*
 * dblend pause - pause jobs or the whole farm
 */

#include "submit/command.h"
#include "submit/results.h"

int cmd_pause(int argc, char **argv)
{
    static const struct results_change change = {
        .type = "PAUSE",
        .doc =
            "Pause jobs, or the whole farm. What renders is finished; what is claimed ahead is "
            "given back.",
        .choice = TARGET_UNFINISHED,
        .done = "paused",
        .farm = "the farm is paused",
    };
    return results_command(&change, argc, argv);
}
