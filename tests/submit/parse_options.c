#include "tests/submit/parse_options.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/alloc.h"

enum { WORDS_MAX = 40 };

static struct options parse(const struct argp *argp, const char *const *words)
{
    struct options options = { 0 };
    char *argv[WORDS_MAX + 2] = { alloc_text("dblend add") };
    int argc = 1;
    for (; words[argc - 1] && argc <= WORDS_MAX; argc++) {
        argv[argc] = alloc_text(words[argc - 1]);
    }
    argp_err_exit_status = 2;
    (void)argp_parse(argp, argc, argv, ARGP_NO_HELP, NULL, &options); /* ends us on an error */
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
    return options;
}

json_t *parse_options(const char *const *words)
{
    struct options options = parse(&options_argp, words);
    json_t *map = json_incref(options.map);
    options_clear(&options);
    return map;
}

int parse_options_status(const struct argp *argp, const char *const *words)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, STDERR_FILENO); /* what it says is tested from outside */
        struct options options = parse(argp, words);
        options_clear(&options);
        _exit(0);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
