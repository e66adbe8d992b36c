"""kill -9 in the middle of a 40-frame job: every frame is there, whole, and done once."""

import collections
import os
import signal

import pytest

from farmtools import two_workers, wait_until
from pictures import assert_same_frames

SAMPLES = 120


def kill(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def worker_pids(farm):
    rows = farm.json("workers")
    return [row["pid"] for row in rows if row["type"] == "worker" and row["state"] != "lost"]


VICTIMS = {
    "blender": lambda farm: rendering_blender(farm),
    "prover": lambda farm: farm.child_pids("prove.py")[:1],
    "worker": lambda farm: worker_pids(farm)[:1],
    "broker": lambda farm: farm.pids("dblend-broker")[:1],
    "both workers": worker_pids,
}


def rendering_blender(farm):
    """One Blender that renders: the inspector's has no worker that the list shows."""
    busy = set(worker_pids(farm))
    for pid in farm.child_pids("autorender.py"):
        if busy & ancestors(pid):
            return [pid]
    return []


def ancestors(pid):
    found = set()
    while pid > 1:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                pid = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            break
        found.add(pid)
    return found


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_job_survives_the_death_of(victim, farm, scene, plain_frames):
    rendering = farm.start("dblend", "render", "--devices", two_workers(), "--samples", SAMPLES,
                           scene("plain"))
    wait_until(lambda: 4 <= farm.done_count(), 90, "some frames")
    assert farm.done_count() < 36, "too late to kill anything"
    pids = wait_until(lambda: VICTIMS[victim](farm), 20, f"a {victim} to kill")
    kill(pids)
    wait_until(lambda: rendering.poll() is not None, 240, "the end of render")
    assert rendering.returncode == 0, rendering.err.read_text()
    assert_same_frames(farm.work / "frames", plain_frames("plain", samples=SAMPLES))
    wait_until(lambda: not farm.pids(), 30, "everything that render started to leave")
    assert_each_frame_ended_once(farm)


def assert_each_frame_ended_once(farm):
    farm.start("dblend-broker", "--idle-exit", "60")
    wait_until(lambda: farm.dblend("list", code=None).returncode == 0, 20, "the broker")
    ends = collections.Counter(row["frame"] for row in farm.events("frame-done", "frame-kept"))
    assert ends == {number: 1 for number in range(1, 41)}


def test_kill_of_render_leaves_no_process_and_the_same_command_goes_on(farm, scene, plain_frames):
    file = scene("plain")
    command = ("render", "--devices", two_workers(), "--samples", str(SAMPLES), file)
    rendering = farm.start("dblend", *command)
    wait_until(lambda: farm.done_count() >= 4, 90, "some frames")
    rendering.kill()
    rendering.wait()
    wait_until(lambda: not farm.pids(), 30, "its processes to end")
    left = list((farm.work / "frames").iterdir())
    assert not [path for path in left if path.stat().st_size == 0], "a placeholder was left"
    assert not [path for path in left if path.name.startswith(".")], "a temporary file was left"
    kept = {path.name: path.stat().st_mtime_ns for path in left}
    farm.dblend(*command, timeout=240)
    assert_same_frames(farm.work / "frames", plain_frames("plain", samples=SAMPLES))
    assert all((farm.work / "frames" / name).stat().st_mtime_ns == kept[name] for name in kept)


@pytest.mark.parametrize("presses", (1, 2))
def test_ctrl_c_pauses_and_the_same_command_goes_on(presses, farm, scene, plain_frames):
    file = scene("plain")
    command = ("render", "--devices", two_workers(), "--samples", str(SAMPLES), file)
    rendering = farm.start("dblend", *command)
    wait_until(lambda: farm.done_count() >= 4, 90, "some frames")
    rendering.send_signal(signal.SIGINT)
    if presses == 2:
        wait_until(lambda: rendering.err.read_text() + rendering.out.read_text(), 20, "a word")
        rendering.send_signal(signal.SIGINT)
    wait_until(lambda: rendering.poll() is not None, 60, "the end of render")
    assert rendering.returncode == 130
    assert "same command" in rendering.err.read_text()
    wait_until(lambda: not farm.pids(), 30, "what it started to stop")
    left = list((farm.work / "frames").iterdir())
    assert 4 <= len(left) < 40
    assert not [path for path in left if path.stat().st_size == 0 or path.name.startswith(".")]
    farm.dblend(*command, timeout=240)
    assert_same_frames(farm.work / "frames", plain_frames("plain", samples=SAMPLES))
