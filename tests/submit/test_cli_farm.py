"""dblend farm and stop, with the real broker and scripted workers."""

import contextlib
import os
import pathlib
import re
import signal
import sqlite3

import pytest

from clitools import begun, done, frames_of, go, left_by_themselves, number_of, until


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
    assert left_by_themselves(home) == ["cpu:0", "cpu:1"]
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
    assert len(home.json("workers")) == 2
    home.blend()
    done(home, number_of(home, "plain.blend"))
    assert home.run("stop", "--now").returncode == 0
    until(lambda: not home.processes(), why="something is left")


def test_broker_that_cannot_use_its_ledger_is_started_once(home):
    home.blend()
    home.ok("add", "plain.blend")
    home.ok("stop")
    with contextlib.closing(sqlite3.connect(home.home / "ledger.db")) as ledger:
        ledger.execute("PRAGMA user_version = 9999")
    for words in (["render", "plain.blend"], ["farm"], ["add", "plain.blend"]):
        ended = home.run(*words)
        assert ended.returncode == 1
        assert "newer" in ended.stderr and "again" not in ended.stderr
        assert words[0] == "farm" or len(ended.stderr.splitlines()) == 1
    assert home.processes() == []


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


@pytest.mark.parametrize("script, words", [
    ("busy", "pid 7 has it; tried again until it is free"),
    ("gone", "GPU is lost; tried again until it works"),
])
def test_device_that_is_held_or_gone_is_told_once_and_waited_for(home, script, words):
    (home.home / "run").mkdir(parents=True, mode=0o700)
    (home.home / "script").write_text(script)
    home.blend()
    render = home.start("render", "--devices", "cpu:0", "plain.blend")
    render.says(words)
    (home.home / "script").unlink()
    assert render.end() == 0
    assert render.stderr().count("tried again") == 1
