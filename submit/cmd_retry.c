/*
 * dblend retry - put failed frames back
 */

#include "submit/command.h"
#include "submit/results.h"

int cmd_retry(int argc, char **argv)
{
    static const struct results_change change = {
        .type = "RETRY",
        .doc =
            "Put failed and cancelled frames back, so that they are rendered again. Attempts "
            "start at 0.",
        .choice = TARGET_NEWEST,
        .done = "what failed is put back",
        .idle = "nothing has failed",
        .flag = { "all", 'a', "All frames: render over the pictures that are there", "all",
                  "all frames are rendered again" },
    };
    return results_command(&change, argc, argv);
}
