"""A farm that stays: add, look, pause, drain, stop; and --json as documented."""

import json
import signal

from farmtools import two_workers, wait_until
from pictures import files_under, same_pixels

JOB = {"type", "job", "name", "file", "scene", "state", "priority", "output", "frames", "warnings",
       "submitted", "finished", "eta_s", "memory", "error"}
FRAMES = {"total", "waiting", "claimed", "done", "kept", "taken", "failed", "cancelled"}
FRAME = {"type", "job", "frame", "state", "attempts", "worker", "ms", "files", "error"}
WORKER = {"type", "worker", "device", "host", "pid", "state", "job", "frames", "blender", "done",
          "error", "rests_until", "telemetry"}
EVENT = {"type", "time", "event", "job", "frame", "worker", "text"}


def test_a_job_from_add_to_done_as_json_shows_it(farm, scene):
    process = farm.up()
    number, = farm.add("-f", "1-4", scene("plain"))
    farm.dblend("wait", number)
    row = farm.job(number)
    assert set(row) == JOB and set(row["frames"]) == FRAMES
    assert row["state"] == "done" and row["frames"]["done"] == row["frames"]["total"] == 4
    assert row["frames"]["total"] == sum(
        row["frames"][key] for key in FRAMES - {"total"})
    frame = farm.frames(number)[3]
    assert set(frame) == FRAME
    assert frame["files"][0]["path"] == str(farm.work / "frames" / "0003.png")
    assert (frame["files"][0]["width"], frame["files"][0]["height"]) == (64, 48)
    assert all(set(worker) == WORKER for worker in farm.json("workers"))
    events = farm.events()
    assert all(set(event) == EVENT for event in events)
    words = [event["event"] for event in events]
    assert words.count("frame-done") == 4 and words.count("job-done") == 1
    farm.dblend("stop")
    wait_until(lambda: process.poll() is not None, 30, "the farm to stop")
    assert process.returncode == 0
    wait_until(lambda: not farm.pids(), 30, "all of it to leave")


def test_add_without_a_farm_queues_and_a_farm_renders_it_later(farm, scene):
    done = farm.dblend("add", "-f", "1-2", scene("plain"))
    assert "dblend farm" in done.stdout + done.stderr
    number, = farm.jobs()
    assert not files_under(farm.work / "frames")
    farm.up("cpu/1")
    farm.dblend("wait", number)
    assert files_under(farm.work / "frames") == {"0001.png", "0002.png"}


def test_a_higher_priority_goes_first(farm, scene, made_scenes):
    slow, urgent = scene("plain"), scene("plain", farm.work / "urgent")
    first, = farm.add("-f", "1-3", slow)
    second, = farm.add("-f", "1-3", "-p", "90", urgent)
    farm.up("cpu/1")
    farm.dblend("wait", first, second)
    done = [row["job"] for row in farm.events("frame-done")]
    assert done == [second] * 3 + [first] * 3


def test_pause_holds_and_resume_goes_on(farm, scene):
    number, = farm.add("-f", "1-3", scene("plain"))
    farm.dblend("pause", number)
    assert farm.job(number)["state"] == "paused"
    farm.dblend("pause", number)
    farm.up("cpu/1")
    assert not files_under(farm.work / "frames")
    farm.dblend("resume", number)
    assert farm.wait_state(number, "done")["frames"]["done"] == 3


def test_cancel_stops_blender_at_once_and_leaves_nothing_half(farm, scene):
    number, = farm.add("--samples", "200000", scene("plain"))
    farm.up("cpu/1")
    wait_until(lambda: farm.events("frame-started"), 60, "a frame to start")
    farm.dblend("cancel", number)
    assert farm.job(number)["state"] == "cancelled"
    wait_until(lambda: not files_under(farm.work / "frames"), 10, "placeholders to go")
    other, = farm.add("-f", "1-2", "-o", "next/####", scene("plain"))
    assert farm.wait_state(other, "done", timeout=30)
    assert farm.dblend("cancel", other, code=1)


def test_more_workers_while_a_job_runs_share_it(farm, scene):
    farm.start("dblend-broker")
    wait_until(lambda: farm.dblend("list", code=None).returncode == 0, 20, "the broker")
    number, = farm.add("--samples", "120", scene("plain"))
    first = farm.start("dblend-worker", "--device", "cpu:0")
    wait_until(lambda: farm.done_count() >= 2, 60, "the first worker's frames")
    farm.start("dblend-worker", "--device", "cpu:1" if two_workers() == "cpu/2" else "cpu:0")
    if two_workers() == "cpu/2":
        wait_until(lambda: len({row["worker"] for row in farm.events("frame-done")}) == 2, 60,
                   "a frame of each worker")
    first.terminate()
    wait_until(lambda: first.poll() is not None, 60, "the first worker to finish and leave")
    assert first.returncode == 0
    if two_workers() == "cpu/2":
        assert farm.wait_state(number, "done")["frames"]["done"] == 40
        assert len(farm.events("frame-done")) == 40


def test_a_drained_worker_is_not_started_again(farm, scene):
    process = farm.up()
    name = farm.json("workers")[0]["worker"]
    farm.dblend("drain", name)
    wait_until(lambda: name not in [row["worker"] for row in farm.json("workers")], 30, "it to go")
    number, = farm.add("-f", "1-3", scene("plain"))
    if two_workers() == "cpu/2":
        farm.dblend("wait", number)
        assert {row["worker"] for row in farm.events("frame-done")}.isdisjoint({name})
    assert process.poll() is None


def test_frames_that_failed_come_back_by_retry(farm, scene, plain_frames):
    wall = farm.work / "frames" / "0002.png"
    wall.mkdir(parents=True)
    number, = farm.add("-f", "1-3", "--attempts", "1", scene("plain"))
    farm.up("cpu/1")
    row = farm.wait_state(number, "failed", "done")
    assert row["state"] == "failed" and row["frames"]["failed"] == 1
    wall.rmdir()
    farm.dblend("retry", number)
    assert farm.wait_state(number, "done", "failed")["state"] == "done"
    assert same_pixels(wall, plain_frames("plain") / "0002.png")


def test_names_from_a_list_and_from_standard_input(farm, scene):
    files = [scene("plain"), scene("two_scenes", farm.work / "b")]
    listed = farm.work / "jobs"
    listed.write_text("".join(f"{file}\n" for file in files), encoding="utf-8")
    assert len(farm.add("--from", listed)) == 2
    done = farm.dblend("add", "-q", "--again", "-o", "c/####", "-f", "1", "--from", "-",
                       stdin=f"{files[0]}\n")
    assert len(done.stdout.split()) == 1


def test_blenders_output_of_a_frame_is_kept(farm, scene):
    farm.up("cpu/1")
    number, = farm.add("-f", "2", scene("plain"))
    farm.dblend("wait", number)
    assert "Fra:2" in farm.dblend("log", number, "--frame", "2").stdout


def test_wait_can_run_out_of_time(farm, scene):
    number, = farm.add(scene("plain"))
    farm.dblend("wait", number, "--timeout", "1", code=1)


def test_clear_remove_and_list(farm, scene):
    file = scene("plain")
    number, = farm.add("-f", "1-2", file)
    farm.dblend("remove", file)
    assert number not in farm.jobs()
    farm.dblend("remove", number, code=1)
    again, = farm.add("-f", "1-2", file)
    farm.up("cpu/1")
    farm.dblend("wait", again)
    farm.dblend("clear")
    assert not farm.jobs()


def test_hangup_ends_a_farm_gently(farm, scene):
    process = farm.up("cpu/1")
    number, = farm.add("--samples", "120", scene("plain"))
    wait_until(lambda: farm.done_count() >= 1, 60, "a frame")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: process.poll() is not None, 60, "the farm to end")
    left = list((farm.work / "frames").iterdir())
    assert left and not [path for path in left
                         if path.stat().st_size == 0 or path.name.startswith(".")]
    farm.up("cpu/1")
    assert farm.wait_state(number, "done", timeout=120)["frames"]["done"] == 40


def test_check_prints_what_a_ledger_holds(farm, scene):
    farm.dblend("render", "--devices", "cpu/1", "-f", "1-2", scene("plain"))
    wait_until(lambda: not farm.pids(), 30, "the farm to leave")
    check = farm.start("dblend-broker", "--check")
    wait_until(lambda: check.poll() is not None, 20, "the check")
    assert check.returncode == 0 and check.out.read_text()
    damaged = farm.home / "ledger.db"
    damaged.write_bytes(b"no database at all" * 500)
    for arguments in (["--check"], []):
        broker = farm.start("dblend-broker", *arguments)
        wait_until(lambda b=broker: b.poll() is not None, 20, "the broker to refuse")
        assert broker.returncode == 1 and "ledger" in broker.err.read_text()


def test_json_is_one_object_a_line(farm, scene):
    done = farm.dblend("add", "--json", "-f", "1", scene("plain"))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["type"] for row in rows] == ["job"]
    assert rows[0]["frames"]["total"] == 1
