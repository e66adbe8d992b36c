"""The programs leave nothing behind: no memory, no descriptor, however many jobs they had."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from farmtools import BIN, wait_until

VALGRIND = ["valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible",
            "--errors-for-leak-kinds=definite,indirect,possible", "--track-fds=yes",
            "--error-exitcode=99", "--child-silent-after-fork=yes"]

needs_valgrind = pytest.mark.skipif(
    not shutil.which("valgrind"), reason="no valgrind here: apt-get install valgrind")


def watched(farm, program, *arguments):
    """Start a program under Valgrind; (process, its output, Valgrind's report)."""
    report, out = farm.logs / f"valgrind-{program}", farm.logs / f"valgrind-{program}.out"
    with open(out, "wb") as stream:
        process = subprocess.Popen(
            [*VALGRIND, f"--log-file={report}", str(BIN / program), *arguments], env=farm.env,
            stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    farm.started.append(process)
    return process, out, report


def assert_clean(process, out, report):
    assert process.wait(120) == 0, out.read_text() + report.read_text()
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
    assert inspector.wait(60) == 0
    broker.terminate()
    assert_clean(broker, out, report)


@needs_valgrind
def test_a_worker_leaves_no_memory_and_no_descriptor(farm, scene):
    broker = farm.start("dblend-broker")
    wait_until(lambda: "ready" in broker.out.read_text(), 30, "the broker")
    worker, out, report = watched(farm, "dblend-worker", "--device", "cpu:0")
    wait_until(lambda: b"ready" in out.read_bytes() or worker.poll() is not None, 60, "the worker")
    if worker.poll() is not None and "unhandled amd64-linux syscall: 434" in report.read_text():
        pytest.skip("this Valgrind (3.19 of Debian 12) does not know pidfd_open(2)")
    number, = farm.add("-f", "1-2", scene("plain"))
    farm.dblend("wait", number)
    worker.terminate()
    assert_clean(worker, out, report)


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
        assert process.wait(60) == 0, process.err.read_text()
