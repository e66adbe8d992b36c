"""What the black-box tests share: a farm in a folder of its own, and plain Blender.

Nothing here imports the project's code: the tests see what a user sees, the programs, their
output, their exit codes and the files they leave.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("DBLEND_BIN", ROOT / "build" / "bin")).resolve()
SHARED_SCENES = ROOT.parent / "shared" / "scenes"

# What is slow anyway, a sanitized build on a busy machine, may take this much longer.
PATIENCE = float(os.environ.get("DBLEND_TEST_PATIENCE", "2"))


def wait_until(condition, timeout=60, what="the condition"):
    """The first true value of condition(); fails the test when the time is over."""
    deadline = time.monotonic() + timeout * PATIENCE
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout * PATIENCE:.0f} s for {what}"
        pause.wait(0.05)


class Farm:
    """One DBLEND_HOME, what was started in it, and a work folder for scenes and frames."""

    def __init__(self, folder, python=None):
        """python: one with bpy, which all workers shall render with; None: the Blender in PATH."""
        self.folder = pathlib.Path(folder)
        self.home = self.folder / "a home"
        self.work = self.folder / "the work"
        self.logs = self.folder / "logs"
        for made in (self.work, self.logs):
            made.mkdir(parents=True, exist_ok=True)
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith(("DBLEND_", "XDG_"))}
        for kept in ("DBLEND_PYTHON",):
            if kept in os.environ:
                self.env[kept] = os.environ[kept]
        self.env["DBLEND_HOME"] = str(self.home)
        if python:
            self.env["DBLEND_BPY"] = python
        self.started = []

    # -- starting, asking, stopping ------------------------------------------------------------

    def start(self, program, *args, cwd=None, env=None):
        """A program of ours, or an absolute path, in the background; it prints to files in logs/."""
        name = f"{len(self.started):02d}-{os.path.basename(program)}"
        with open(self.logs / (name + ".out"), "wb") as out, \
                open(self.logs / (name + ".err"), "wb") as err:
            process = subprocess.Popen(
                [str(BIN / program), *map(str, args)], stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, cwd=cwd or self.work, env={**self.env, **(env or {})},
                start_new_session=True)
        process.out, process.err = self.logs / (name + ".out"), self.logs / (name + ".err")
        self.started.append(process)
        return process

    def dblend(self, *args, code=0, timeout=120, stdin=None, cwd=None, env=None):
        """Run dblend to its end; code None accepts any exit code, a tuple one of several."""
        done = subprocess.run(
            [str(BIN / "dblend"), *map(str, args)], input=stdin, text=True, capture_output=True,
            timeout=timeout * PATIENCE, cwd=cwd or self.work, env={**self.env, **(env or {})},
            start_new_session=True, check=False, stdin=subprocess.DEVNULL if stdin is None else None)
        if done.returncode or args[0] not in ("list", "show", "workers", "log"):
            with open(self.logs / "dblend.log", "a", encoding="utf-8") as log:
                log.write(f"$ dblend {' '.join(map(str, args))} -> {done.returncode}\n"
                          f"{done.stdout}{done.stderr}")
        wanted = code if isinstance(code, tuple) else (code,)
        assert code is None or done.returncode in wanted, (
            f"dblend {' '.join(map(str, args))}: exit {done.returncode}, wanted {code}\n"
            f"{done.stdout}{done.stderr}")
        return done

    def json(self, *args, code=0, **options):
        """The objects that `dblend ARGS --json` prints."""
        done = self.dblend(*args, "--json", code=code, **options)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def up(self, devices=None):
        """`dblend farm`, with its workers ready for work or already at it."""
        devices = devices or two_workers()
        process = self.start("dblend", "farm", "--devices", devices)
        count = 2 if devices == "cpu/2" else 1
        wait_until(lambda: process.poll() is not None or self.live() == count, 60, "live workers")
        assert process.poll() is None, process.err.read_text()
        return process

    def live(self):
        """How many workers have a warm Blender."""
        try:
            rows = self.json("workers", code=None)
        except json.JSONDecodeError:
            return 0
        return sum(row.get("state") in ("idle", "opening", "rendering") for row in rows)

    def stop(self, timeout=30):
        """End everything that was started here, gently where it lets us, and nothing else."""
        for process in self.started:
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def pids(self, word=None):
        """Live processes of this farm, told by their environment; word must be in the command."""
        found = []
        mark = f"DBLEND_HOME={self.home}".encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if mark not in file.read().split(b"\0"):
                        continue
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    command = file.read()
            except OSError:
                continue
            if command and (word is None or word.encode() in command):
                found.append(int(entry))
        return sorted(found)

    def child_pids(self, script):
        """Processes that run one of our Python files: prove.py, or Blender with autorender.py."""
        def runs(pid):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    first = os.path.basename(file.read().split(b"\0")[0])
            except OSError:
                return False
            return not first.startswith(b"dblend")  # a keeper has its worker's command line
        return [pid for pid in self.pids(script) if runs(pid)]

    # -- the ledger as a user sees it ----------------------------------------------------------

    def jobs(self):
        return {row["job"]: row for row in self.json("list", "--all", code=None)
                if row["type"] == "job"}

    def job(self, number):
        return next(row for row in self.json("show", number) if row["type"] == "job")

    def frames(self, number):
        rows = self.json("show", number, "--frames")
        return {row["frame"]: row for row in rows if row["type"] == "frame"}

    def events(self, *words):
        rows = [row for row in self.json("log") if row["type"] == "event"]
        return [row for row in rows if not words or row["event"] in words]

    def add(self, *args, code=0, cwd=None):
        """Job numbers of `dblend add`."""
        done = self.dblend("add", "-q", *args, code=code, cwd=cwd)
        return [int(line) for line in done.stdout.split()]

    def rendered(self, *args, cwd=None):
        """Add one job to the running farm and wait until it is done; its number."""
        number, = self.add(*args, cwd=cwd)
        self.dblend("wait", number)
        return number

    def refused(self, *args):
        """The errors, by code, of an `add` that must not be accepted as it is."""
        rows = self.json("add", *args, code=1)
        errors = {row["code"]: row for row in rows if row["type"] == "error"}
        assert errors, rows
        assert all(row["file"] and row["text"] and row["hint"] for row in errors.values()), errors
        return errors

    def wait_state(self, number, *states, timeout=120):
        return wait_until(lambda: (row := self.job(number))["state"] in states and row, timeout,
                          f"job {number} to be {' or '.join(states)}")

    def done_count(self):
        """Frames done or kept of all jobs, 0 while no broker answers."""
        try:
            rows = self.jobs()
        except (json.JSONDecodeError, KeyError):
            return 0
        return sum((row["frames"]["done"] or 0) + (row["frames"]["kept"] or 0)
                   for row in rows.values())

    def told(self):
        """All that the programs have said so far, for the report of a failed test."""
        parts = []
        for path in [*sorted(self.logs.iterdir()), self.home / "log",
                     *sorted(self.home.glob("programs/*"))]:
            if path.is_file():
                text = path.read_text("utf-8", "replace")
                if text.strip():
                    parts.append(f"--- {path.name}\n{text[-6000:]}")
        return "\n".join(parts)


def two_workers():
    """cpu/2, or one worker on a machine of one core."""
    asked = subprocess.run([str(BIN / "dblend-worker"), "--list", "devices", "cpu/2"],
                           capture_output=True, check=False)
    return "cpu/2" if asked.returncode == 0 else "cpu/1"


# -- plain Blender -----------------------------------------------------------------------------

def blender(*args, cwd=None, timeout=120, code=0):
    """Blender as a user would call it, one thread, no scripts, factory settings."""
    done = subprocess.run(["blender", "--background", "--factory-startup", "--disable-autoexec",
                           "--python-exit-code", "9", "-t", "1", *map(str, args)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=timeout * PATIENCE, cwd=cwd)
    assert code is None or done.returncode == code, done.stdout[-4000:] + done.stderr[-4000:]
    return done


def make_scenes(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    blender("--python", ROOT / "tests" / "scenes" / "make_scenes.py", "--", folder, *names)
    return folder


def resave(path, change):
    """Open path in Blender, run the statements of change (S is the scene), save it in place."""
    blender(path, "--python-expr",
            f"import bpy; S = bpy.context.scene\n{change}\nbpy.ops.wm.save_mainfile()")


def repaint(path, red, green, blue):
    resave(path, "bpy.data.materials['colour'].node_tree.nodes['Principled BSDF']"
                 f".inputs['Base Color'].default_value = ({red}, {green}, {blue}, 1)")


def copy_scene(folder, target, *names):
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy2(folder / name, target / name)
    return target / names[0]
