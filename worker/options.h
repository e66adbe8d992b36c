#ifndef WORKER_OPTIONS_H
#define WORKER_OPTIONS_H

/*
 * options - the command line of dblend-worker
 */

#include <stdbool.h>
#include <stdint.h>

#include "proto/device_types.h"

enum { OPTIONS_BLENDERS_MAX = 32 };

enum options_list {
    OPTIONS_LIST_NONE,
    OPTIONS_LIST_DEVICES,
    OPTIONS_LIST_CARDS,
    OPTIONS_LIST_BLENDERS,
};

struct options {
    const char *device;                             /* NULL: the default */
    const char *connect;                            /* NULL: the socket of this user's farm */
    const char *blenders[OPTIONS_BLENDERS_MAX + 1]; /* NULL-terminated; none: search */
    const char *bpys[OPTIONS_BLENDERS_MAX + 1];     /* Pythons with bpy; likewise; none: none */
    int exit_when_idle_s;                           /* -1: never */
    bool factory;
    int recycle;  /* frames a Blender; 0: no limit */
    int owner_fd; /* -1: none */
    int stall_s;
    int max_temperature_c;            /* 0: none */
    int regroups;                     /* cards that its owner shares out; 0: not */
    struct device_types device_types; /* empty: whatever the device can */
    enum options_list list;
    const char *list_text; /* of --list devices LIST; may be NULL */
    bool verbose;
};

/* Parse; prints usage and exits with 2 on a wrong command line, with 0 on --help. */
void options_parse(int argc, char **argv, struct options *out);

#endif
