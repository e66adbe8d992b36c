"""The commands about jobs, with the real broker and scripted workers."""

import json
import signal
import subprocess

import pytest

from clitools import done, frames_of, go, number_of, until


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
    assert "farm is paused" not in home.run("list").stderr  # no job is not every job


def test_a_file_means_those_of_its_jobs_that_the_command_is_for(home):
    home.blend("slow")
    jobs = [number_of(home, "slow.blend", "-f", frame) for frame in ("1", "2", "3")]
    home.ok("cancel", jobs[0])
    home.ok("pause", "slow.blend")  # the unfinished ones
    assert [home.state(job) for job in jobs] == ["cancelled", "paused", "paused"]
    home.ok("resume", "slow.blend")
    home.ok("cancel", jobs[2])
    home.ok("retry", "slow.blend")  # the newest
    assert [home.state(job) for job in jobs] == ["cancelled", "active", "active"]
    home.ok("remove", "slow.blend")  # all
    assert home.json("list", "--all") == []


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
                                "frames", "blender", "done", "error", "rests_until",
                                "telemetry"]
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
