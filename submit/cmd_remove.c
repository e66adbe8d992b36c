/*
 * dblend remove - take jobs off the list
 */

#include "submit/command.h"
#include "submit/results.h"

int cmd_remove(int argc, char **argv)
{
    static const struct results_change change = {
        .type = "REMOVE",
        .doc =
            "Take jobs off the list; what they render is cancelled first. Pictures stay where they "
            "are. A FILE means all of its jobs.",
        .choice = TARGET_EVERY,
        .done = "removed",
    };
    return results_command(&change, argc, argv);
}
