"""autorender's own loop without a farm: what the farm cannot be faster than."""

import concurrent.futures
import hashlib
import json
import socket
import subprocess
import sys
import time

from frame import CORES, ROOT

AUTORENDER = ROOT / "python" / "autorender.py"


def description(job, file, samples):
    """A job description as PROTOCOL.md 2.4 has it."""
    facts = file.stat()
    return {"job": job, "file": str(file), "use": str(file), "size": facts.st_size,
            "mtime_ns": facts.st_mtime_ns, "name": file.stem, "cwd": str(file.parent),
            "submitted_at": int(time.time() * 1000),
            "hash": hashlib.blake2b(file.read_bytes(), digest_size=32).hexdigest(),
            "options": {"samples": samples, "denoise": False}}


class Loop:
    """autorender.py in a warm Blender on one core, spoken to as a worker does."""

    def __init__(self, file, warm, samples, core, folder):
        """warm: the file that it has open and rendered from in the beginning."""
        ours, theirs = socket.socketpair()
        self.stream = ours.makefile("rw", encoding="utf-8")
        self.folder = folder
        self.blender = subprocess.Popen(
            ["taskset", "-c", str(core), "blender", "--background", "--disable-autoexec",
             "-t", "1", "--python-exit-code", "9", "--python", str(AUTORENDER), "--",
             "--fd", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        theirs.close()
        ours.close()
        self.hear("ready")
        self.job, self.warm = self.inspect(1, file, samples), self.inspect(2, warm, samples)
        self.cold = file != warm
        self.open(self.warm)

    def hear(self, event):
        line = self.stream.readline()
        answer = json.loads(line) if line else {"event": "end of the talk"}
        if answer["event"] != event:
            sys.exit(f"autorender: {event} expected, got {answer}")
        return answer

    def ask(self, event, **command):
        self.stream.write(json.dumps(command) + "\n")
        self.stream.flush()
        return self.hear(event)

    def inspect(self, number, file, samples):
        job = description(number, file, samples)
        job["found"] = self.ask("inspected", do="inspect", id=1, job=job)["found"]
        return job

    def open(self, job):
        """And its first frame: persistent data and kernels are there from now on."""
        self.ask("opened", do="open", id=2, job=job)
        self.render(job, [1])

    def render(self, job, numbers):
        digest = f"dblend:{job['found']['digest']}:3.4"
        for number in numbers:
            path = str(self.folder / f"{number:04}.png")
            self.ask("rendered", do="render", id=number + 10, job=job["job"], frame=number,
                     path=path, paths=[path], digest=digest)

    def measure(self, numbers):
        """Seconds of preparation, where the file is not open from the beginning; of the frames."""
        self.open(self.warm)
        began = time.monotonic()
        if self.cold:
            self.open(self.job)
        opened = time.monotonic()
        self.render(self.job if self.cold else self.warm, numbers)
        ended = time.monotonic()
        frames = ended - opened
        return (opened - began - frames / len(numbers) if self.cold else 0), frames

    def end(self):
        self.stream.close()
        self.blender.wait(30)


def two_loops(file, warm, samples, folders):
    """One a core; they start at the same time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda core, folder: Loop(file, warm, samples, core, folder),
                             CORES[:2], folders))


def side_by_side(first, second, numbers):
    """Seconds for the frames shared out over two loops at the same time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        times = list(pool.map(lambda loop, share: sum(loop.measure(share)), (first, second),
                              (numbers[::2], numbers[1::2])))
    return max(times)
