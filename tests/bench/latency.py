"""How long a person waits: a real farm of two workers, each with its warm Blender.

From SUBMIT to the first frame started, workers and inspector warm; from `dblend cancel` to the end
of the Blender that rendered; from kill -9 of a worker to its frame started again by another. Times
are those of the event log and of the processes.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

from frame import BIN, CORES, ROOT

sys.path.insert(0, str(ROOT / "tests" / "integration"))

from farmtools import Farm, make_scenes, wait_until  # noqa: E402
from render import stamp  # noqa: E402

LONG = ["--samples", "100000", "--no-denoise", "-f", "1", "--again", "--overwrite"]


def first(farm, job, word):
    """When that event of the job was, None: it has not been."""
    for row in farm.events(word):
        if row["job"] == job:
            return stamp(row["time"])
    return None


def submit_to_started(farm, file, turn):
    submitted = time.time()
    number, = farm.add("--no-wait", "--samples", "1", "--no-denoise", "-f", "1", "--again",
                       "--overwrite", "-o", farm.work / f"quick{turn}" / "####", file)
    farm.dblend("wait", number)
    return (first(farm, number, "frame-started") - submitted) * 1000


def started(farm, file, turn):
    """A frame that would render for minutes; its job."""
    number, = farm.add("--no-wait", *LONG, "-o", farm.work / f"long{turn}" / "####", file)
    wait_until(lambda: first(farm, number, "frame-started"), 60, "the long frame")
    return number


def ended(pids):
    return [pid for pid in pids if not os.path.exists(f"/proc/{pid}")]


def cancel_to_stopped(farm, file, turn):
    number = started(farm, file, f"c{turn}")
    blenders = farm.child_pids("autorender.py")
    asked = time.monotonic()
    # as a button does it: the time of a program's start is not the farm's
    subprocess.run([BIN / "dblend", "cancel", str(number)], env=farm.env, check=True,
                   stdout=subprocess.DEVNULL)
    while not ended(blenders):
        if time.monotonic() - asked > 60:
            sys.exit("a cancelled frame renders on")
        time.sleep(0.002)
    return (time.monotonic() - asked) * 1000


def death_to_started(farm, file, turn):
    number = started(farm, file, f"k{turn}")
    row, = [row for row in farm.events("frame-started") if row["job"] == number]
    owner, = [worker["pid"] for worker in farm.json("workers") if worker["worker"] == row["worker"]]
    killed = time.time()
    os.kill(owner, signal.SIGKILL)

    def again():
        return [found for found in farm.events("frame-started")
                if found["job"] == number and found["worker"] != row["worker"]]
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
    turns = 2 if options.quick else 10
    try:
        farm.up("cpu/2")
        submit_to_started(farm, file, "first")
        quick = [submit_to_started(farm, file, turn) for turn in range(turns)]
        cancels = [cancel_to_stopped(farm, file, turn) for turn in range(1 if options.quick else 5)]
        wait_until(lambda: farm.live() == 2, 60, "two workers")
        deaths = [death_to_started(farm, file, turn) for turn in range(1 if options.quick else 3)]
    finally:
        farm.stop()
    result.row("submit to first frame started (dblend add included)", quick, "ms", 50, least=False)
    result.row("cancel to Blender stopped", cancels, "ms", 1000, least=False)
    result.row("kill -9 of a worker to its frame started again", deaths, "ms", 2000, least=False)
