"""What the tests of several folders share: what renders, clocks that jump."""

import os
import shutil
import struct
import subprocess
import time

import pytest

from renderers import BPY

# Adds what two shared numbers say to the wall clock and to the monotonic one, and takes it off
# again where the kernel is told a time.
JUMPY = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offsets_s;

__attribute__((constructor)) static void map_offsets(void)
{
    int fd = open(getenv("JUMPY_OFFSETS"), O_RDONLY);
    void *place = mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
    offsets_s = place == MAP_FAILED ? NULL : place;
    close(fd);
}

static long long offset_s(clockid_t clock)
{
    int known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
    return known && offsets_s ? offsets_s[clock == CLOCK_MONOTONIC] : 0;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, out);
    if (rc == 0) {
        out->tv_sec += offset_s(clock);
    }
    return rc;
}

/* Those of the programs go by the monotonic clock. */
int timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *old)
{
    struct itimerspec shifted = *when;
    if ((flags & TFD_TIMER_ABSTIME) && (when->it_value.tv_sec || when->it_value.tv_nsec)) {
        shifted.it_value.tv_sec -= offset_s(CLOCK_MONOTONIC);
    }
    if (shifted.it_value.tv_sec < 0) {
        shifted.it_value.tv_sec = 0;
        shifted.it_value.tv_nsec = 1;
    }
    return (int)syscall(SYS_timerfd_settime, fd, flags, &shifted, old);
}
"""


def pytest_configure(config):
    config.addinivalue_line("markers", "renderers: runs with the module bpy, too")


def pytest_generate_tests(metafunc):
    """Where $DBLEND_TEST_BPY names a Python with bpy, a marked test runs with that as well."""
    if BPY and "renderer" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker("renderers")
        metafunc.parametrize("renderer", ["blender", "bpy"] if marked else ["blender"],
                             indirect=True, scope="session")


@pytest.fixture(scope="session")
def renderer(request):
    """The Python with bpy that this test renders with; None: the Blender program."""
    return BPY if getattr(request, "param", "blender") == "bpy" else None


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """clock(seconds): from now on the wall clock of the programs that this test starts is so far off;
    with time.CLOCK_MONOTONIC the clock that they measure by. What the kernel times stays true.
    """
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no compiler for clocks that jump")
    library, offsets = tmp_path / "jumpy.so", tmp_path / "offsets"
    (tmp_path / "jumpy.c").write_text(JUMPY)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "jumpy.c"], check=True)
    offsets.write_bytes(bytes(16))
    sanitizer = os.environ.get("ASAN_OPTIONS", "")
    monkeypatch.setenv("LD_PRELOAD", f"{library} {os.environ.get('LD_PRELOAD', '')}".strip())
    monkeypatch.setenv("JUMPY_OFFSETS", str(offsets))
    monkeypatch.setenv("ASAN_OPTIONS", f"{sanitizer}:verify_asan_link_order=0")

    def jump(seconds, which=time.CLOCK_REALTIME):
        with open(offsets, "r+b", buffering=0) as file:  # in one write: nobody sees half of it
            file.seek(8 * (which == time.CLOCK_MONOTONIC))
            file.write(struct.pack("q", seconds))

    return jump
