/*
 * dblend cancel - end jobs before they are done
 */

#include "submit/command.h"
#include "submit/results.h"

int cmd_cancel(int argc, char **argv)
{
    static const struct results_change change = {
        .type = "CANCEL",
        .doc = "End jobs before they are done. What renders is stopped; what is done stays.",
        .choice = TARGET_UNFINISHED,
        .done = "cancelled",
    };
    return results_command(&change, argc, argv);
}
