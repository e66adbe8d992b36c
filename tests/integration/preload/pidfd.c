/*
 * pidfd - pidfd_open(2) for a program under a Valgrind that does not know this call
 *
 * Valgrind 3.19 of Debian 12 answers it with ENOSYS, and without it no child can be started.
 * Preloaded into the program that is tested, this library sends the pid through the socket whose
 * number stands in DBLEND_TEST_PIDFD, and the test, which is under no Valgrind, sends back the
 * descriptor that it opened: a real one. Every other system call is passed on as it is.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ARGUMENTS = 6 };

static long (*pass_on)(long number, ...);
static int test_fd = -1;

/* For the program itself: what it starts, and the shell and launcher of Valgrind, need no help. */
__attribute__((constructor)) static void begin(void)
{
    const char *number = getenv("DBLEND_TEST_PIDFD");
    void *next = dlsym(RTLD_NEXT, "syscall");
    memcpy(&pass_on, &next, sizeof pass_on); /* ISO C has no cast from an object to a function */
    if (number && strncmp(program_invocation_short_name, "dblend", strlen("dblend")) == 0) {
        test_fd = (int)strtol(number, NULL, 10);
        (void)unsetenv("LD_PRELOAD");
        (void)unsetenv("DBLEND_TEST_PIDFD");
    }
}

static long ask_for_pidfd(long pid)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte = 0;
    struct iovec text = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr message = {
        .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    memset(&control, 0, sizeof control);
    int fd = -1;
    if (send(test_fd, &pid, sizeof pid, MSG_NOSIGNAL) != (ssize_t)sizeof pid ||
        recvmsg(test_fd, &message, MSG_CMSG_CLOEXEC) != 1) {
        errno = EIO;
        return -1;
    }
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header) {
        errno = ESRCH;
        return -1;
    }
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): that of libc is reserved */
long syscall(long number, ...)
{
    long argument[ARGUMENTS];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < ARGUMENTS;
         i++) { /* as libc does: what the caller did not give is not used */
        argument[i] = va_arg(list, long);
    }
    va_end(list);
    if (number == SYS_pidfd_open && test_fd >= 0) {
        return ask_for_pidfd((pid_t)argument[0]);
    }
    return pass_on(number, argument[0], argument[1], argument[2], argument[3], argument[4],
                   argument[5]);
}
