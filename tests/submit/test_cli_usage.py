"""What needs no farm: help, usage errors, refusals before anything is sent."""

import json
import re
import subprocess

import pytest

from clitools import DEADLINE_S, PATIENCE, ROOT, Terminal

COMMANDS = ["render", "farm", "add", "remove", "list", "show", "watch", "wait", "log", "workers",
            "devices", "pause", "resume", "cancel", "retry", "verify", "priority", "accept", "clear", "drain",
            "rest", "wake", "stop", "blender"]
OPTIONS = ["--frames", "--output", "--render-folder", "--scene", "--engine", "--samples",
           "--percentage", "--format", "--no-denoise", "--priority", "--overwrite",
           "--trust-scripts", "--order", "--attempts", "--placeholder-timeout", "--keep",
           "--stall", "--max-frame-time",
           "--min-frame-time", "--strict", "--allow-missing", "--no-scripts", "--unbaked", "--mix",
           "--device-type", "--allow-cpu", "--name"]
CREW = ["--devices", "--low-impact", "--max-temperature", "--blender", "--bpy", "--factory", "--recycle",
        "--when-done"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_and_a_man_page(home, command):
    text = home.ok(command, "--help")
    assert f"Usage: dblend {command}" in text
    assert home.ok("help", command) == text
    page = (ROOT / "submit" / "man" / f"dblend-{command}.1").read_text().replace("\\-", "-")
    for option in re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.M):
        assert option in page or option in ("--usage", "--version"), option


def test_every_command_is_in_help_and_completion(home):
    text = home.ok("--help")
    bash = (ROOT / "submit" / "completion" / "dblend.bash").read_text()
    zsh = (ROOT / "submit" / "completion" / "_dblend").read_text()
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", text, re.M)
        assert command in bash and f"'{command}:" in zsh


@pytest.mark.parametrize("command", ["render", "farm"])
def test_options_of_who_renders_are_in_help_and_completion(home, command):
    text = home.ok(command, "--help")
    bash = (ROOT / "submit" / "completion" / "dblend.bash").read_text()
    zsh = (ROOT / "submit" / "completion" / "_dblend").read_text()
    for option in CREW:
        assert option in text and option in bash and option in zsh, option


@pytest.mark.parametrize("command", ["render", "add"])
def test_job_options_are_in_help_and_completion(home, command):
    text = home.ok(command, "--help")
    bash = (ROOT / "submit" / "completion" / "dblend.bash").read_text()
    zsh = (ROOT / "submit" / "completion" / "_dblend").read_text()
    for option in OPTIONS:
        assert option in text and option in bash and option in zsh, option


def test_bash_completes_commands_and_options():
    script = f"""
        source '{ROOT}/submit/completion/dblend.bash'
        COMP_WORDS=(dblend re); COMP_CWORD=1; _dblend dblend re dblend; echo "${{COMPREPLY[@]}}"
        COMP_WORDS=(dblend stop --n); COMP_CWORD=2; _dblend dblend --n stop; echo "${{COMPREPLY[@]}}"
        COMP_WORDS=(dblend add --unbaked ''); COMP_CWORD=3; _dblend dblend '' --unbaked
        echo "${{COMPREPLY[@]}}"
    """
    out = subprocess.run(["bash", "-c", script], text=True, capture_output=True, check=True).stdout
    assert out.splitlines() == ["render remove resume retry rest", "--now", "order refuse allow"]


@pytest.mark.parametrize("line, offered", [
    ("dblend drain ", "vm/cpu:0 vm/gpu:1"), ("dblend drain vm/c", "vm/cpu:0"),
    ("dblend drain vm/cpu:", "0"), ("dblend drain vm/gpu:1", "1"),
])
def test_bash_completes_worker_names_past_their_colon(line, offered):
    script = f"""
        source '{ROOT}/submit/completion/dblend.bash'
        dblend() {{ printf '{{"type":"worker","worker":"%s"}}\\n' vm/cpu:0 vm/gpu:1; }}
        COMP_WORDBREAKS=' :' COMP_LINE='{line}' COMP_POINT={len(line)} COMP_WORDS=(dblend drain x)
        COMP_CWORD=2; _dblend dblend x drain; echo "${{COMPREPLY[@]}}"
    """
    out = subprocess.run(["bash", "-c", script], text=True, capture_output=True, check=True).stdout
    assert out.strip() == offered


@pytest.mark.parametrize("words", [
    [], ["nothing"], ["list", "x"], ["add", "-p", "101", "x.blend"], ["add", "-f", "5-1", "x.blend"],
    ["add", "-f", "1-2000000", "x.blend"], ["add", "--keep", "--overwrite", "x.blend"],
    ["add", "--no-such-option", "x.blend"], ["wait"], ["show"], ["show", "1", "2"],
    ["priority", "1"], ["priority", "1", "high"], ["cancel"], ["drain"], ["log", "--frame", "1"],
    ["accept", "1", "--samples", "4"], ["wait", "1", "--timeout", "soon"], ["add"], ["render"],
    ["add", "--from", "/no/such/list"], ["farm", "x.blend"], ["add", "--from", "/dev/zero"],
    ["add", "-n", "", "x.blend"], ["add", "-S", "s" * 4097, "x.blend"], ["drain", ""], ["rest"], ["wake"], ["rest", ""], ["wake", "--now", "x"],
    ["add", "-n", "\udcff", "x.blend"], ["add", "-o", "/x/\udcff", "x.blend"],
    ["add", "-o", "o" * 4090, "x.blend"], ["drain", "d" * 4097], ["farm", "--devices", ""],
    ["priority", "1", "9" * 5000],
])
def test_wrong_usage_ends_with_2_and_starts_nothing(home, words):
    done = home.run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(("dblend", "Usage"))
    assert len(done.stderr) < 1000 or words == []
    assert not home.home.exists() or not list(home.home.glob("run/*.sock"))


@pytest.mark.parametrize("words", [["add", ""], ["show", ""], ["remove", ""]])
def test_empty_names_are_named(home, words):
    home.blend()
    home.ok("add", "--no-wait", "plain.blend")
    done = home.run(*words)
    assert done.returncode == 1
    assert done.stderr.startswith("dblend: '': no ")


def test_closed_streams_are_no_place_for_files(home):
    """The number of a closed stream would go to the next socket, which then got our words."""
    home.blend()
    for streams, status, said in [(">&-", 1, "dblend: standard output cannot be written: "
                                             "Bad file descriptor\n"),
                                  (">&- 2>&- <&-", 1, ""), ("<&-", 0, ""), ("2>&-", 0, "")]:
        script = f"'{home.bin}/dblend' add -q --no-wait --again plain.blend {streams}"
        done = subprocess.run(["bash", "-c", script], cwd=home.work, env=home.env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S)
        assert (done.returncode, done.stderr) == (status, said), streams
    assert len(home.json("list")) == 4


def test_wrong_devices_are_wrong_usage(home):
    home.blend()
    done = home.run("render", "--devices", "cpu/99", "plain.blend")
    assert done.returncode == 2
    assert "no such device: cpu/99" in done.stderr
    assert home.run("render", "--devices", "", "plain.blend").returncode == 2
    assert home.processes() == []


@pytest.mark.parametrize("words", [["list"], ["show", "1"], ["workers"], ["log"], ["wait", "1"],
                                   ["pause"], ["cancel", "1"], ["clear"], ["drain", "x/cpu"],
                                   ["retry", "1"], ["priority", "1", "5"], ["accept", "1"]])
def test_no_broker_is_said_with_how_to_start_one(home, words):
    done = home.run(*words, timeout=5 * PATIENCE)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "dblend farm" in done.stderr


def test_no_broker_is_an_error_line_in_json(home):
    (line,) = home.json("list", status=1)
    assert list(line) == ["type", "code", "file", "job", "text", "hint"]
    assert (line["type"], line["code"]) == ("error", "no-broker")


def test_stop_without_a_farm_is_fine(home):
    assert home.run("stop").returncode == 0


def test_refused_files_start_no_farm(home):
    (home.work / "text.blend").write_text("no scene")
    (home.work / "folder.blend").mkdir()
    done = home.run("add", "text.blend", "folder.blend", "nix.blend")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    for name, line in zip(["text.blend", "folder.blend", "nix.blend"], lines):
        assert line.startswith(f"dblend: {name}: ")
    assert "no such file" in lines[2]
    assert home.processes() == []


def test_refused_files_are_error_lines_in_order(home):
    (home.work / "text.blend").write_text("no scene")
    lines = home.json("render", "nix.blend", "text.blend", status=1)
    assert [line["code"] for line in lines] == ["file-missing", "not-blend"]
    assert lines[1]["file"] == str(home.work / "text.blend")


def test_socket_folder_that_is_not_private_is_refused(home):
    (home.home / "run").mkdir(parents=True)
    (home.home / "run").chmod(0o755)
    done = home.run("list")
    assert done.returncode == 1
    assert "chmod" in done.stderr and str(home.home / "run") in done.stderr


def test_blender_lists_what_the_worker_finds(home):
    assert home.ok("blender").splitlines()[1].split() == ["3.4.1", "yes", "/opt/blender/blender"]
    lines = home.json("blender")
    assert [line["version"] for line in lines] == ["3.4.1", "2.93.0"]
    assert list(lines[0])[0] == "type"


def test_watch_says_that_it_needs_a_terminal(home):
    done = home.run("watch")
    assert done.returncode == 1
    assert "terminal" in done.stderr


def test_watch_says_that_a_terminal_cannot_show_it(home):
    home.blend()
    home.ok("add", "--no-wait", "plain.blend")
    for name in ("dumb", "", "no-such-terminal"):
        terminal = Terminal(home, "watch", TERM=name)
        assert terminal.end() == 1
        assert f"this terminal cannot show it: TERM={name}\r\n" in terminal.seen
        assert "JOB" not in terminal.seen  # nothing is drawn


def test_names_cannot_move_the_cursor(home):
    done = home.run("add", "\x1b[2Jnix.blend")
    assert done.returncode == 1
    assert "\x1b" not in done.stderr


def test_json_is_json_even_for_odd_names(home):
    done = home.run("add", "--json", 'a"b\n.blend')
    assert json.loads(done.stdout)["file"] == f'{home.work}/a"b\n.blend'
