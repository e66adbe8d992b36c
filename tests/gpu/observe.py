"""A farm of one home that renders on a card, and what is to be seen of it meanwhile."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import sources

LOOK_S = 0.25
SOON_S = 0.02
READY = re.compile(r"blender is ready: pid=(\d+) version=(\S+)")
USES = re.compile(r"cycles uses (.*)")
# Of the worker's whereabouts: what NVML saw that should not be.
ELSEWHERE = re.compile(r"blender is on another card: .*|the driver (?:saw|did not see) Blender .*")
EVENT = re.compile(r"^(\S+) \| (\S+) \| (.*)$", re.M)


class Seen:
    """What one render left behind."""

    def __init__(self):
        self.code = None       # exit code; None: it was ended for the time it took
        self.said = ""
        self.seconds = 0.0
        self.environment = None  # of the Blender of the watched device
        self.pid = None
        self.refused = False   # the worker found that it would render on something else
        self.telemetry = []
        self.apps = []         # of nvidia-smi: (pid, uuid)
        self.log = ""          # the worker's
        self.events = []       # (time, name, text)

    def uses(self):
        """What Cycles said it uses, by the worker's log; None: it never came so far."""
        found = USES.findall(self.log)
        return found[-1] if found else None

    def elsewhere(self):
        return ELSEWHERE.findall(self.log)

    def most(self, key):
        values = [row[key] for row in self.telemetry if row.get(key) is not None]
        return max(values) if values else None

    def frame_seconds(self):
        """Of each frame that was rendered, by the farm's log, in order."""
        begun, found = {}, []
        for at, name, text in self.events:
            frame = re.search(r"frame=(\S+)", text)
            if name == "frame-started":
                begun[frame.group(1)] = moment(at)
            elif name == "frame-done" and frame.group(1) in begun:
                found.append(moment(at) - begun[frame.group(1)])
        return found

    def workers_of(self, event):
        return [match.group(1) for _, name, text in self.events if name == event
                for match in [re.search(r"worker=\S*?/(\S+)", text)] if match]

    def tail(self):
        """The last complaints, else the last of what was said, for the report of a failed step."""
        lines = [line for line in (self.log + "\n" + self.said).splitlines() if line.strip()]
        wrong = [line for line in lines if re.search(r" (?:warning|error) |fail", line)]
        return " / ".join((wrong or lines)[-2:])[-600:]


def moment(text):
    """2026-11-23T01:18:47.339Z as seconds of a day."""
    hours, minutes, seconds = text.rstrip("Z").partition("T")[2].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


class Farm:
    """One DBLEND_HOME below the folder of this run."""

    def __init__(self, programs, folder, renderer, environment):
        self.programs = pathlib.Path(programs)
        self.home = pathlib.Path(folder)
        self.renderer = renderer
        self.environment = {**environment, "DBLEND_HOME": str(self.home)}

    @contextlib.contextmanager
    def standing(self, *devices, timeout=60):
        """`dblend farm` on these devices; gives whether all of them are ready to take a frame."""
        child = self._start("farm", "--devices", ",".join(devices), *self.renderer,
                            output=subprocess.DEVNULL)
        begun = time.monotonic()
        ready = False
        try:
            while not ready and child.poll() is None and time.monotonic() - begun < timeout:
                time.sleep(LOOK_S)
                ready = sum(row["device"] != "none" and row["state"] == "idle"
                            for row in self._workers()) >= len(devices)
            yield ready
        finally:
            self._end(child)

    def _start(self, *words, output=subprocess.PIPE):
        return subprocess.Popen([str(self.programs / "dblend"), *words], stdin=subprocess.DEVNULL,
                                stdout=output, stderr=subprocess.STDOUT, text=True,
                                errors="replace", env=self.environment)

    def render(self, devices, scene, *options, watch=None, timeout=240):
        """`dblend render` to its end; watch: the device of which more is looked at; no devices:
        those of the farm that stands.
        """
        seen = Seen()
        begun = time.monotonic()
        words = [*(["--devices", devices, *self.renderer] if devices else []), *options]
        child = self._start("render", *words, "--overwrite", str(scene))
        reader = threading.Thread(target=self._read, args=(child, seen), daemon=True)
        reader.start()
        while child.poll() is None and time.monotonic() - begun < timeout and not (
                seen.refused and seen.environment):  # it would try again, to no end
            if watch:
                self._look(watch, seen)
            # a Blender with little to do is soon gone
            reader.join(SOON_S if watch and seen.environment is None else LOOK_S)
        seen.code = child.poll()
        self._end(child)
        reader.join(10)
        seen.seconds = time.monotonic() - begun
        seen.log = self._log(watch)
        seen.events = EVENT.findall(self._text(self.home / "log"))
        return seen

    @staticmethod
    def _read(child, seen):
        for line in child.stdout:
            seen.said += line

    @staticmethod
    def _end(child):
        """Told to stop, twice, and then killed; its workers go with it."""
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if child.poll() is None:
                child.send_signal(number)
                try:
                    child.wait(15)
                except subprocess.TimeoutExpired:
                    pass

    def _log(self, watch):
        folder = self.home / "programs"
        files = sorted(folder.glob("*.log")) if folder.is_dir() else []
        return "".join(self._text(file) for file in files if not watch or file.stem == watch)

    @staticmethod
    def _text(path):
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _look(self, watch, seen):
        log = self._log(watch)
        ready = READY.findall(log)
        seen.refused = "code=device-mismatch" in log
        if ready:
            self._look_at_process(int(ready[-1][0]), seen)
        if seen.environment is None:
            return
        seen.telemetry += [row["telemetry"] for row in self._workers() if row["device"] == watch
                           and row["state"] == "rendering" and row.get("telemetry")]
        if ready and "HWLOC_FSROOT" not in os.environ:
            rows, _ = sources.nvidia_smi(["pid", "gpu_uuid"], "compute-apps")
            seen.apps += [(row["pid"], row["gpu_uuid"]) for row in rows or []]

    @staticmethod
    def _look_at_process(pid, seen):
        try:
            text = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return
        pairs = [part.partition(b"=") for part in text.split(b"\0") if b"=" in part]
        if pairs:
            seen.pid = pid
            seen.environment = {os.fsdecode(key): os.fsdecode(value) for key, _, value in pairs}

    def _workers(self):
        _, text, _ = sources.output(str(self.programs / "dblend"), "workers", "--json",
                                    env=self.environment, timeout=10)
        rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [row for row in rows if row.get("type") == "worker"]
