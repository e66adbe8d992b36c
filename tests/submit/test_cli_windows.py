"""--windows: each worker in a pane or terminal of its own, which the farm does not depend on."""

import os
import shutil
import signal
import subprocess

import pytest

from clitools import until

NOTE = """#!/bin/sh
for word; do printf '[%s]' "$word"; done >> "$SAID"
echo >> "$SAID"
echo %7
"""


@pytest.fixture
def tools(home):
    """A PATH with stand-ins only; a function that reads what they were asked for."""
    folder = home.folder / "tools"
    folder.mkdir()
    said = home.folder / "said"
    home.env.update(PATH=str(folder), SAID=str(said))
    home.env.pop("TMUX", None)

    def put(name):
        (folder / name).write_text(NOTE)
        (folder / name).chmod(0o755)
        return lambda: said.read_text().splitlines() if said.exists() else []

    return put


def tmux(home, *words):
    return subprocess.run(["tmux", *words], env=home.env, capture_output=True, text=True,
                          check=False)


@pytest.mark.skipif(not shutil.which("tmux"), reason="no tmux is installed")
def test_the_real_tmux_has_a_pane_a_worker_until_the_farm_ends(home):
    home.env["TMUX_TMPDIR"] = str(home.folder)
    home.env.pop("TMUX", None)
    farm = home.start("farm", "--devices", "cpu/2", "--windows")
    farm.says("the farm runs on")
    session = f"dblend-{farm.process.pid}"
    assert f"tmux attach -t {session}" in farm.stderr()
    panes = tmux(home, "list-panes", "-s", "-t", session, "-F", "#{pane_id} #{pane_title}")
    ids = dict(line.split(" ", 1)[::-1] for line in panes.stdout.splitlines())
    assert set(ids) == {"cpu:0", "cpu:1"}, panes.stderr

    def shown(device):
        return tmux(home, "capture-pane", "-p", "-t", ids[device]).stdout

    until(lambda: all("ready name=" in shown(one) and f"/{one}" in shown(one) for one in ids), why=shown("cpu:0"))
    before = home.pids("cpu:0")
    tmux(home, "kill-pane", "-t", ids["cpu:0"])
    home.blend()
    job, = home.ok("add", "-q", "-f", "1-2", "plain.blend").split()
    home.ok("wait", job)
    assert home.pids("cpu:0") == before
    farm.send(signal.SIGTERM)
    assert farm.end() == 143
    until(lambda: tmux(home, "has-session", "-t", session).returncode != 0, why="a pane is left")


def test_inside_tmux_the_panes_are_of_a_new_window(home, tools):
    said = tools("tmux")
    farm = home.start("farm", "--devices", "cpu/2", "--windows", TMUX="/tmp/x,1,0")
    farm.says("the farm runs on")
    first, *rest = [line for line in said() if "[tail]" in line]
    log = home.home / "programs" / "cpu:0.log"
    assert first.startswith("[new-window]") and f"[--pid={farm.process.pid}][{log}]" in first
    assert len(rest) == 1 and rest[0].startswith("[split-window][-d][-t][%7]")
    assert "tmux attach" not in farm.stderr()


def test_without_tmux_each_has_a_terminal(home, tools):
    said = tools("x-terminal-emulator")
    farm = home.start("farm", "--devices", "cpu/2", "--windows")
    farm.says("the farm runs on")
    until(lambda: len(said()) == 2, why=str(said()))
    assert {line.split("]")[1].strip("[") for line in said()} == {"dblend cpu:0", "dblend cpu:1"}
    assert all(f"[-e][tail][-n40][-F][--pid={farm.process.pid}]" in line for line in said())


def test_a_tmux_that_fails_ends_the_farm_and_says_why(home, tools):
    tools("tmux")
    (home.folder / "tools" / "tmux").write_text("#!/bin/sh\necho no server today >&2\nexit 1\n")
    done = home.run("farm", "--devices", "cpu/2", "--windows")
    assert done.returncode == 1
    assert "--windows: tmux: no server today" in done.stderr
    until(lambda: not home.processes(), why="something is left")


def test_a_terminal_that_cannot_be_started_ends_the_farm_too(home, tools):
    tools("x-terminal-emulator")
    (home.folder / "tools" / "x-terminal-emulator").write_text("#!/bin/nowhere\n")
    done = home.run("farm", "--devices", "cpu/2", "--windows")
    assert done.returncode == 1
    assert "x-terminal-emulator: No such file or directory" in done.stderr
    until(lambda: not home.processes(), why="something is left")


def test_with_neither_it_says_so_and_starts_nothing_for_long(home, tools):
    os.makedirs(home.env["PATH"], exist_ok=True)
    done = home.run("farm", "--devices", "cpu/2", "--windows")
    assert done.returncode == 1
    assert "--windows: neither tmux nor x-terminal-emulator is installed" in done.stderr
    until(lambda: not home.processes(), why="something is left")
