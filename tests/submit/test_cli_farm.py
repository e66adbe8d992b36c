"""dblend with the real broker and scripted workers: whole commands from outside."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from clitools import ROOT, Terminal, until

JOB_KEYS = ["type", "job", "name", "file", "scene", "state", "priority", "output", "frames",
            "warnings", "submitted", "finished", "eta_s", "error"]


def number_of(home, *words):
    return int(home.ok("add", "-q", *words).split()[0])


def frames_of(home, name="plain"):
    return sorted(path.name for path in (home.work / name).glob("*.png"))


def go(home):
    (home.work / "go").touch()


def begun(home, count):
    """Wait until so many frames have been started, also while there is no broker yet."""
    until(lambda: home.run("log", "--json").stdout.count('"frame-started"') >= count)


def done(home, job):
    assert home.run("wait", job, "--timeout", "30").returncode == 0


# add ------------------------------------------------------------------------------------------


def test_add_starts_what_inspects_and_prints_a_line_a_job(home):
    home.blend()
    home.blend("other")
    ended = home.run("add", "plain.blend", "other.blend", "-f", "1-3")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == ("job 1: plain: 3 frames (1-3), 64x48, CYCLES, Blender 3.4.1, to "
                        f"{home.work}/plain")
    assert lines[1].startswith("job 2: other: 3 frames")
    assert "dblend farm" in ended.stderr
    assert home.json("list")[0]["state"] == "active"
    assert home.run("stop").returncode == 0
    until(lambda: not home.processes(), why="something is left")


def test_add_prints_numbers_or_objects(home):
    home.blend("warn")
    assert home.ok("add", "-q", "warn.blend") == "1\n"
    home.blend("other")
    lines = home.json("add", "other.blend", "nix.blend", status=1)
    assert list(lines[0]) == JOB_KEYS
    assert lines[0]["file"] == str(home.work / "other.blend")
    assert lines[0]["frames"] == {"total": 6, "waiting": 6, "claimed": 0, "done": 0, "kept": 0,
                                  "taken": 0, "failed": 0, "cancelled": 0}
    assert lines[1]["type"] == "error" and lines[1]["code"] == "file-missing"
    (warned,) = home.json("show", 1)
    assert warned["warnings"] == [{"code": "time-limit", "text": "there is a time limit",
                                   "hint": ""}]


def test_the_same_is_refused_unless_again(home):
    home.blend()
    home.ok("add", "plain.blend", "-f", "1-3")
    (refused,) = home.json("add", "plain.blend", "-f", "3-4", status=1)
    assert (refused["code"], refused["job"]) == ("already-queued", 1)
    assert home.ok("add", "-q", "plain.blend", "-f", "4-5") == "2\n"
    assert home.ok("add", "-q", "plain.blend", "-f", "1-3", "--samples", "4", "--no-wait") == "3\n"
    assert home.ok("add", "-q", "plain.blend", "-f", "1-3", "--again", "--no-wait") == "4\n"
    home.blend(content=home.blend().read_bytes() + b"saved again")
    assert home.ok("add", "-q", "plain.blend", "-f", "1-3", "--no-wait") == "5\n"


def test_add_takes_what_drag_and_drop_writes_and_lists(home):
    path = home.blend("my shot")
    home.blend("b")
    (home.work / "jobs").write_text(f"# tonight\n'{path}' \n\nb.blend\n")
    assert home.ok("add", "-q", "--no-wait", "--from", "jobs") == "1\n2\n"
    assert home.ok("add", "-q", "--no-wait", "--again", f"'{path}' ") == "3\n"
    assert home.ok("add", "-q", "--no-wait", "--again", "--from", "-", stdin="b.blend\n") == "4\n"


def test_a_held_job_is_told_with_its_flags_and_answered(home):
    home.blend("held")
    ended = home.run("add", "held.blend")
    assert ended.returncode == 1
    assert "--keep or --overwrite" in ended.stderr and "dblend accept 1" in ended.stderr
    assert home.state(1) == "held"
    waited = home.run("wait", "1")
    assert waited.returncode == 1 and "--keep or --overwrite" in waited.stderr
    assert home.run("accept", "1", "--keep").returncode == 0
    until(lambda: home.state(1) == "active")


def test_adding_a_held_job_again_tells_what_it_waits_for(home):
    home.blend("held")
    home.run("add", "held.blend")
    again = home.run("add", "held.blend")
    assert again.returncode == 1
    assert "already queued as job 1" in again.stderr
    assert "dblend accept 1' and --keep or --overwrite" in again.stderr
    assert len(home.json("add", "held.blend", status=1)) == 1  # one object a FILE


def test_adding_again_with_the_flag_answers_the_held_job(home):
    home.blend("held")
    assert home.run("add", "held.blend").returncode == 1
    assert "job 1:" in home.ok("add", "held.blend", "--keep")
    assert [job["job"] for job in home.json("list")] == [1]


def test_a_question_is_asked_at_a_terminal(home):
    home.blend("held")
    terminal = Terminal(home, "add", "held.blend")
    terminal.says("6 pictures of unknown origin")
    terminal.type("perhaps\n")
    terminal.says("does not answer")
    terminal.type("keep\n")
    assert terminal.end() == 0
    assert home.state(1) == "active"


def test_a_question_that_is_answered_elsewhere_ends(home):
    home.blend("held")
    terminal = Terminal(home, "add", "held.blend")
    terminal.says("keep / overwrite")
    home.ok("accept", "1", "--keep")
    terminal.says("not held any more")
    assert terminal.end() == 0


def test_enter_leaves_the_job_held(home):
    home.blend("held")
    terminal = Terminal(home, "add", "held.blend")
    terminal.says("keep / overwrite")
    terminal.type("\n")
    assert terminal.end() == 1
    assert home.state(1) == "held"


def test_add_asks_for_a_file_at_a_terminal(home):
    path = home.blend("my shot")
    terminal = Terminal(home, "add")
    terminal.says("Which .blend file")
    terminal.type(f"'{path}' \n")
    assert terminal.end() == 0
    assert "job 1: my shot" in terminal.seen


def test_what_fails_at_inspection_is_told(home):
    home.blend("nocamera")
    ended = home.run("add", "nocamera.blend")
    assert ended.returncode == 1
    assert "no camera; add a camera" in ended.stderr
    (job,) = home.json("show", 1)
    assert job["state"] == "failed" and job["error"]["code"] == "no-camera"
    assert job["frames"]["total"] is None and job["frames"]["done"] is None


# jobs -----------------------------------------------------------------------------------------


def test_jobs_are_changed_and_the_exit_status_tells(home):
    home.blend("slow")
    job = number_of(home, "slow.blend")
    for words, status, state in [(["pause", job], 0, "paused"), (["pause", job], 0, "paused"),
                                 (["resume", job], 0, "active"), (["resume", job], 0, "active"),
                                 (["cancel", job], 0, "cancelled"),
                                 (["cancel", job], 0, "cancelled"), (["pause", job], 1, "cancelled"),
                                 (["retry", job], 0, "active"), (["retry", job], 0, "active"),
                                 (["priority", job, "90"], 0, "active")]:
        ended = home.run(*words)
        assert (ended.returncode, home.state(job)) == (status, state), (words, ended.stderr)
    assert home.json("show", job)[0]["priority"] == 90
    home.ok("remove", "slow.blend")
    assert home.run("show", job).returncode == 1
    assert home.run("cancel", job).returncode == 1


def test_files_are_as_good_as_numbers(home):
    home.blend()
    number_of(home, "plain.blend")
    home.ok("pause", "plain.blend")
    assert home.state("plain.blend") == "paused"
    (line,) = home.json("pause", "nix.blend", status=1)
    assert line["code"] == "no-such-job"


def test_the_whole_farm_is_paused(home):
    home.blend("slow")
    home.farm()
    home.ok("pause")
    go(home)
    job = number_of(home, "slow.blend")
    assert home.run("wait", job, "--timeout", "1").returncode == 1
    assert home.json("show", job)[0]["frames"]["done"] == 0
    home.ok("resume")
    done(home, job)


def test_worker_that_rests_says_why_and_until_when(home):
    home.blend("full")
    home.farm("cpu:0", workers=1)
    job = number_of(home, "full.blend")
    until(lambda: home.json("workers")[0]["state"] == "resting")
    (worker,) = home.json("workers")
    assert worker["error"]["code"] == "disk-full"
    clock = worker["rests_until"][11:19]  # the tests' zone is UTC
    assert f"until {clock}: no room in" in home.ok("workers")
    assert "disk-full" in home.ok("show", job) or "no room" in home.ok("show", job)
    assert "worker-resting" in home.ok("log")
    assert "no room" in home.ok("list") or "rest" in home.ok("list")


def test_worker_that_leaves_a_job_to_others_is_shown(home):
    home.blend("slow picky")
    home.farm()
    job = number_of(home, "slow picky.blend")
    until(lambda: "blocked" in home.ok("show", job))
    assert "/cpu:0 leaves it to others: crashed" in home.ok("show", job)
    assert "worker-blocked" in home.ok("log", job)
    go(home)
    done(home, job)


def test_retry_of_what_is_done_puts_nothing_back(home):
    home.blend()
    home.farm()
    job = number_of(home, "plain.blend")
    done(home, job)
    assert "nothing has failed" in home.run("retry", job).stderr
    assert home.state(job) == "done"
    assert "all frames are rendered again" in home.run("retry", job, "--all").stderr
    done(home, job)


def test_ended_jobs_are_cleared(home):
    home.blend()
    home.farm()
    job = number_of(home, "plain.blend")
    done(home, job)
    home.ok("clear")
    assert home.json("list", "--all") == []
    assert frames_of(home) == [f"plain-{i:04d}.png" for i in range(1, 7)]


def test_show_log_and_workers_have_their_lines(home):
    home.blend()
    home.farm()
    job = number_of(home, "plain.blend")
    done(home, job)
    lines = home.json("show", job, "--frames")
    assert [line["type"] for line in lines] == ["job"] + ["frame"] * 6
    assert list(lines[1]) == ["type", "job", "frame", "state", "attempts", "worker", "ms", "files",
                              "error"]
    assert lines[1]["files"][0]["path"] == str(home.work / "plain" / "plain-0001.png")
    events = [line["event"] for line in home.json("log")]
    assert events.count("frame-done") == 6 and "job-done" in events
    assert list(home.json("log", job, "--frame", "2")[0]) == ["type", "time", "event", "job",
                                                              "frame", "worker", "text"]
    workers = home.json("workers")
    assert len(workers) == 2
    assert list(workers[0]) == ["type", "worker", "device", "host", "pid", "state", "job",
                                "frames", "blender", "done", "error", "rests_until"]
    assert sum(worker["done"] for worker in workers) == 6
    assert "plain" in home.ok("list") and "cpu:0" in home.ok("workers")
    assert "frame 2" in home.ok("log", job)
    shown = home.ok("show", job, "--frames")
    assert "6 done" in shown and "plain-0003.png" in shown
    assert home.run("log", job, "--frame", "2").returncode == 1  # this worker keeps no output
    assert "has no frame 7" in home.run("log", job, "--frame", "7").stderr
    assert lines[1]["files"][0]["view"] is None


@pytest.mark.parametrize("words", [["list"], ["list", "-q"], ["list", "--json"], ["show", "1"],
                                   ["log"], ["blender"], ["--help"], ["list", "--help"]])
def test_output_that_cannot_be_written_is_an_error(home, words):
    home.blend()
    number_of(home, "plain.blend")
    with open("/dev/full", "w") as full:
        ended = subprocess.run([home.bin / "dblend", *words], env=home.env, stdout=full,
                               stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("dblend: standard output cannot be written")
    assert "--help" in words or line.endswith(": No space left on device")


def test_an_answer_to_another_question_is_no_answer(home):
    home.blend("held")
    home.run("add", "held.blend")
    ended = home.run("accept", "1", "--allow-missing")
    assert ended.returncode == 1
    assert home.state(1) == "held"


def test_log_follows(home):
    home.blend("slow")
    home.farm()
    job = number_of(home, "slow.blend")
    following = home.start("log", job, "--follow", "--json")
    following.says("job-added")
    go(home)
    following.says("job-done")
    following.send(signal.SIGTERM)
    assert following.end() == 143
    assert all(json.loads(line)["job"] == job for line in following.stdout().splitlines())


def test_wait_tells_what_came_of_jobs(home):
    home.blend("bad2")
    home.blend("slow")
    home.farm()
    bad, slow = number_of(home, "bad2.blend"), number_of(home, "slow.blend")
    assert home.run("wait", bad).returncode == 1
    assert home.run("wait", slow, "--timeout", "0").returncode == 1
    go(home)
    assert home.run("wait", slow, bad).returncode == 1
    assert home.run("wait", slow).returncode == 0
    (job,) = home.json("show", bad)
    assert job["frames"]["failed"] == 1 and job["frames"]["done"] == 5
    failed = [line for line in home.json("show", bad, "--frames")[1:] if line["state"] == "failed"]
    assert failed[0]["error"]["code"] == "crashed" and failed[0]["attempts"] == 3


# farm -----------------------------------------------------------------------------------------


def test_farm_restarts_what_dies_and_stops_with_stop(home):
    farm = home.farm()
    before = {worker["device"]: worker["pid"] for worker in home.json("workers")}
    os.kill(before["cpu:0"], signal.SIGKILL)

    def replaced():
        states = {one["device"]: one for one in home.json("workers") if one["state"] != "lost"}
        return "cpu:0" in states and states["cpu:0"]["pid"] != before["cpu:0"]

    until(replaced, why="the worker is not started again")
    assert "cpu:0 died (signal 9" in farm.stderr()
    assert home.run("stop").returncode == 0
    assert farm.end() == 0
    until(lambda: not home.processes(), why="something is left")


def test_broker_that_dies_is_replaced_and_clients_outlive_it(home):
    home.blend("slow")
    home.farm()
    job = number_of(home, "slow.blend")
    following = home.start("log", job, "--follow")
    following.says("job-added")
    (broker,) = [pid for pid, words in home.processes() if "dblend-broker" in words]
    os.kill(broker, signal.SIGKILL)
    go(home)
    following.says("job-done")
    assert following.process.poll() is None
    assert len(frames_of(home, "slow")) == 6


def test_drained_worker_is_not_started_again(home):
    farm = home.farm()
    drained, other = home.json("workers")
    home.ok("drain", drained["worker"])
    until(lambda: drained["pid"] not in home.pids(drained["device"]), why="it does not leave")
    # one that dies after it comes back as long after its end as the drained one would have
    os.kill(other["pid"], signal.SIGKILL)
    until(lambda: home.pids(other["device"]) not in ([], [other["pid"]]), why="nothing is started")
    assert home.pids(drained["device"]) == []
    assert f"{drained['device']} died" not in farm.stderr()


def test_second_farm_is_told_of_the_first(home):
    first = home.farm()
    ended = home.run("farm")
    assert ended.returncode == 1
    assert f"pid {first.process.pid}" in ended.stderr and "dblend stop" in ended.stderr


def test_farm_ends_with_its_signal_after_the_frames(home):
    home.blend("slow")
    farm = home.farm()
    job = number_of(home, "slow.blend")
    begun(home, 2)
    farm.send(signal.SIGTERM)
    farm.says("finished first")
    until(lambda: {one["state"] for one in home.json("workers")} == {"draining"})
    go(home)
    assert farm.end() == 143
    assert len(frames_of(home, "slow")) == 2  # what each of the two had begun
    assert home.processes() == []


def test_second_signal_gives_back_at_once(home):
    home.blend("slow")
    farm = home.farm()
    job = number_of(home, "slow.blend")
    begun(home, 2)
    farm.send(signal.SIGINT)
    farm.says("finished first")
    farm.send(signal.SIGINT)
    assert farm.end() == 130
    assert frames_of(home, "slow") == []
    assert home.processes() == []


def test_killed_farm_leaves_nothing_behind(home):
    farm = home.farm()
    farm.process.kill()
    farm.end()
    until(lambda: not home.processes(), why="something is left")


def test_detached_farm_is_ready_when_it_says_so(home):
    ended = home.run("farm", "--devices", "cpu/2", "--detach")
    assert ended.returncode == 0, ended.stderr
    assert "dblend stop" in ended.stderr
    home.blend()
    done(home, number_of(home, "plain.blend"))
    assert home.run("stop", "--now").returncode == 0
    until(lambda: not home.processes(), why="something is left")


def pending(pid, number):
    """Does a signal wait for a suspended process?"""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"ShdPnd:\t(\w+)", status)[1], 16) >> (number - 1) & 1


@pytest.mark.parametrize("words, signals", [([], [signal.SIGTERM]),
                                            (["--now"], [signal.SIGTERM, signal.SIGINT])])
def test_stop_ends_a_farm_that_did_not_hear_of_it(home, words, signals):
    home.blend()
    home.ok("add", "plain.blend")  # a broker that is not the farm's own
    farm = home.farm()
    farm.send(signal.SIGSTOP)
    stop = home.start("stop", *words)
    until(lambda: all(pending(farm.process.pid, one) for one in signals), why="it is not told")
    assert stop.process.poll() is None
    farm.send(signal.SIGCONT)
    assert stop.end() == 0
    assert farm.process.poll() is not None or farm.end() in (130, 143)
    until(lambda: not home.processes(), why="something is left")


def test_worker_that_cannot_start_is_told_and_tried_again(home):
    (home.home / "run").mkdir(parents=True, mode=0o700)
    (home.home / "script").write_text("die")
    farm = home.farm("cpu:0", workers=0)
    farm.says("starts again in 1 s")
    (home.home / "script").unlink()
    until(lambda: home.json("workers"), why="no worker comes")


def test_device_that_is_held_is_told_once_and_waited_for(home):
    (home.home / "run").mkdir(parents=True, mode=0o700)
    (home.home / "script").write_text("busy")
    home.blend()
    render = home.start("render", "--devices", "cpu:0", "plain.blend")
    render.says("pid 7 has it")
    (home.home / "script").unlink()
    assert render.end() == 0
    assert render.stderr().count("pid 7 has it") == 1


@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh")
def test_zsh_completes_commands_options_and_what_the_farm_has(home):
    home.farm()
    home.ok("pause")  # no folder of pictures is made
    home.blend("shot 1")
    number_of(home, "shot 1.blend", "-f", "1")
    (home.work / "notes.txt").touch()
    offered = {"dblend re": "remove render resume retry", "dblend help re": "remove render resume retry",
               "dblend stop --": "--json --now", "dblend add --unbaked ": "allow order refuse",
               "dblend render ": "shot\\ 1.blend", "dblend show ": "1 shot\\ 1.blend",
               "dblend show -": "--frames --json -f",
               "dblend drain ": " ".join(sorted(one["worker"] for one in home.json("workers")))}
    here = pathlib.Path(__file__).parent
    path = f"{home.bin}:{os.environ['PATH']}"
    out = subprocess.run(["zsh", "-f", here / "complete.zsh", ROOT / "submit" / "completion",
                          *offered], cwd=home.work, env=dict(home.env, PATH=path), text=True,
                         capture_output=True, timeout=60).stdout
    assert dict(zip(offered, map(str.strip, out.splitlines()))) == offered


# render ---------------------------------------------------------------------------------------


def test_render_does_everything_and_leaves_nothing_running(home):
    home.blend()
    home.blend("movie")
    ended = home.run("render", "--devices", "cpu/2", "plain.blend", "movie.blend")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == f"plain: done, 6 frames rendered, in {home.work}/plain"
    assert lines[1] == f"movie: done, 6 frames rendered, in {home.work}/movie"
    assert lines[2].endswith(f"-i '{home.work}/movie/movie-%04d.png' -frames:v 6 -c:v libx264 "
                             f"-pix_fmt yuv420p -crf 18 '{home.work}/movie.mp4'")
    assert len(frames_of(home)) == len(frames_of(home, "movie")) == 6
    assert home.processes() == []


def test_render_again_goes_on_and_looks_at_every_picture(home):
    home.blend()
    home.ok("render", "plain.blend")
    (home.work / "plain" / "plain-0003.png").unlink()
    out = home.ok("render", "plain.blend")
    assert "1 frame rendered, 5 were there" in out
    assert len(frames_of(home)) == 6
    home.start("farm").says("the farm runs on")
    assert [job["job"] for job in home.json("list")] == [1]


def test_render_uses_a_farm_that_runs(home):
    home.farm()
    home.blend()
    ended = home.run("render", "plain.blend")
    assert ended.returncode == 0
    assert "starting" not in ended.stderr
    assert len(home.json("workers")) == 2


def test_render_goes_on_without_the_bad_ones(home):
    home.blend()
    home.blend("held")
    home.blend("bad2")
    home.blend("nocamera")
    ended = home.run("render", "held.blend", "plain.blend", "nix.blend", "bad2.blend",
                     "nocamera.blend")
    assert ended.returncode == 1
    assert len(frames_of(home)) == 6 and len(frames_of(home, "bad2")) == 5
    assert "--keep or --overwrite" in ended.stderr
    assert "frame 2: Blender crashed" in ended.stderr
    assert "no such file" in ended.stderr and "no camera" in ended.stderr


def test_jobs_of_others_that_stay_behind_are_told(home):
    (home.work / "theirs").mkdir()
    home.blend("theirs/slow")
    home.blend("held")
    home.blend("slow")
    job = number_of(home, "theirs/slow.blend")
    assert home.run("add", "held.blend").returncode == 1  # no farm would render it
    home.ok("pause", job)
    render = home.start("render", "--devices", "cpu:0", "slow.blend")
    begun(home, 1)
    home.ok("resume", job)
    go(home)
    render.says("1 other job stays on the list without a worker; `dblend farm' renders it")
    (home.work / "theirs" / "go").touch()  # its worker may have begun a frame of that job
    assert render.end() == 0
    assert home.state(job) == "active"


def test_no_job_stays_behind_where_a_worker_stays(home):
    home.farm()
    home.blend("slow")
    home.blend()
    number_of(home, "slow.blend", "-f", "1")
    ended = home.run("render", "--devices", "cpu:2", "plain.blend")
    assert ended.returncode == 0
    assert "starting 1 worker" in ended.stderr and "without a worker" not in ended.stderr


def test_render_prints_objects(home):
    home.blend()
    lines = home.json("render", "plain.blend", "nix.blend", status=1)
    assert [line["type"] for line in lines] == ["error", "job"]
    assert lines[1]["state"] == "done" and lines[1]["frames"]["done"] == 6


def test_interrupted_render_finishes_its_frames_and_goes_on(home):
    home.blend("slow")
    render = home.start("render", "--devices", "cpu/2", "slow.blend")
    begun(home, 2)
    render.send(signal.SIGINT)
    until(lambda: home.state(1) == "paused")
    go(home)
    assert render.end() == 130
    assert "the same command goes on" in render.stderr()
    assert len(frames_of(home, "slow")) == 2
    assert home.processes() == []
    assert "4 frames rendered" in home.ok("render", "slow.blend") or len(frames_of(home, "slow")) == 6


def test_render_interrupted_twice_gives_back_at_once(home):
    home.blend("slow")
    render = home.start("render", "--devices", "cpu/2", "slow.blend")
    begun(home, 2)
    render.send(signal.SIGINT)
    until(lambda: home.state(1) == "paused")
    render.send(signal.SIGINT)
    assert render.end() == 130
    assert frames_of(home, "slow") == []
    assert home.processes() == []


def test_killed_render_leaves_no_process(home):
    home.blend("slow")
    render = home.start("render", "--devices", "cpu/2", "slow.blend")
    begun(home, 1)
    render.process.kill()
    render.end()
    until(lambda: not home.processes(), why="something is left")
    go(home)
    assert home.run("render", "slow.blend").returncode == 0
    assert len(frames_of(home, "slow")) == 6


def test_stop_ends_a_render_too(home):
    home.blend("slow")
    render = home.start("render", "--devices", "cpu/2", "slow.blend")
    begun(home, 1)
    stop = home.start("stop")
    until(lambda: home.state(1) == "paused")
    go(home)
    assert render.end() == 1
    assert "same command" in render.stderr()
    assert stop.end() == 0
    assert home.processes() == []


def test_second_render_takes_over_when_the_first_ends(home):
    home.blend()
    home.blend("slow")
    first = home.start("render", "--devices", "cpu:0", "plain.blend", "slow.blend", "-f", "1-2")
    begun(home, 3)
    second = home.start("render", "slow.blend", "-f", "5-6")
    until(lambda: len(home.json("list")) == 3)
    first.send(signal.SIGINT)
    until(lambda: home.state(2) == "paused")
    first.send(signal.SIGINT)
    assert first.end() == 130
    go(home)
    assert second.end() == 0, second.stderr()
    assert {"slow-0005.png", "slow-0006.png"} <= set(frames_of(home, "slow"))
    until(lambda: not [one for one in home.processes() if "--device cpu" in one[1]])


def test_render_folder_is_made_new_or_gone_on_with(home):
    home.blend()
    home.ok("render", "--render-folder", "out", "plain.blend")
    (folder,) = (home.work / "out" / "my work").iterdir()
    assert folder.name.startswith("plain_")
    assert len(list(folder.glob("plain-000?.png"))) == 6
    assert "6 were there" in home.ok("render", "--render-folder", "out", "plain.blend")
    assert len(list((home.work / "out" / "my work").iterdir())) == 1


def test_bars_are_drawn_in_place(home):
    home.blend("slow")
    terminal = Terminal(home, "render", "--devices", "cpu/2", "slow.blend")
    terminal.says("sample 3/10")
    assert "cpu:0" in terminal.seen and "first frame" in terminal.seen
    go(home)
    assert terminal.end() == 0
    assert "6/6" in terminal.seen and "\x1b[J" in terminal.seen
    assert "slow: done, 6 frames rendered" in terminal.seen


def test_watch_shows_jobs_workers_and_events(home):
    home.blend("slow")
    home.farm()
    number_of(home, "slow.blend")
    terminal = Terminal(home, "watch")
    for text in ("slow", "cpu:0", "sample 3/10", "frame-started", "q quit"):
        terminal.says(text)
    terminal.type("p")
    until(lambda: home.state(1) == "paused")
    terminal.type("c")
    terminal.says("cancel job 1? y/n")
    terminal.type("y")
    until(lambda: home.state(1) == "cancelled")
    terminal.type("q")
    assert terminal.end() == 0
