"""--when-done and the inhibitor, with stand-ins for systemctl and systemd-inhibit."""

import datetime
import os
import shutil
import signal

import pytest

from clitools import until

# It holds until it is ended, as the real one does with its command.
INHIBIT = """#!/bin/sh
echo "$$ $*" >> "$SAID/held"
trap 'echo "$$" >> "$SAID/released"; kill $!; exit 0' TERM
while :; do sleep 60 & wait $!; done
"""
SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$SAID/systemctl"
"""


class Machine:
    """What the stand-ins were asked for."""

    def __init__(self, home):
        self.home = home
        self.folder = home.folder / "said"
        self.folder.mkdir()
        self.tools = home.folder / "tools"
        self.tools.mkdir()
        home.env["SAID"] = str(self.folder)
        home.env["PATH"] = f"{self.tools}:{home.env['PATH']}"
        self.put("systemd-inhibit", INHIBIT)
        self.put("systemctl", SYSTEMCTL)
        self.notice(0)

    def put(self, name, text):
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def notice(self, seconds):
        folder = self.home.home / "config"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "dblend.cfg").write_text(f"when-done-notice = {seconds}\n")

    def said(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(home):
    return Machine(home)


def test_a_farm_suspends_when_the_queue_is_empty_and_again_after_more(home, machine):
    home.blend()
    farm = home.start("farm", "--devices", "cpu/2", "--when-done", "suspend")
    farm.says("the farm runs on")
    assert machine.said("systemctl") == []
    home.ok("add", "-f", "1-2", "plain.blend")
    until(lambda: machine.said("systemctl") == ["suspend"], why=farm.stderr())
    assert "nothing is left to render; in 0 s: this machine is suspended" in farm.stderr()
    assert home.ok("log").count("farm-notice") == 1
    home.blend("more")
    home.ok("add", "-f", "1-2", "more.blend")
    until(lambda: machine.said("systemctl") == ["suspend"] * 2, why=farm.stderr())
    assert farm.process.poll() is None


def test_the_notice_is_waited_for(home, machine):
    """A look at the queue comes every two or three seconds: none is the end of the notice."""
    machine.notice(6)
    home.blend()
    farm = home.start("farm", "--devices", "cpu/2", "--when-done", "poweroff")
    farm.says("the farm runs on")
    home.ok("add", "-f", "1-2", "plain.blend")
    until(lambda: machine.said("systemctl"), why=farm.stderr())
    assert machine.said("systemctl") == ["poweroff"]
    told, = [event["time"] for event in home.json("log") if event["event"] == "farm-notice"]
    begun = datetime.datetime.fromisoformat(told).timestamp()
    assert (machine.folder / "systemctl").stat().st_mtime - begun > 4


def test_without_a_setting_the_notice_is_a_minute(home, machine):
    (home.home / "config" / "dblend.cfg").unlink()
    home.blend()
    farm = home.start("farm", "--devices", "cpu/2", "--when-done", "suspend")
    farm.says("the farm runs on")
    home.ok("add", "-f", "1-2", "plain.blend")
    farm.says("nothing is left to render; in 60 s: this machine is suspended")
    assert machine.said("systemctl") == []


def test_ctrl_c_ends_the_notice_and_nothing_else(home, machine):
    machine.notice(60)
    home.blend()
    farm = home.start("farm", "--devices", "cpu/2", "--when-done", "poweroff")
    farm.says("the farm runs on")
    home.ok("add", "-f", "1-2", "plain.blend")
    farm.says("Ctrl-C or new work prevents it")
    farm.send(signal.SIGINT)
    farm.says("Ctrl-C: not done: this machine is turned off")
    until(lambda: "Ctrl-C: not done" in home.ok("log"), why="the log does not say so")
    assert farm.process.poll() is None
    farm.send(signal.SIGINT)
    assert farm.end() == 130
    assert machine.said("systemctl") == []


def test_new_work_ends_the_notice(home, machine):
    machine.notice(60)
    home.blend()
    home.blend("slow")
    farm = home.start("farm", "--devices", "cpu/2", "--when-done", "poweroff")
    farm.says("the farm runs on")
    home.ok("add", "-f", "1-2", "plain.blend")
    farm.says("Ctrl-C or new work prevents it")
    home.ok("add", "-f", "1-2", "slow.blend")
    farm.says("there is new work: not done")
    assert machine.said("systemctl") == []


def test_render_runs_a_command_once_all_has_stopped(home, machine):
    home.blend()
    mark = machine.folder / "mark"
    home.ok("render", "--devices", "cpu/2", "-f", "1-2", "--when-done", f"echo did >> '{mark}'",
            "plain.blend")
    until(lambda: machine.said("mark") == ["did"], why="the command is not run")


def test_nothing_is_held_while_the_machine_is_suspended(home, machine):
    """It would not let itself be suspended."""
    machine.put("systemctl", "#!/bin/sh\nread -r pid rest < \"$SAID/held\"\n"
                             "kill -0 $pid && echo held >> \"$SAID/was\" || echo free >> \"$SAID/was\"\n")
    home.blend("slow")
    render = home.start("render", "--devices", "cpu/2", "-f", "1-2", "--when-done", "suspend",
                        "slow.blend")
    until(lambda: machine.said("held"), why=render.stderr())
    (home.work / "go").touch()
    assert render.end() == 0
    until(lambda: machine.said("was"), why="nothing is done")
    assert machine.said("was") == ["free"]


def test_render_leaves_the_machine_on_for_other_jobs(home, machine):
    home.blend("slow theirs")
    home.blend()
    home.farm("cpu/4", workers=4)
    home.ok("add", "-f", "1-2", "slow theirs.blend")
    done = home.run("render", "-f", "1", "-p", "90", "--when-done", "poweroff", "plain.blend")
    assert done.returncode == 0
    assert "other jobs are on the list: not done: this machine is turned off" in done.stderr
    assert machine.said("systemctl") == []


def test_awake_while_there_is_work_and_no_longer(home, machine):
    home.blend("slow")
    farm = home.farm()
    assert machine.said("held") == []
    job, = home.ok("add", "-q", "-f", "1-2", "slow.blend").split()
    until(lambda: machine.said("held"), why=farm.stderr())
    pid, words = machine.said("held")[0].split(" ", 1)
    assert "--what=sleep:idle" in words and "--mode=block" in words
    home.ok("cancel", job)
    until(lambda: not os.path.exists(f"/proc/{pid}"), why="it is held on")
    assert len(machine.said("held")) == 1


def test_awake_until_a_farm_that_stops_has_finished(home, machine):
    home.blend("slow")
    farm = home.farm()
    home.ok("add", "-f", "1-2", "slow.blend")
    until(lambda: machine.said("held"), why=farm.stderr())
    pid = machine.said("held")[0].split()[0]
    farm.send(signal.SIGTERM)
    farm.says("stopping: what renders is finished first")
    assert os.path.exists(f"/proc/{pid}") and farm.process.poll() is None
    (home.work / "go").touch()
    assert farm.end() == 143
    until(lambda: not os.path.exists(f"/proc/{pid}"), why="it is held on")


def test_killed_the_farm_holds_it_no_longer(home, machine):
    home.blend("slow")
    farm = home.farm()
    home.ok("add", "-f", "1-2", "slow.blend")
    until(lambda: machine.said("held"), why=farm.stderr())
    pid = machine.said("held")[0].split()[0]
    farm.send(signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{pid}"), why="it is held on")


def test_what_prevents_the_inhibitor_is_told_once(home, machine):
    machine.put("systemd-inhibit", "#!/bin/sh\necho 'Failed to inhibit: nobody home' >&2\nexit 1\n")
    home.blend("slow")
    farm = home.farm()
    home.ok("add", "-f", "1-2", "slow.blend")
    farm.says("nothing keeps this machine from going to sleep while it renders: Failed to inhibit")
    home.blend("slow more")
    home.ok("add", "-f", "1-2", "slow more.blend")
    assert farm.stderr().count("nothing keeps this machine") == 1


def test_without_a_program_that_inhibits_it_is_told_once(home, machine):
    (machine.tools / "systemd-inhibit").unlink()
    home.env["PATH"] = str(machine.tools)
    home.blend("slow")
    farm = home.farm()
    home.ok("add", "-f", "1-2", "slow.blend")
    farm.says("nothing keeps this machine from going to sleep while it renders: systemd-inhibit: "
              "No such file or directory")
    assert farm.stderr().count("nothing keeps this machine") == 1


@pytest.mark.skipif(not shutil.which("systemd-inhibit"), reason="no systemd-inhibit is installed")
def test_without_a_bus_the_real_one_says_why_not(home, machine):
    (machine.tools / "systemd-inhibit").unlink()
    home.env["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={home.folder}/nobody"
    home.blend("slow")
    farm = home.farm()
    home.ok("add", "-f", "1-2", "slow.blend")
    farm.says("nothing keeps this machine from going to sleep while it renders: Failed")
    assert farm.process.poll() is None


def test_without_systemctl_it_says_so(home, machine):
    (machine.tools / "systemctl").unlink()
    home.env["PATH"] = str(machine.tools)
    home.blend()
    farm = home.start("farm", "--devices", "cpu/2", "--when-done", "suspend")
    farm.says("the farm runs on")
    home.ok("add", "-f", "1-2", "plain.blend")
    farm.says("--when-done suspend cannot be done: No such file or directory")
    assert farm.process.poll() is None


def test_a_command_that_fails_is_told(home, machine):
    machine.put("systemctl", "#!/bin/sh\nexit 4\n")
    home.blend()
    farm = home.start("farm", "--devices", "cpu/2", "--when-done", "suspend")
    farm.says("the farm runs on")
    home.ok("add", "-f", "1-2", "plain.blend")
    farm.says("--when-done suspend failed: exit 4")
