"""A worker that is stopped for longer than its lease and then goes on: its frame is published once."""

import collections
import os
import signal

import pytest

from farmtools import wait_until
from pictures import assert_same_frames

SAMPLES = 120


def tree(pid):
    """The process and all below it."""
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            for child in file.read().split():
                found += tree(int(child))
    return found


def worker_at_work(farm):
    return next((row for row in farm.json("workers") if row["state"] == "rendering"), None)


@pytest.mark.parametrize("stopped", ["worker", "all of it"])
def test_a_worker_that_slept_through_its_lease(stopped, farm, scene, plain_frames):
    farm.up()
    number, = farm.add("--samples", SAMPLES, scene("plain"))
    wait_until(lambda: farm.done_count() >= 3, 90, "some frames")
    sleeper = wait_until(lambda: worker_at_work(farm), 20, "a worker that renders")
    pids = tree(sleeper["pid"]) if stopped == "all of it" else [sleeper["pid"]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: farm.events("worker-lost"), 40, "its lease to be over")
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
    farm.dblend("wait", number, timeout=240)
    assert_same_frames(farm.work / "frames", plain_frames("plain", samples=SAMPLES))
    assert not [path for path in farm.work.rglob(".*") if path.suffix == ".png"]
    ends = collections.Counter(row["frame"] for row in farm.events("frame-done", "frame-kept"))
    assert ends == {frame: 1 for frame in range(1, 41)}
    wait_until(lambda: farm.live() == 2, 30, "the worker to be back")
    rows = {row["worker"]: row for row in farm.json("workers")}
    assert rows[sleeper["worker"]]["pid"] == sleeper["pid"], "it was not started anew"
