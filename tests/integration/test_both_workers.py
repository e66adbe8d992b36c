"""The worker in C and the worker in Python: one farm, one job, one set of devices."""

import collections
import os
import sys

import pytest

from farmtools import ROOT, wait_until
from pictures import assert_same_frames

SAMPLES = 60


@pytest.fixture
def makes(farm):
    """{make: start a worker of it on a device}, and a broker that both find by DBLEND_HOME."""
    broker = farm.start("dblend-broker")
    wait_until(lambda: b"ready" in broker.out.read_bytes(), 20, "the broker")
    env = {"PYTHONPATH": str(ROOT / "python")}
    yield {"c": lambda device: farm.start("dblend-worker", "--device", device),
           "python": lambda device: farm.start(sys.executable, "-m", "dblend.worker", "--device",
                                               device, env=env)}
    farm.dblend("stop", code=None)  # together: a worker waits for a broker that was ended first


def second_core():
    return "cpu:1" if len(os.sched_getaffinity(0)) > 1 else "cpu"


def test_both_work_on_one_job(farm, makes, scene, plain_frames):
    workers = {"cpu:0": makes["c"]("cpu:0"), second_core(): makes["python"](second_core())}
    wait_until(lambda: farm.live() == 2, 60, "both workers")
    number = farm.rendered("--samples", SAMPLES, scene("plain"))
    assert_same_frames(farm.work / "frames", plain_frames("plain", samples=SAMPLES))
    done = farm.events("frame-done")
    assert sorted(row["frame"] for row in done) == list(range(1, 41)), "each once"
    by = collections.Counter(row["worker"].partition("/")[2] for row in done)
    assert set(by) == set(workers) and min(by.values()) >= 5, by
    for row in (done[0], done[-1]):
        assert f"Fra:{row['frame']} " in farm.dblend("log", number, "--frame", row["frame"]).stdout
    farm.dblend("stop")
    for worker in workers.values():
        wait_until(lambda one=worker: one.poll() is not None, 30, "the workers to leave")
        assert worker.returncode == 0


@pytest.mark.parametrize("first, second", [("c", "python"), ("python", "c")])
def test_they_exclude_each_other_from_a_device(makes, first, second):
    holder = makes[first]("cpu:0")
    wait_until(lambda: b"ready" in holder.out.read_bytes(), 60, "the first worker")
    other = makes[second]("cpu:0")
    wait_until(lambda: other.poll() is not None, 30, "the second worker to leave")
    assert other.returncode == 4
    assert f"pid {holder.pid}" in other.err.read_text()


def test_one_goes_on_when_the_other_is_killed(farm, makes, scene, plain_frames):
    makes["c"]("cpu:0")
    ours = makes["python"](second_core())
    wait_until(lambda: farm.live() == 2, 60, "both workers")
    number, = farm.add("--samples", SAMPLES, scene("plain"))
    wait_until(lambda: farm.done_count() >= 6, 60, "frames")
    ours.kill()
    farm.dblend("wait", number)
    assert_same_frames(farm.work / "frames", plain_frames("plain", samples=SAMPLES))
    states = [row["state"] for row in farm.frames(number).values()]
    assert len(states) == 40 and states.count("kept") <= 2, "published, but not reported any more"
    assert set(states) <= {"done", "kept"}
