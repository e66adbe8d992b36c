"""The programs leave nothing behind: no memory, no descriptor, however many jobs they had."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from farmtools import BIN, PATIENCE, wait_until

VALGRIND = ["valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible",
            "--errors-for-leak-kinds=definite,indirect,possible", "--track-fds=yes",
            "--error-exitcode=99", "--child-silent-after-fork=yes"]

# Stands in for a system call that this Valgrind may not know: see preload/pidfd.c.
PIDFD = BIN.parent / "tests" / "libpidfd.so"


def no_valgrind():
    """Why these tests cannot run here, or an empty text."""
    if not shutil.which("valgrind"):
        return "no valgrind here: apt-get install valgrind"
    if (BIN / "dblend").exists() and b"__asan_init" in (BIN / "dblend").read_bytes():
        return "these programs are built with a sanitizer, which looks for leaks itself"
    return ""


needs_valgrind = pytest.mark.skipif(bool(no_valgrind()), reason=no_valgrind())


def serve_pidfds(ours):
    """Answer preload/pidfd.c until the program has ended."""
    with ours:
        while pid := int.from_bytes(ours.recv(8), "little"):
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                ours.send(b"-")
                continue
            socket.send_fds(ours, [b"+"], [fd])
            os.close(fd)


def watched(farm, program, *arguments):
    """Start a program under Valgrind; (process, its output, Valgrind's report)."""
    report, out = farm.logs / f"valgrind-{program}", farm.logs / f"valgrind-{program}.out"
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # By its name: a path in LD_PRELOAD ends at the first space.
    env = {**farm.env, "LD_PRELOAD": PIDFD.name, "LD_LIBRARY_PATH": str(PIDFD.parent),
           "DBLEND_TEST_PIDFD": str(theirs.fileno())}
    with open(out, "wb") as stream, theirs:
        process = subprocess.Popen(
            [*VALGRIND, f"--log-file={report}", str(BIN / program), *arguments], env=env,
            stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, pass_fds=[theirs.fileno()])
    threading.Thread(target=serve_pidfds, args=[ours], daemon=True).start()
    farm.started.append(process)
    return process, out, report


def assert_clean(process, out, report):
    assert process.wait(120 * PATIENCE) == 0, out.read_text() + report.read_text()
    open_at_exit = re.split(r"Open (?:file descriptor|AF_\w+ socket) ", report.read_text())[1:]
    left = [one for one in open_at_exit if "<inherited from parent>" not in one]
    assert not left, report.read_text()


@needs_valgrind
def test_broker_and_dblend_leave_no_memory_and_no_descriptor(farm, scene):
    broker, out, report = watched(farm, "dblend-broker")
    wait_until(lambda: b"ready" in out.read_bytes() or broker.poll() is not None, 60, "the broker")
    inspector = farm.start("dblend-worker", "--device", "none")
    for arguments in (["add", "--no-wait", str(scene("plain"))], ["list"], ["workers"],
                      ["show", "1", "--frames"], ["cancel", "1"], ["log"], ["clear"]):
        assert_clean(*watched(farm, "dblend", *arguments))
    inspector.terminate()
    assert inspector.wait(60 * PATIENCE) == 0
    broker.terminate()
    assert_clean(broker, out, report)


@needs_valgrind
def test_a_worker_leaves_no_memory_and_no_descriptor(farm, scene):
    broker = farm.start("dblend-broker")
    wait_until(lambda: "ready" in broker.out.read_text(), 30, "the broker")
    worker, out, report = watched(farm, "dblend-worker", "--device", "cpu:0")
    wait_until(lambda: b"ready" in out.read_bytes() or worker.poll() is not None, 60, "the worker")
    number, = farm.add("-f", "1-2", scene("plain"))
    farm.dblend("wait", number)
    worker.terminate()
    assert_clean(worker, out, report)


@needs_valgrind
def test_a_render_leaves_no_memory_and_no_descriptor(farm, scene):
    """It starts a broker, an inspector and a worker, and ends them."""
    assert_clean(*watched(farm, "dblend", "render", "--devices", "cpu:0", "-f", "1-2",
                          str(scene("plain"))))
    assert farm.pids() == []


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_descriptors_do_not_grow_with_the_jobs(farm, scene):
    """Also under sanitizers, whose look for leaks at the end of worker and broker is an exit code."""
    broker = farm.start("dblend-broker")
    wait_until(lambda: "ready" in broker.out.read_text(), 30, "the broker")
    workers = [farm.start("dblend-worker", "--device", device) for device in ("none", "cpu:0")]
    file, counts = scene("plain"), []
    for index in range(5):
        farm.rendered("--again", "-f", "1-2", "-o", farm.work / f"out {index}" / "##", file)
        wait_until(lambda: all(row["state"] == "idle" for row in farm.json("workers")), 60,
                   "idle workers")
        counts.append([descriptors(one.pid) for one in (broker, *workers)])
    # The first job opens what stays open. A client that has just left may be counted for a moment,
    # so what the later jobs needed at the least is what there is in the end; a leak only grows.
    least = [min(column) for column in zip(*counts[1:])]
    wait_until(lambda: all(descriptors(one.pid) <= few
                           for one, few in zip((broker, *workers), least)),
               30, f"no more descriptors than {least}, the least of {counts}")
    for process in (*workers, broker):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60 * PATIENCE) == 0, process.err.read_text()
