"""Pictures that are damaged after their proof: found before the job is done, and on demand."""

import os
import shutil
import signal

import pytest

from farmtools import resave, wait_until
from pictures import files_under, same_pixels


def gone(path):
    path.unlink()


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def emptied(path):
    path.write_bytes(b"")


def replaced(path):
    path.unlink()
    path.write_bytes(b"no picture at all")


def touched(path):
    os.utime(path, (1, 1))


def moved_there_and_back(path):
    shutil.copy(path, path.with_suffix(".away"))
    os.replace(path.with_suffix(".away"), path)


def frame_of(farm, number):
    return farm.work / "frames" / ("%04d.png" % number)


@pytest.mark.parametrize("harm, again", [(gone, True), (truncated, True), (emptied, True),
                                         (replaced, True), (touched, False),
                                         (moved_there_and_back, False)])
def test_harm_done_while_the_last_frames_render(harm, again, farm, scene):
    farm.up("cpu/1")
    job, = farm.add("--frames", "1-6", "--samples", 200, "--placeholder-timeout", 1,
                    scene("plain"))
    wait_until(lambda: any(row["frame"] == 5 for row in farm.events("frame-started")), 90,
               "frame 5 to start")
    path = frame_of(farm, 2)
    shutil.copy(path, farm.work / "before.png")
    harm(path)
    assert farm.job(job)["state"] == "active", "too late to harm anything"
    farm.dblend("wait", job)
    assert farm.job(job)["state"] == "done"
    assert same_pixels(path, farm.work / "before.png")
    assert [row["frame"] for row in farm.events("frame-wrong")] == [2] * again
    done = [row["frame"] for row in farm.events("frame-done") if row["frame"] == 2]
    assert done == [2] * (1 + again)
    assert files_under(farm.work / "frames") == {"%04d.png" % number for number in range(1, 7)}


def test_a_dead_worker_leaves_nothing(farm, scene):
    """Killed together with its prover, so that nobody but a sweep can clear up."""
    farm.up("cpu/1")
    job, = farm.add("--frames", "1-4", "--samples", 3000, scene("plain"))
    wait_until(lambda: farm.events("frame-started"), 90, "a frame to start")
    wait_until(lambda: len(files_under(farm.work / "frames")) == 2, 30, "its files")
    worker = farm.json("workers")[0]["pid"]
    farm.dblend("pause")  # the worker that follows gets no frame
    for pid in [worker, *farm.child_pids("prove.py"), *farm.child_pids("autorender.py")]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: files_under(farm.work / "frames") == set(), 60, "what it left to go")
    assert farm.job(job)["state"] == "active"


def test_verify_tells_and_puts_back(farm_of_two, scene):
    farm = farm_of_two
    job = farm.rendered("--frames", "1-6", "--placeholder-timeout", "1", scene("plain"))
    assert farm.dblend("verify", job).stdout == f"job {job}: 6 looked at, 0 wrong\n"
    before = frame_of(farm, 5).read_bytes()
    gone(frame_of(farm, 2))
    truncated(frame_of(farm, 5))
    touched(frame_of(farm, 6))
    for target in (job, "frames", farm.work / "frames"):
        lines = farm.dblend("verify", target, code=1).stdout.splitlines()
        assert lines[0].startswith(f"job {job} frame 2: gone: ") and "0002.png" in lines[0]
        assert lines[1].startswith(f"job {job} frame 5: broken: ")
        assert lines[2:] == [f"job {job}: 6 looked at, 2 wrong"]
    assert farm.job(job)["state"] == "done"
    rows = farm.json("verify", job, "--requeue", code=1)
    assert [(row["type"], row["event"], row["frame"]) for row in rows] == [
        ("event", "frame-wrong", 2), ("event", "frame-wrong", 5), ("event", "job-verified", None)]
    farm.dblend("wait", job)
    assert farm.dblend("verify", job).stdout == f"job {job}: 6 looked at, 0 wrong\n"
    assert frame_of(farm, 5).stat().st_size == len(before)
    farm.dblend("verify", "--requeue", job)
    wait_until(lambda: sorted(os.listdir(farm.work)) == ["frames", "plain.blend"], 20,
               "the kept file to go")
    assert farm.job(job)["state"] == "done"


def test_verify_of_nothing_is_an_error(farm_of_two):
    assert "no such job" in farm_of_two.dblend("verify", "999", code=1).stderr
    (farm_of_two.work / "empty").mkdir()
    assert "no job" in farm_of_two.dblend("verify", "empty", code=1).stderr
    assert "which job" in farm_of_two.dblend("verify", code=2).stderr


def test_what_cannot_be_rendered_as_submitted_waits_for_a_person(farm_of_two, scene):
    farm = farm_of_two
    file = scene("plain")
    job = farm.rendered("--frames", "1-2", file)
    resave(file, "S.frame_end = 12")
    gone(frame_of(farm, 1))
    farm.dblend("verify", "--requeue", job, code=1)
    error = farm.wait_state(job, "paused")["error"]
    assert error["code"] == "file-changed" and f"resume {job} --accept-change" in error["hint"]
    farm.dblend("cancel", job)


def test_a_later_version_is_no_fault_of_the_earlier_job(farm_of_two, scene):
    farm = farm_of_two
    file = scene("plain")
    first = farm.rendered("--frames", "1-3", file)
    resave(file, "S.render.film_transparent = True")
    second = farm.rendered("--frames", "2-3", file)
    farm.dblend("verify", first)
    assert sorted(farm.dblend("verify", "frames").stdout.splitlines()) == [
        f"job {first}: 3 looked at, 0 wrong", f"job {second}: 2 looked at, 0 wrong"]


def test_verify_in_the_morning_needs_no_farm(farm, scene):
    """`render` has stopped all that it started; verify starts what it needs."""
    file = scene("plain")
    farm.dblend("render", "--devices", "cpu/1", "--frames", "1-3", file, timeout=240)
    wait_until(lambda: not farm.pids(), 30, "everything that render started to leave")
    gone(frame_of(farm, 3))
    assert "frame 3: gone" in farm.dblend("verify", file, code=1).stdout
    farm.dblend("stop", code=None)
