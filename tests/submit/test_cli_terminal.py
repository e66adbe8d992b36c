"""What is drawn on a terminal and typed there: bars, watch, completion."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from clitools import done, go, number_of, PATIENCE, ROOT, Terminal, until


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


def test_watch_changes_the_job_that_is_selected(home):
    home.blend("slow")
    home.blend("bad2")
    home.farm()
    bad = number_of(home, "bad2.blend")
    until(lambda: home.state(bad) == "failed")
    slow = number_of(home, "slow.blend", "-p", "3")

    def priority():
        return home.json("show", slow)[0]["priority"]

    terminal = Terminal(home, "watch")
    terminal.says("bad2")
    terminal.type("r")
    until(lambda: "job-retried" in home.ok("log", bad))
    terminal.type("j+")
    until(lambda: priority() == 8)
    terminal.type("---")  # not below 0
    until(lambda: priority() == 0)
    terminal.type("k\x1bOB\x1bOB+")  # up, and down twice: the last one stays selected
    until(lambda: priority() == 5)
    terminal.type("\x1b[21;5~\x1bOc\x1bc")  # keys that are not known are not three keys
    terminal.type("c")
    terminal.says(f"cancel job {slow}? y/n")
    terminal.type("np")  # no; and then paused
    until(lambda: home.state(slow) == "paused")
    terminal.says("job-paused")  # what p does depends on what is seen
    terminal.type("p")
    until(lambda: home.state(slow) == "active")
    terminal.type("\x1b")
    assert terminal.end() == 0


def test_watch_says_what_is_refused(home):
    home.blend()
    home.farm()
    done(home, number_of(home, "plain.blend"))
    terminal = Terminal(home, "watch")
    terminal.says("plain")
    terminal.type("p")
    terminal.says("job 1 is done")
    terminal.type("q")
    assert terminal.end() == 0


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_watch_puts_the_terminal_back_at_a_signal(home, number, status):
    home.farm()
    terminal = Terminal(home, "watch", columns=14, rows=3)  # too small for anything
    terminal.says("\x1b[?1049h")
    terminal.process.send_signal(number)
    assert terminal.end() == status
    assert terminal.seen.rstrip().endswith(("\x1b[?1049l", "\x1b[?1l\x1b>", "\x1b[?12l\x1b[?25h"))


def test_watch_outlives_its_broker(home):
    home.blend("slow")
    home.farm()
    job = number_of(home, "slow.blend")
    terminal = Terminal(home, "watch")
    terminal.says("slow")
    (broker,) = [pid for pid, words in home.processes() if "dblend-broker" in words]
    os.kill(broker, signal.SIGKILL)
    go(home)
    terminal.says("job-done")
    terminal.type("q")
    assert terminal.end() == 0
    assert home.state(job) == "done"


@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh")
def test_zsh_completes_commands_options_and_what_the_farm_has(home):
    home.farm()
    home.ok("pause")  # no folder of pictures is made
    home.blend("shot 1")
    number_of(home, "shot 1.blend", "-f", "1")
    (home.work / "notes.txt").touch()
    offered = {"dblend re": "remove render rest resume retry", "dblend help re": "remove render rest resume retry",
               "dblend stop --": "--json --now", "dblend add --unbaked ": "allow order refuse",
               "dblend render ": "shot\\ 1.blend", "dblend show ": "1 shot\\ 1.blend",
               "dblend show -": "--frames --json -f",
               "dblend drain ": " ".join(sorted(one["worker"] for one in home.json("workers")))}
    here = pathlib.Path(__file__).parent
    path = f"{home.bin}:{os.environ['PATH']}"
    out = subprocess.run(["zsh", "-f", here / "complete.zsh", ROOT / "submit" / "completion",
                          *offered], cwd=home.work, env=dict(home.env, PATH=path), text=True,
                         capture_output=True, timeout=60 * PATIENCE).stdout
    assert dict(zip(offered, map(str.strip, out.splitlines()))) == offered
