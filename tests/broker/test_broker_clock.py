"""The wall clock may jump: claims, leases and parks go by a clock that does not."""

import os
import shutil
import struct
import subprocess
import time

import pytest

from brokertools import DEADLINE_S, SOON_S, found_of, spec_of, until

YEAR_S = 365 * 24 * 3600

# Another CLOCK_REALTIME: that of the kernel and the seconds that a file says.
JUMPY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset;

__attribute__((constructor)) static void map_offset(void)
{
    int fd = open(getenv("JUMPY_OFFSET"), O_RDONLY);
    void *place = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
    offset = place == MAP_FAILED ? NULL : place;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, out);
    if (rc == 0 && offset && clock == CLOCK_REALTIME) {
        out->tv_sec += *offset;
    }
    return rc;
}
"""


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """jump(seconds) moves the wall clock of the brokers that are started by this test."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no compiler for the clock that jumps")
    library, offset = tmp_path / "jumpy.so", tmp_path / "offset"
    (tmp_path / "jumpy.c").write_text(JUMPY)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "jumpy.c"], check=True)
    offset.write_bytes(struct.pack("q", 0))
    monkeypatch.setenv("LD_PRELOAD", f"{library} {os.environ.get('LD_PRELOAD', '')}".strip())
    monkeypatch.setenv("JUMPY_OFFSET", str(offset))
    monkeypatch.setenv("ASAN_OPTIONS", f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0")

    def jump(seconds):
        with open(offset, "r+b") as file:
            file.write(struct.pack("q", seconds))

    return jump


@pytest.mark.parametrize("seconds", [YEAR_S, -YEAR_S])
def test_a_jump_expires_nothing_and_wakes_nobody_too_late(clock, make_broker, seconds):
    broker = make_broker().start()
    submitter = broker.submitter()
    submitter.submit(spec_of())
    worker = broker.worker()
    worker.ready()
    worker.inspect(found_of(1, 3))
    claim = worker.claim_of("render")
    worker.report(claim, "started", ends=False, blender="3.4.1")
    worker.sync()
    before = submitter.events()[-1]["time"]
    clock(seconds)
    submitter.change("PRIORITY", job=1, priority=60)
    worker.send(worker.sync_body())
    started = time.monotonic()
    worker.take(worker.receive())  # the end of its park, as ever
    assert time.monotonic() - started < SOON_S
    other = broker.worker()
    other.ready()
    until(lambda: other.sync(want=2) and len(other.frames_held()) > 0, "another frame is given")
    assert worker.holding[claim]["grant"]["frame"] not in other.frames_held()
    worker.finish(claim)
    assert worker.sync()["settled"][0]["st"] == "accepted"
    other.work(lambda: submitter.state(1) == "done", found=found_of(1, 3))
    words = submitter.words(job=1)
    assert "frame-returned" not in words and words.count("frame-done") == 3
    assert (submitter.events()[-1]["time"] > before) == (seconds > 0), "the clock has jumped"


def test_a_jump_does_not_end_an_idle_broker_nor_keep_one(clock, make_broker):
    broker = make_broker().start("--idle-exit", "2")
    broker.submitter().ask("HELLO")
    clock(YEAR_S)
    submitter = broker.submitter()
    assert submitter.ask("HELLO")["idle_exit"]
    clock(-YEAR_S)
    assert submitter.ask("HELLO")["idle_exit"]
    assert broker.process.wait(DEADLINE_S) == 0
