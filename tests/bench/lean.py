"""What the farm takes beside Blender: CPU a frame, wake-ups and memory of an idle one.

CPU of worker and broker processes over many small frames; of the prover, which decodes the
pictures, apart. An idle farm: how often the broker and a worker wake up, and their memory.
"""

import pathlib
import shutil
import sys
import time

from frame import CORES, ROOT, cpu_seconds, memory_bytes

sys.path.insert(0, str(ROOT / "tests" / "integration"))

from farmtools import Farm, make_scenes  # noqa: E402


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
    time.sleep(seconds)
    return (sum(map(wakes, pids)) - before) / seconds


def programs(farm):
    """Process ids: the broker with its child, the workers (no keepers, no inspector), provers."""
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


def run(result, options, folder):
    if len(CORES) < 2 or not shutil.which("blender"):
        result.note("left out: needs two cores and a blender in PATH")
        return
    file = make_scenes(folder / "scene", "plain") / "plain.blend"
    frames = 10 if options.quick else 400
    farm = Farm(folder / "farm")
    try:
        farm.up("cpu/2")
        costs = [frames_cost(farm, file, frames) for _ in range(options.repeats)]
        there = programs(farm)
        seconds = 0.5 if options.quick else 5
        broker = per_second(there["broker"], seconds)
        worker = per_second(there["worker"], seconds) / 2
        memory = {name: max(map(memory_bytes, pids), default=0) / 2**20
                  for name, pids in there.items()}
    finally:
        farm.stop()
    both = [cost["broker"] + cost["worker"] for cost in costs]
    result.row("CPU a frame: broker and worker", both, "ms", 3, least=False)
    for name in ("broker", "worker", "prover"):
        result.row(f"CPU a frame: {name}", [cost[name] for cost in costs], "ms")
    result.row("idle broker, two workers: wake-ups", [broker], "1/s")
    result.row("idle worker: wake-ups", [worker], "1/s")
    result.row("memory: broker", [memory["broker"]], "MiB", 30, least=False)
    result.row("memory: a worker", [memory["worker"]], "MiB", 15, least=False)
    result.row("memory: a prover", [memory["prover"]], "MiB")
    result.note("wake-ups are of all threads of a process; a worker says every second that it is"
                " there")
