"""What the black-box tests of dblend share: a home, the programs, a scripted worker."""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("DBLEND_BIN", ROOT / "build" / "bin"))
SCRIPTED = pathlib.Path(__file__).with_name("scripted_worker.py")
# What is slow anyway, a sanitized build on a busy machine, may take this much longer.
PATIENCE = float(os.environ.get("DBLEND_TEST_PATIENCE", "1"))
DEADLINE_S = 20 * PATIENCE

# A header, the one block that every file has, and the end: what the reader of headers asks for.
TINY_BLEND = b"BLENDER-v304" + b"DNA1" + bytes(20) + b"ENDB" + bytes(20)


def until(what, *, deadline_s=DEADLINE_S, why="it does not happen"):
    """Ask what() until it is true; its value."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(why)


class Running:
    """A dblend that runs, its output in files."""

    def __init__(self, process, out, err):
        self.process, self.out, self.err = process, out, err

    def stdout(self):
        return self.out.read_text()

    def stderr(self):
        return self.err.read_text()

    def says(self, text):
        """Wait until text is in what it printed."""
        return until(lambda: text in self.stdout() + self.stderr() or self.process.poll() is not None,
                     why=f"{text!r} is not said: {self.stdout()} {self.stderr()}")

    def end(self, timeout=DEADLINE_S):
        return self.process.wait(timeout)

    def send(self, number):
        self.process.send_signal(number)


class Home:
    """One farm in one folder: programs, DBLEND_HOME, a folder for files."""

    def __init__(self, folder):
        self.folder = folder
        self.bin = folder / "bin"
        self.home = folder / "home"
        self.work = folder / "my work"
        self.env = dict(os.environ, DBLEND_HOME=str(self.home), PYTHONUNBUFFERED="1", TERM="xterm",
                        LC_ALL="C.UTF-8", TZ="UTC")
        self.started = []
        for path in (self.bin, self.work):
            path.mkdir(parents=True)
        # dblend looks for the others beside itself, and a link would be followed
        shutil.copy(BIN / "dblend", self.bin / "dblend")
        (self.bin / "dblend-broker").symlink_to(BIN / "dblend-broker")
        worker = self.bin / "dblend-worker"
        worker.write_text(f"#!/bin/sh\nexec /usr/bin/python3 '{SCRIPTED}' \"$@\"\n")
        worker.chmod(0o755)

    def blend(self, name="plain", content=TINY_BLEND):
        path = self.work / f"{name}.blend"
        path.write_bytes(content)
        return path

    def run(self, *words, stdin="", timeout=DEADLINE_S, **env):
        return subprocess.run([self.bin / "dblend", *map(str, words)], cwd=self.work, text=True,
                              env=dict(self.env, **env), input=stdin, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ok(self, *words, **how):
        """Run it; it must end with 0. Its standard output."""
        done = self.run(*words, **how)
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *words, status=0):
        done = self.run(*words, "--json")
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def start(self, *words, **env):
        number = len(self.started)
        out, err = self.folder / f"out{number}", self.folder / f"err{number}"
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen([self.bin / "dblend", *map(str, words)], cwd=self.work,
                                       env=dict(self.env, **env), stdin=subprocess.DEVNULL,
                                       stdout=stdout, stderr=stderr, start_new_session=True)
        running = Running(process, out, err)
        self.started.append(running)
        return running

    def farm(self, devices="cpu/2", workers=2):
        """A farm, and so many workers that have come."""
        running = self.start("farm", "--devices", devices)
        running.says("the farm runs on")
        until(lambda: len(self.json("workers")) >= workers, why=f"no workers: {running.stderr()}")
        assert running.process.poll() is None, running.stderr()
        return running

    def state(self, job):
        return self.json("show", job)[0]["state"]

    def processes(self):
        """Programs of this home that live: (pid, words)."""
        found = []
        for folder in pathlib.Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                env = (folder / "environ").read_bytes().split(b"\0")
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            mine = f"DBLEND_HOME={self.home}".encode() in env
            if mine and any(b"dblend" in word or b"scripted" in word for word in words[:3]):
                found.append((int(folder.name), b" ".join(words).decode()))
        return found

    def pids(self, device):
        """Of the workers on a device."""
        return [pid for pid, words in self.processes() if f"--device {device} " in words]

    def told(self):
        """All logs, for a test that has failed."""
        logs = sorted((self.home / "programs").glob("*.log")) + sorted(self.folder.glob("err*"))
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in logs)

    def close(self):
        for pid, _ in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for running in self.started:
            running.process.kill()
            running.process.wait()


class Terminal:
    """A dblend at a terminal: what is on it, and keys."""

    def __init__(self, home, *words, columns=100, rows=30, **env):
        import fcntl
        import struct
        import termios

        self.seen = ""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.fd = master
        self.process = subprocess.Popen([home.bin / "dblend", *map(str, words)], cwd=home.work,
                                        env=dict(home.env, **env), stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True, preexec_fn=self._take)
        os.close(slave)
        home.started.append(self)

    @staticmethod
    def _take():
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def read(self):
        while select.select([self.fd], [], [], 0)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.seen += data.decode("utf-8", "replace")

    def says(self, text):
        def look():
            self.read()
            return text in self.seen

        until(look, why=f"{text!r} is not on the terminal: {self.seen[-2000:]!r}")

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def end(self):
        def ended():
            self.read()
            return self.process.poll() is not None

        until(ended, why=f"it does not end: {self.seen[-2000:]!r}")
        self.read()
        return self.process.returncode


def number_of(home, *words):
    return int(home.ok("add", "-q", *words).split()[0])


def frames_of(home, name="plain"):
    return sorted(path.name for path in (home.work / name).glob("*.png"))


def go(home):
    (home.work / "go").touch()


def begun(home, count):
    """Wait until so many frames have been started, also while there is no broker yet."""
    until(lambda: home.run("log", "--json").stdout.count('"frame-started"') >= count)


def left_by_themselves(home):
    """Workers that said good-bye; those that had to be killed did not."""
    text = (home.home / "log").read_text()
    return sorted(set(re.findall(r"worker-stopped.*worker=\S*/(cpu:\S+)", text)))


def done(home, job):
    assert home.run("wait", job, "--timeout", "30").returncode == 0


if __name__ == "__main__":
    sys.exit("a module")
