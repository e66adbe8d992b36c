#include "broker/descriptors.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first one that is kept. Written before any thread starts. */
static atomic_int kept_from = INT_MAX;

/* A connection is a descriptor, and the usual 1,024 are soon used up. */
void descriptors_init(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            limit.rlim_cur = before; /* with what it is we serve fewer workers */
        }
    }
    if (limit.rlim_cur < INT_MAX) {
        atomic_store(&kept_from, (int)limit.rlim_cur - DESCRIPTORS_KEPT);
    }
}

/* Taken by libzmq in the place of glibc's, which does the same but for the check.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's names are its own */
int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict size, int flags)
{
    int accepted = (int)syscall(SYS_accept4, fd, address.__sockaddr__, size, flags);
    if (accepted >= atomic_load(&kept_from)) {
        (void)close(accepted);
        errno = ECONNABORTED; /* which libzmq takes for what it is: no connection */
        return -1;
    }
    return accepted;
}
