#include "proto/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/child_keeper.h"
#include "proto/cleanup.h"

extern char **environ;

struct child {
    pid_t direct;  /* our own child: the keeper, or the program */
    pid_t program; /* the program */
    int pidfd;     /* of direct */
    int output;    /* read end, or -1 */
    int lifeline;  /* write end to the keeper, or -1 */
    bool grouped;
    bool reaped;
    bool released;
    struct child_end end; /* once reaped */
};

/* What the new processes need, all of it made before the fork: nothing is allocated after it. */
struct plan {
    const struct child_spec *spec;
    char *program;
    char **envp; /* the array is ours, the strings are not */
    int report[2];
    int output[2];
    int lifeline[2];
    sigset_t mask; /* ours, to be put back */
};

/* Sent through the report pipe, which exec closes. */
struct report {
    int32_t pid;   /* of the program, from the keeper; 0 in a failure */
    int32_t error; /* errno of what failed */
};

static void close_pair(int pair[2])
{
    cleanup_fd(&pair[0]);
    cleanup_fd(&pair[1]);
}

static void plan_close(struct plan *self)
{
    close_pair(self->report);
    close_pair(self->output);
    close_pair(self->lifeline);
    cleanup_free(&self->program);
    cleanup_free(&self->envp);
}

int child_find_program(const char *name, char **out)
{
    if (strchr(name, '/')) {
        *out = alloc_text(name);
        return 0;
    }
    const char *path = getenv("PATH");
    for (const char *at = path ? path : "/usr/local/bin:/usr/bin:/bin"; *at;) {
        size_t size = strcspn(at, ":");
        CLEANUP(cleanup_free)
        char *candidate =
            size ? alloc_format("%.*s/%s", (int)size, at, name) : alloc_format("./%s", name);
        struct stat st;
        if (stat(candidate, &st) == 0 && S_ISREG(st.st_mode) && access(candidate, X_OK) == 0) {
            *out = candidate;
            candidate = NULL;
            return 0;
        }
        at += size + (at[size] == ':');
    }
    return -ENOENT;
}

static size_t name_size(const char *entry)
{
    return strcspn(entry, "=");
}

static bool is_replaced(const char *entry, const char *const *additions)
{
    size_t size = name_size(entry);
    for (size_t i = 0; additions && additions[i]; i++) {
        if (name_size(additions[i]) == size && strncmp(additions[i], entry, size) == 0) {
            return true;
        }
    }
    return false;
}

/* Our environment with the additions; the strings stay where they are. */
static char **make_environment(const char *const *additions)
{
    size_t count = 0;
    for (size_t i = 0; environ[i]; i++) {
        count++;
    }
    for (size_t i = 0; additions && additions[i]; i++) {
        count++;
    }
    char **envp = alloc_zero(count + 1, sizeof *envp);
    size_t at = 0;
    for (size_t i = 0; environ[i]; i++) {
        if (!is_replaced(environ[i], additions)) {
            envp[at++] = environ[i];
        }
    }
    for (size_t i = 0; additions && additions[i]; i++) {
        if (strchr(additions[i], '=')) {
            envp[at++] = (char *)(uintptr_t)additions[i]; /* execve changes no string */
        }
    }
    return envp;
}

static int make_plan(const struct child_spec *spec, struct plan *plan)
{
    plan->spec = spec;
    if (spec->pass_count > CHILD_PASS_MAX) {
        return -EINVAL;
    }
    int rc = child_find_program(spec->argv[0], &plan->program);
    if (rc != 0) {
        return rc;
    }
    plan->envp = make_environment(spec->env);
    if (pipe2(plan->report, O_CLOEXEC) != 0 ||
        (spec->output && pipe2(plan->output, O_CLOEXEC) != 0) ||
        (spec->keeper && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                                    plan->lifeline) != 0)) { /* no pipe: see MSG_NOSIGNAL */
        return -errno;
    }
    /* only our end: the program expects a stdout that blocks */
    if (spec->output && fcntl(plan->output[0], F_SETFL, O_NONBLOCK) != 0) {
        return -errno;
    }
    return 0;
}

/* ---- after the fork: async-signal-safe calls only, down to the next line of this kind ---- */

static void tell(const struct plan *plan, pid_t pid, int error)
{
    const struct report report = { .pid = (int32_t)pid, .error = (int32_t)error };
    ssize_t rc = write(plan->report[1], &report, sizeof report);
    (void)rc; /* whoever reads is gone: then nobody wants to know */
}

static void __attribute__((noreturn)) fail(const struct plan *plan, int error)
{
    tell(plan, 0, error);
    _exit(127);
}

/* Apply flags to every descriptor from first on: closed, or closed at exec. */
static void close_from(unsigned first, unsigned flags)
{
    if (syscall(SYS_close_range, first, ~0u, flags) == 0) {
        return;
    }
    struct rlimit limit = { 1024, 1024 }; /* a kernel before 5.9 (5.11 for the flag) */
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    unsigned last = limit.rlim_cur > 65536 ? 65536 : (unsigned)limit.rlim_cur;
    for (unsigned fd = first; fd < last; fd++) {
        if (flags & CLOSE_RANGE_CLOEXEC) {
            (void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
        } else {
            (void)close((int)fd);
        }
    }
}

static void reset_signals(void)
{
    struct sigaction action = { .sa_handler = SIG_DFL };
    for (int number = 1; number < NSIG; number++) {
        (void)sigaction(number, &action, NULL); /* fails for KILL, STOP and those of libc */
    }
    sigset_t mask;
    (void)sigemptyset(&mask);
    (void)sigprocmask(SIG_SETMASK, &mask, NULL);
}

/*
 * Put the descriptors where the program expects them. A source may be another's target, so all
 * sources are first copied to numbers above every target.
 */
static int place_descriptors(struct plan *plan)
{
    const struct child_spec *spec = plan->spec;
    int copy[CHILD_PASS_MAX];
    int above = STDERR_FILENO;
    for (size_t i = 0; i < spec->pass_count; i++) {
        above = spec->pass[i].as > above ? spec->pass[i].as : above;
    }
    for (size_t i = 0; i < spec->pass_count; i++) {
        copy[i] = fcntl(spec->pass[i].fd, F_DUPFD_CLOEXEC, above + 1);
        if (copy[i] < 0) {
            return errno;
        }
    }
    int report = fcntl(plan->report[1], F_DUPFD_CLOEXEC, above + 1);
    int output = spec->output ? fcntl(plan->output[1], F_DUPFD_CLOEXEC, above + 1) : -1;
    int null = open("/dev/null", O_RDWR); /* may get 0, 1 or 2: then it stays */
    if (report < 0 || (spec->output && output < 0) || null < 0) {
        return errno;
    }
    plan->report[1] = report; /* the old number may be a target */
    if (dup2(null, STDIN_FILENO) < 0 ||
        (output >= 0 && (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0))) {
        return errno;
    }
    close_from(STDERR_FILENO + 1, CLOSE_RANGE_CLOEXEC);
    for (size_t i = 0; i < spec->pass_count; i++) {
        if (dup2(copy[i], spec->pass[i].as) < 0) { /* the new number is open across exec */
            return errno;
        }
    }
    return 0;
}

static void __attribute__((noreturn)) become_program(struct plan *plan)
{
    const struct child_spec *spec = plan->spec;
    if (spec->keeper) {
        /* should the keeper itself be killed; it has one thread, so this is no thread's death */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    if (spec->own_session && !spec->keeper) {
        (void)setsid(); /* fails for a group leader only, which a new process is not */
    } else if (spec->own_group || spec->keeper) {
        (void)setpgid(0, 0);
    }
    int error = place_descriptors(plan);
    if (error != 0) {
        fail(plan, error);
    }
    if (spec->folder && chdir(spec->folder) != 0) {
        fail(plan, errno);
    }
    if (spec->nice > 0) {
        (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + spec->nice); /* allowed */
    }
    reset_signals();
    char *const *argv = (char *const *)(uintptr_t)spec->argv; /* execve changes no string */
    (void)execve(plan->program, argv, plan->envp);
    fail(plan, errno);
}

static void __attribute__((noreturn)) become_keeper(struct plan *plan)
{
    (void)prctl(PR_SET_NAME, "dblend-keeper");
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)setpgid(0, 0); /* a Ctrl-C at the terminal is the worker's business */
    pid_t pid = _Fork();
    if (pid < 0) {
        fail(plan, errno);
    }
    if (pid == 0) {
        become_program(plan);
    }
    (void)setpgid(pid, pid); /* whoever of the two comes first */
    tell(plan, pid, 0);
    /*
     * Everything of the worker's must go: the ends of its pipes and sockets, and above all its
     * file locks, which live as long as any copy of the descriptor.
     */
    int lifeline = dup2(plan->lifeline[0], STDIN_FILENO);
    (void)close(STDOUT_FILENO);
    (void)close(STDERR_FILENO);
    close_from(STDERR_FILENO + 1, 0);
    child_keep(pid, lifeline);
}

/* ---- back in the process that lives on ---- */

/* Nothing may run in the child but what is written here: no handler of ours. */
static pid_t fork_plan(struct plan *plan)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &plan->mask);
    pid_t pid = fork();
    int error = errno;
    if (pid == 0) {
        if (plan->spec->keeper) {
            become_keeper(plan);
        }
        become_program(plan);
    }
    (void)pthread_sigmask(SIG_SETMASK, &plan->mask, NULL);
    return pid < 0 ? -error : pid;
}

/* Read reports until exec or death has closed the pipe. 0, or the negative errno of a failure. */
static int read_reports(int fd, pid_t *program)
{
    int rc = 0;
    for (;;) {
        struct report report;
        ssize_t size = read(fd, &report, sizeof report); /* written in one piece */
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size != (ssize_t)sizeof report) {
            return rc;
        }
        if (report.pid > 0) {
            *program = report.pid;
        } else if (rc == 0) {
            rc = report.error > 0 ? -report.error : -EIO;
        }
    }
}

static int open_pidfd(pid_t pid)
{
    long fd = syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by definition */
    return fd < 0 ? -errno : (int)fd;
}

static void reap_failed(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

int child_spawn(const struct child_spec *spec, child_t **out)
{
    CLEANUP(plan_close)
    struct plan plan = { .report = { -1, -1 }, .output = { -1, -1 }, .lifeline = { -1, -1 } };
    int rc = make_plan(spec, &plan);
    if (rc != 0) {
        return rc;
    }
    pid_t pid = fork_plan(&plan);
    if (pid < 0) {
        return (int)pid;
    }
    cleanup_fd(&plan.report[1]);
    pid_t program = pid;
    rc = read_reports(plan.report[0], &program);
    if (rc != 0) {
        cleanup_fd(&plan.lifeline[1]);
        reap_failed(pid);
        return rc;
    }
    int pidfd = open_pidfd(pid);
    if (pidfd < 0) {
        cleanup_fd(&plan.lifeline[1]); /* a keeper ends the program now */
        (void)kill(pid, spec->keeper ? 0 : SIGKILL);
        reap_failed(pid);
        return pidfd;
    }
    child_t *self = alloc_zero(1, sizeof *self);
    *self = (child_t){ .direct = pid,
                       .program = program,
                       .pidfd = pidfd,
                       .output = plan.output[0],
                       .lifeline = plan.lifeline[1],
                       .grouped = spec->own_group || spec->own_session || spec->keeper };
    plan.output[0] = -1;
    plan.lifeline[1] = -1;
    *out = self;
    return 0;
}

void child_destroy(child_t **self_p)
{
    child_t *self = *self_p;
    if (!self) {
        return;
    }
    struct child_end end;
    if (child_reap(self, &end) == CHILD_RUNNING) {
        child_terminate(self, SIGKILL);
        cleanup_fd(&self->lifeline);
        (void)child_wait(self, -1, &end);
    }
    child_release(self_p);
}

void child_release(child_t **self_p)
{
    child_t *self = *self_p;
    if (self) {
        cleanup_fd(&self->pidfd);
        cleanup_fd(&self->output);
        cleanup_fd(&self->lifeline);
        cleanup_free(self_p);
    }
}

pid_t child_pid(const child_t *self)
{
    return self->program;
}

int child_pidfd(const child_t *self)
{
    return self->pidfd;
}

int child_output(const child_t *self)
{
    return self->output;
}

void child_terminate(child_t *self, int number)
{
    if (self->reaped) {
        return; /* its number may be another's by now */
    }
    if (self->lifeline >= 0) {
        unsigned char byte = (unsigned char)number;
        ssize_t rc = send(self->lifeline, &byte, 1, MSG_NOSIGNAL);
        (void)rc; /* EPIPE: the keeper is ending it already */
    } else if (self->grouped) {
        (void)kill(-self->program, number);
    } else {
        (void)kill(self->program, number);
    }
}

int child_reap(child_t *self, struct child_end *out)
{
    if (!self->reaped) {
        int status = 0;
        pid_t pid = waitpid(self->direct, &status, WNOHANG);
        if (pid == 0 || (pid < 0 && errno == EINTR)) {
            return CHILD_RUNNING;
        }
        /* pid < 0: somebody else has reaped it; it has ended, nobody knows how */
        self->reaped = true;
        self->end.signalled = pid > 0 && WIFSIGNALED(status);
        self->end.code = pid < 0 ? 1 : self->end.signalled ? WTERMSIG(status) : WEXITSTATUS(status);
    }
    *out = self->end;
    return CHILD_OK;
}

int child_wait(child_t *self, int timeout_ms, struct child_end *out)
{
    if (!self->reaped) {
        struct pollfd item = { .fd = self->pidfd, .events = POLLIN };
        int rc = 0;
        do {
            rc = poll(&item, 1, timeout_ms);
        } while (rc < 0 && errno == EINTR);
    }
    return child_reap(self, out);
}

void child_end_text(const struct child_end *end, char *out, size_t size)
{
    if (end->signalled) {
        (void)snprintf(out, size, "signal %d (%s)", end->code, strsignal(end->code));
    } else {
        (void)snprintf(out, size, "exit %d", end->code);
    }
}

int child_socketpair(int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return -errno;
    }
    if (fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0) {
        int error = errno;
        close_pair(pair);
        return -error;
    }
    return 0;
}
