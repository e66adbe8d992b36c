"""How long a person waits: a real farm of two workers, each with its warm Blender.

From `dblend add` to the first frame started, workers and inspector warm; from the start of `dblend
cancel` to the end of the Blender that rendered; from kill -9 of a worker to its frame started
again, so claimed, by another whose Blender is warm. Times are those of the event log, which are the
broker's, and of the processes.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

from frame import BIN, CORES, ROOT
from where import stamp

sys.path.insert(0, str(ROOT / "tests" / "integration"))

from farmtools import Farm, make_scenes, wait_until  # noqa: E402

LONG = ["--samples", "100000", "--no-denoise", "-f", "1", "--again", "--overwrite"]


def first(farm, job, word):
    """When that event of the job was, None: it has not been."""
    for row in farm.events(word):
        if row["job"] == job:
            return stamp(row["time"])
    return None


def submit_to_started(farm, file, turn):
    """Milliseconds from the start of `dblend add`, and from the job in the ledger."""
    submitted = time.time()
    number, = farm.add("--no-wait", "--samples", "1", "--no-denoise", "-f", "1", "--again",
                       "--overwrite", "-o", farm.work / f"quick{turn}" / "####", file)
    farm.dblend("wait", number)
    begun = first(farm, number, "frame-started")
    return (begun - submitted) * 1000, (begun - first(farm, number, "job-added")) * 1000


def started(farm, file, turn):
    """A frame that would render for minutes; its job, and the process of the worker that has it."""
    number, = farm.add("--no-wait", *LONG, "-o", farm.work / f"long{turn}" / "####", file)
    wait_until(lambda: first(farm, number, "frame-started"), 60, "the long frame")
    row, = [row for row in farm.events("frame-started") if row["job"] == number]
    owner, = [worker["pid"] for worker in farm.json("workers") if worker["worker"] == row["worker"]]
    return number, row["worker"], owner


def parent(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def blender_of(farm, worker):
    """The Blender of that worker; a keeper stands between them."""
    pid, = [pid for pid in farm.child_pids("autorender.py") if parent(parent(pid)) == worker]
    return pid


def cancel_to_stopped(farm, file, turn):
    number, _, owner = started(farm, file, f"c{turn}")
    blender = blender_of(farm, owner)
    asked = time.monotonic()
    subprocess.run([BIN / "dblend", "cancel", str(number)], env=farm.env, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while os.path.exists(f"/proc/{blender}"):
        if time.monotonic() - asked > 60:
            sys.exit("a cancelled frame renders on")
        time.sleep(0.002)
    return (time.monotonic() - asked) * 1000


def death_to_started(farm, file, turn):
    number, name, owner = started(farm, file, f"k{turn}")
    killed = time.time()
    os.kill(owner, signal.SIGKILL)

    def again():
        return [found for found in farm.events("frame-started")
                if found["job"] == number and found["worker"] != name]
    wait_until(again, 60, "the frame to be claimed again")
    took = (stamp(again()[0]["time"]) - killed) * 1000
    farm.dblend("cancel", number)
    wait_until(lambda: farm.live() == 2, 60, "two workers again")
    return took


def run(result, options, folder):
    if len(CORES) < 2 or not shutil.which("blender"):
        result.note("left out: needs two cores and a blender in PATH")
        return
    file = make_scenes(folder / "scene", "plain") / "plain.blend"
    farm = Farm(folder / "farm")
    turns = 2 if options.quick else 30
    few = 1 if options.quick else 7
    try:
        farm.up("cpu/2")
        submit_to_started(farm, file, "first")
        quick = [submit_to_started(farm, file, turn) for turn in range(turns)]
        cancels = [cancel_to_stopped(farm, file, turn) for turn in range(few)]
        wait_until(lambda: farm.live() == 2, 60, "two workers")
        deaths = [death_to_started(farm, file, turn) for turn in range(few)]
    finally:
        farm.stop()
    whole, own = zip(*quick)
    result.row("submit to first frame started (dblend add included)", whole, "ms", 50, least=False)
    result.row("... of it after the job was in the ledger", own, "ms")
    result.row("cancel to Blender stopped", cancels, "ms", 1000, least=False)
    result.row("kill -9 of a worker to its frame started again", deaths, "ms", 2000, least=False)
