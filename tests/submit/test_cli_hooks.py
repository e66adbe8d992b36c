"""Hooks: what the user's own programs are told, and that nothing waits for them."""

import json
import os
import signal

import pytest

from clitools import until

NAMES = ["on-farm-start", "on-farm-stop", "on-worker-start", "on-worker-stop", "on-frame-done",
         "on-job-done", "on-queue-empty"]
NOTE = """#!/bin/sh
{ echo "== $DBLEND_HOOK"; env | grep ^DBLEND_ | sort; } >> "$NOTES.$$" && cat "$NOTES.$$" >> "$NOTES"
rm "$NOTES.$$"
"""


@pytest.fixture
def notes(home):
    """Every hook is there and notes its facts down; a function that reads them."""
    path = home.folder / "notes"
    home.env["NOTES"] = str(path)
    for name in NAMES:
        write(home, name, NOTE)

    def read(name=None):
        found = []
        for text in (path.read_text() if path.exists() else "").split("== ")[1:]:
            first, *rest = text.splitlines()
            found.append((first, dict(line.split("=", 1) for line in rest if "=" in line)))
        return [facts for word, facts in found if word == name] if name else [one for one, _ in found]

    return read


def write(home, name, text, mode=0o755):
    folder = home.home / "config"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(mode)


def steward_of(home):
    """The process that runs the hooks."""
    return until(lambda: [pid for pid, words in home.processes() if " hooks " in words],
                 why="there is no steward")[0]


def log_of(home):
    return (home.home / "programs" / "hooks.log").read_text()


def test_a_farm_runs_them_in_the_order_of_what_happens(home, notes):
    farm = home.farm()
    workers = home.json("workers")
    home.blend()
    job, = home.ok("add", "-q", "-f", "1-2", "plain.blend").split()
    until(lambda: "on-queue-empty" in notes(), why=f"not empty: {notes()} {farm.stderr()}")
    farm.send(signal.SIGTERM)
    assert farm.end() == 143
    words = notes()
    assert words[0] == "on-farm-start" and words[-1] == "on-farm-stop"
    assert sorted(words[-3:-1]) == ["on-worker-stop"] * 2
    assert words.count("on-frame-done") == 2 and words.count("on-queue-empty") == 1
    assert words.index("on-job-done") < words.index("on-queue-empty")
    assert {facts["DBLEND_WORKER"] for facts in notes("on-worker-start")} == \
        {facts["DBLEND_WORKER"] for facts in notes("on-worker-stop")} == \
        {worker["worker"] for worker in workers}
    assert {facts["DBLEND_DEVICE"] for facts in notes("on-worker-start")} == {"cpu:0", "cpu:1"}
    stop, = notes("on-farm-stop")
    assert stop["DBLEND_REASON"] == "stopped" and stop["DBLEND_ROLE"] == "farm"
    assert stop["DBLEND_FARM_PID"] == str(farm.process.pid)
    done, = notes("on-job-done")
    assert done["DBLEND_JOB"] == job and done["DBLEND_STATE"] == "done"
    assert done["DBLEND_FILE"].endswith("plain.blend") and done["DBLEND_FRAMES_DONE"] == "2"
    frames = {facts["DBLEND_FRAME"]: facts for facts in notes("on-frame-done")}
    assert set(frames) == {"1", "2"}
    assert frames["2"]["DBLEND_PICTURE"].endswith("0002.png")


def test_render_runs_them_too_and_only_one_steward_does(home, notes):
    home.blend()
    home.ok("render", "--devices", "cpu/2", "-f", "1-2", "plain.blend")
    words = notes()
    assert words[0] == "on-farm-start" and words[-1] == "on-farm-stop"
    assert words.count("on-frame-done") == 2
    assert "on-farm-start: done" in log_of(home)
    farm = home.farm()
    until(lambda: notes().count("on-farm-start") == 2, why="the farm has none")
    home.blend("other")
    home.ok("render", "-f", "1", "other.blend")
    until(lambda: notes().count("on-frame-done") == 3, why="the frame's hook is not run")
    assert notes().count("on-farm-start") == 2 and notes().count("on-farm-stop") == 1
    assert farm.process.poll() is None


def test_who_takes_over_runs_none_again(home, notes):
    farm = home.farm("cpu/4", workers=4)
    home.blend("slow")
    render = home.start("render", "-f", "1-2", "slow.blend")
    until(lambda: len([words for _, words in home.processes() if " hooks " in words]) == 2,
          why="render has no steward")
    until(lambda: sum(one["state"] == "rendering" for one in home.json("workers")) == 2,
          why="the slow ones are not begun")
    home.blend()
    home.ok("add", "-f", "1-2", "-p", "90", "plain.blend")
    until(lambda: notes().count("on-job-done") == 1, why="the farm's steward does nothing")
    farm.send(signal.SIGTERM)
    farm.says("stopping: what renders")
    farm.send(signal.SIGTERM)
    assert farm.end() == 143
    until(lambda: notes().count("on-farm-start") == 2, why="nobody takes over")
    (home.work / "go").touch()
    assert render.end() == 0
    until(lambda: notes().count("on-farm-stop") == 2, why="no end")
    words = notes()
    assert words.count("on-frame-done") == 4 and words.count("on-job-done") == 2, words


def test_killed_the_farm_leaves_the_hooks_of_its_end(home, notes):
    farm = home.farm()
    until(lambda: notes().count("on-worker-start") == 2, why="workers have not started")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # as when a session ends
        os.kill(steward_of(home), number)
    farm.send(signal.SIGKILL)
    farm.end()
    assert "what runs the hooks has died" not in farm.stderr()
    until(lambda: "on-farm-stop" in notes(), why="on-farm-stop is not run")
    assert notes("on-farm-stop")[0]["DBLEND_REASON"] == "died"
    assert notes().count("on-worker-stop") == 2
    until(lambda: not home.processes(), why="something is left")


@pytest.mark.parametrize("name", ["on-frame-done", "on-job-done"])
def test_one_that_is_killed_has_a_successor_that_runs_each_hook_once(home, notes, name):
    """It dies while a hook runs, which outlives it, and others wait."""
    write(home, name, NOTE + f"while ! [ -e '{home.folder}/on' ]; do sleep 0.02; done\n")
    farm = home.farm()
    home.blend()
    job, = home.ok("add", "-q", "-f", "1-4", "plain.blend").split()
    home.ok("wait", job)
    until(lambda: name in notes(), why=f"no {name}: {farm.stderr()}")
    os.kill(steward_of(home), signal.SIGKILL)
    farm.says("what runs the hooks has died: signal 9 (Killed); another one goes on")
    (home.folder / "on").touch()
    until(lambda: "on-queue-empty" in notes(), why=f"nobody goes on: {notes()} {farm.stderr()}")
    farm.send(signal.SIGTERM)
    assert farm.end() == 143
    words = notes()
    assert words[0] == "on-farm-start" and words[-1] == "on-farm-stop"
    assert sorted(words[-3:-1]) == ["on-worker-stop"] * 2
    assert {word: words.count(word) for word in NAMES} == {
        "on-farm-start": 1, "on-farm-stop": 1, "on-worker-start": 2, "on-worker-stop": 2,
        "on-frame-done": 4, "on-job-done": 1, "on-queue-empty": 1}
    assert {facts["DBLEND_FRAME"] for facts in notes("on-frame-done")} == {"1", "2", "3", "4"}
    assert {facts["DBLEND_FARM_PID"] for facts in notes("on-farm-stop") + notes("on-farm-start")} \
        == {str(farm.process.pid)}
    assert notes("on-farm-stop")[0]["DBLEND_REASON"] == "stopped"


@pytest.mark.parametrize("name", ["on-worker-stop", "on-farm-stop"])
def test_killed_at_the_end_it_has_a_successor_too(home, notes, name):
    write(home, name, NOTE + f"while ! [ -e '{home.folder}/on' ]; do sleep 0.02; done\n")
    farm = home.farm()
    until(lambda: notes().count("on-worker-start") == 2, why="workers have not started")
    farm.send(signal.SIGTERM)
    until(lambda: name in notes(), why=f"no end: {farm.stderr()}")
    until(lambda: not [words for _, words in home.processes() if "dblend-broker " in words],
          why="the farm still stops")
    os.kill(steward_of(home), signal.SIGKILL)
    farm.says("another one goes on")
    (home.folder / "on").touch()
    assert farm.end() == 143
    until(lambda: not home.processes(), why="something is left")
    words = notes()
    assert words.count("on-farm-start") == 1 and words.count("on-worker-stop") == 2
    assert words[-1] == "on-farm-stop" and words.count("on-farm-stop") == 1
    assert notes("on-farm-stop")[0]["DBLEND_REASON"] == "stopped"


def test_a_successor_knows_the_workers_also_where_no_hook_was_run(home, notes):
    """There is on-worker-stop alone: what it needs is noted down all the same."""
    for name in set(NAMES) - {"on-worker-stop"}:
        (home.home / "config" / name).unlink()
    farm = home.farm()
    home.blend()
    job, = home.ok("add", "-q", "-f", "1-2", "plain.blend").split()
    home.ok("wait", job)
    state = home.home / "run" / "hooks.json"
    until(lambda: state.exists() and len(json.loads(state.read_text())["workers"]) == 2,
          why="the workers are not noted down")
    os.kill(steward_of(home), signal.SIGKILL)
    farm.says("another one goes on")
    farm.send(signal.SIGTERM)
    assert farm.end() == 143
    until(lambda: not home.processes(), why="something is left")
    assert notes() == ["on-worker-stop"] * 2
    assert json.loads(state.read_text())["open"] is False


def test_killed_with_its_farm_the_next_one_runs_the_hooks_of_that_end_first(home, notes):
    farm = home.farm()
    until(lambda: notes().count("on-worker-start") == 2, why="workers have not started")
    steward = steward_of(home)
    os.kill(steward, signal.SIGSTOP)
    farm.send(signal.SIGKILL)
    farm.end()
    os.kill(steward, signal.SIGKILL)
    until(lambda: not home.processes(), why="something is left")
    assert "on-farm-stop" not in notes()
    home.farm()
    until(lambda: notes().count("on-farm-start") == 2, why="the next farm has none")
    until(lambda: notes().count("on-worker-start") == 4, why="nor have its workers")
    words = notes()
    assert words[3:7] == ["on-worker-stop", "on-worker-stop", "on-farm-stop", "on-farm-start"]
    stop, = notes("on-farm-stop")
    assert stop["DBLEND_REASON"] == "died"
    assert stop["DBLEND_FARM_PID"] == str(farm.process.pid)


def test_what_dies_again_and_again_is_left(home):
    """Hooks that are of no harm, and a process that runs them which always crashes."""
    write(home, "on-farm-start", "#!/bin/sh\nkill -SEGV $PPID\nsleep 0.1\n")
    for name in NAMES[1:]:
        write(home, name, "#!/bin/sh\nkill -SEGV $PPID\nsleep 0.1\n")
    farm = home.farm()
    for number in range(4):
        home.blend(f"plain{number}")
        home.ok("wait", home.ok("add", "-q", "-f", "1-2", f"plain{number}.blend").split()[0])
    farm.says("they are not run any more")
    assert farm.stderr().count("another one goes on") == 4
    assert farm.process.poll() is None


def test_one_that_hangs_is_ended_and_holds_nothing_up(home, notes):
    write(home, "dblend.cfg", "hook-limit = 1\n", 0o600)
    write(home, "on-farm-start", "#!/bin/sh\ntrap '' TERM\necho it hangs\nsleep 1000 &\nwait; wait\n")
    farm = home.farm()
    home.blend()
    job, = home.ok("add", "-q", "-f", "1-2", "plain.blend").split()
    home.ok("wait", job)
    until(lambda: "on-job-done" in notes(), why=f"the others wait: {farm.stderr()}")
    assert "on-farm-start: it hangs" in farm.stderr()
    assert "on-farm-start took longer than 1 s: ended" in farm.stderr()


def test_one_that_fails_is_told(home):
    write(home, "on-farm-start", "#!/bin/sh\necho so it goes >&2\nexit 3\n")
    write(home, "on-worker-start", "#!/bin/nowhere\n")
    write(home, "on-job-done", "not executable", 0o644)
    farm = home.farm()
    farm.says("on-farm-start failed: exit 3")
    farm.says("on-worker-start cannot be run")
    assert "on-farm-start: so it goes" in farm.stderr()
    assert "on-job-done" not in farm.stderr()


def test_without_hooks_nobody_runs_them(home):
    home.farm()
    assert not [words for _, words in home.processes() if "hooks" in words]


def test_a_hook_gets_a_clean_start(home):
    write(home, "on-farm-start", "#!/bin/sh\npwd\ngrep SigIgn /proc/$$/status\n"
                                 "ls -l /proc/$$/fd\n")
    farm = home.farm()
    farm.says("on-farm-start: done")
    said = [line.partition("on-farm-start: ")[2] for line in farm.stderr().splitlines()]
    assert str(home.home / "config") in said
    assert "SigIgn:?0000000000000000" in said
    assert not [line for line in said if os.sep + "socket" in line or "eventpoll" in line]
