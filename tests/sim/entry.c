#include "tests/sim/entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

int broker_main(int argc, char **argv);

/* What main.c does once it knows its arguments is static; and these two are not for a test. */
#define main broker_main
#define getpid() 4242
#define printf(...) ((void)0)
#include "broker/main.c"
#undef main
#undef getpid
#undef printf

int entry_run(int signal_fd)
{
    static char root[] = "/";
    static char nowhere[] = "/dev/null/none";
    static char ledger[] = "/ledger.db";
    static const struct arguments arguments = { .tcp = { "tcp://127.0.0.1:1", NULL },
                                                .tcp_count = 1,
                                                .owner_fd = -1 };
    struct paths paths = {
        .run = root,
        .runtime = root,
        .state = root,
        .config = nowhere,
        .ledger = ledger,
        .log = nowhere,
        .output_dir = root, /* is there already */
        .workers_sock = nowhere,
        .submitters_sock = nowhere,
        .workers_endpoint = nowhere,
        .submitters_endpoint = nowhere,
    };
    return run(&paths, &arguments, signal_fd);
}
