"""What the farm takes beside Blender: CPU a frame, wake-ups and memory of an idle one.

CPU of broker, workers and provers over many small frames; what decoding those pictures takes is
measured apart, in a process of its own, and taken off. An idle broker: how often it wakes up with
nobody connected, and beyond what the messages of idle workers cause. An idle farm: the memory of
its processes, and when the prover leaves.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

from frame import CORES, ROOT, Broker, Load, cpu_seconds, memory_bytes

sys.path.insert(0, str(ROOT / "tests" / "integration"))

from farmtools import Farm, make_scenes, wait_until  # noqa: E402

FEW, MANY = 1, 3  # idle workers
PROVER_STAYS_S = 60
BESIDE = ("broker", "worker", "prover")

DECODE = """
import glob, sys, time
sys.path.insert(0, sys.argv[1])
from prove_parts import pictures
paths = sorted(glob.glob(sys.argv[2] + "/*.png"))
for path in paths:
    pictures.read(path)
began = time.process_time()
for path in paths:
    pictures.read(path)
print((time.process_time() - began) / len(paths) * 1000)
"""


def wakes(pid):
    """How often the threads of a process went to sleep and came back."""
    count = 0
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                count += int(line.split()[1])
    return count


def per_second(pids, seconds):
    before = sum(map(wakes, pids))
    began = time.monotonic()
    time.sleep(seconds)
    return (sum(map(wakes, pids)) - before) / (time.monotonic() - began)


# -- a broker, and workers that only say that they are there ---------------------------------------


def wakes_of_broker(folder, seconds):
    """Wake-ups a second with nobody connected, with FEW idle workers, and with MANY.

    The workers start a part of a second after each other, and stay so: messages that come together
    would be one wake-up.
    """
    rates = []
    with Broker(folder / "idle") as broker, contextlib.ExitStack() as workers:
        time.sleep(min(1.5, seconds))  # its start is over
        rates.append(per_second([broker.pid], seconds))
        for more in (FEW, MANY - FEW):
            for _ in range(more):
                load = workers.enter_context(Load("workers", broker.workers, 1, 10 * seconds + 60))
                load.go()
                time.sleep(1 / MANY)
            time.sleep(min(1.5, seconds))
            rates.append(per_second([broker.pid], seconds))
    return rates


def show_wakes_of_broker(result, folder, seconds):
    alone, few, many = wakes_of_broker(folder, seconds)
    one = (many - few) / (MANY - FEW)
    result.row("broker with nobody connected: wake-ups", [alone], "1/s", 0, least=False)
    result.row("broker: wake-ups by one idle worker", [one], "1/s")
    result.row("broker: wake-ups that no message causes", [round(max(0, few - FEW * one))], "1/s",
               0, least=False)
    result.note("an idle worker says every second that it is there: its message and the answer are"
                f" two wake-ups of the main thread and two of libzmq's; with {FEW} and {MANY} of"
                " them the rest is what would be left with none")


# -- a farm ----------------------------------------------------------------------------------------


def programs(farm):
    """Process ids: the broker, the workers (no keepers, no inspector), their provers."""
    rows = farm.json("workers")
    return {"broker": farm.pids("dblend-broker"), "worker": [row["pid"] for row in rows],
            "prover": farm.child_pids("prove.py")}


def frames_cost(farm, file, frames):
    """Milliseconds of CPU a frame, by program."""
    farm.rendered("--samples", "1", "--no-denoise", "-f", "1-4", "--again", "--overwrite", "-o",
                  farm.work / "warm" / "####", file)
    there = programs(farm)
    before = {name: sum(map(cpu_seconds, pids)) for name, pids in there.items()}
    farm.rendered("--samples", "1", "--no-denoise", "-f", f"1-{frames}", "--again", "--overwrite",
                  "-o", farm.work / "cost" / "####", file)
    return {name: (sum(map(cpu_seconds, pids)) - before[name]) / frames * 1000
            for name, pids in there.items()}


def decoding_cost(farm):
    """Milliseconds of CPU for one of those pictures, by the prover's own interpreter and code."""
    python = os.readlink(f"/proc/{farm.child_pids('prove.py')[0]}/exe")
    done = subprocess.run([python, "-c", DECODE, str(ROOT / "python"), str(farm.work / "cost")],
                          stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def memory_mib(farm):
    return {name: max(map(memory_bytes, pids), default=0) / 2**20
            for name, pids in programs(farm).items()}


def prover_leaves(farm):
    """Seconds until no prover is there any more."""
    began = time.monotonic()
    wait_until(lambda: not farm.child_pids("prove.py"), 2 * PROVER_STAYS_S, "the provers to leave")
    return time.monotonic() - began


def show_costs(result, costs, decoding):
    beside = [sum(cost[name] for name in BESIDE) - one for cost, one in zip(costs, decoding)]
    result.row("CPU a frame beside Blender and decoding", beside, "ms", 3, least=False)
    for name in BESIDE:
        result.row(f"CPU a frame: {name}", [cost[name] for cost in costs], "ms")
    result.row("CPU a frame: of the prover's, decoding", decoding, "ms")


def run(result, options, folder):
    seconds = 0.5 if options.quick else 10
    show_wakes_of_broker(result, folder, seconds)
    if len(CORES) < 2 or not shutil.which("blender"):
        result.note("the rest left out: needs two cores and a blender in PATH")
        return
    file = make_scenes(folder / "scene", "plain") / "plain.blend"
    frames = 10 if options.quick else 400
    costs, decoding = [], []
    farm = Farm(folder / "farm")
    try:
        farm.up("cpu/2")
        for _ in range(options.repeats):
            costs.append(frames_cost(farm, file, frames))
            decoding.append(decoding_cost(farm))
        worker = per_second(programs(farm)["worker"], seconds) / 2
        memory = memory_mib(farm)
        if not options.quick:
            result.row("prover leaves after the last frame and idle", [prover_leaves(farm)
                       + seconds], "s", PROVER_STAYS_S + 5, least=False)
            memory["worker"] = memory_mib(farm)["worker"]
    finally:
        farm.stop()
    show_costs(result, costs, decoding)
    result.row("idle worker: wake-ups", [worker], "1/s")
    result.row("memory: broker", [memory["broker"]], "MiB", 30, least=False)
    result.row("memory: a worker", [memory["worker"]], "MiB", 15, least=False)
    result.row("memory: a prover", [memory["prover"]], "MiB")
    result.note("wake-ups are of all threads; an idle worker's four: two of libzmq's for message and"
                " answer, one of the main thread, one look at the machine's memory")
