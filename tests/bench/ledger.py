"""Durable reports a second, beside what the machine can do and what others do.

Workers say what real ones say, over the real socket, and every report is on the disk before its
answer. `turns`: one claim at a time, so each message brings one report. `ahead`: the next frame is
claimed while one renders, as real workers do; a message brings the end of a frame, the start of the
next and the claim of another. The echo is a ROUTER that sends every message back. `no disk`: the
ledger lies in memory, so that a slow disk does not hide what the program costs; nothing is durable.

The whole cycle: jobs of 250 frames from their SUBMIT to the last frame done, against put, reserve
and finish of a job of 100 bytes, each synced.
"""

import pathlib
import shutil
import subprocess
import tempfile

from frame import TESTS, Broker, drive, spawn, submit, take_turns
from rivals import start_all

JOB_FRAMES = 250
MEMORY = "/dev/shm"


class Echo:
    def __init__(self, path):
        self.where = f"ipc://{path}"
        self.process = spawn([TESTS / "bench_echo", self.where], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def cycle(broker, workers, jobs):
    """Jobs from submit to their last frame: frames a second."""
    frames = jobs * JOB_FRAMES
    before = submit(broker, jobs, JOB_FRAMES)
    after = drive(broker.pid, "workers", broker.workers, workers, 0, "--until", frames)
    cpu = before["server_cpu_seconds"] + after["server_cpu_seconds"]
    return {"rate": frames / (before["seconds"] + after["seconds"]), "cpu_us": cpu / frames * 1e6}


def rate(seen, key):
    return seen[key] / seen["seconds"]


# workers, options of bench_load, and whether the ledger lies in memory
CASES = [(1, [], False), (8, [], False), (64, [], False), (1000, [], False), (64, ["--req"], False),
         (64, [], True)]
TINY = [(1, [], False), (8, ["--req"], True)]


def reports(result, options, folder, echo):
    seconds = 0.1 if options.quick else 1.0
    for count, more, in_memory in TINY if options.quick else CASES:
        home = pathlib.Path(tempfile.mkdtemp(dir=MEMORY if in_memory else folder))
        with Broker(home / "home") as broker:
            submit(broker, 1, 1000000)

            def ours(depth, broker=broker, count=count, more=tuple(more)):
                return drive(broker.pid, "workers", broker.workers, count, seconds, "--depth",
                             depth, "--frames", 1000000, *more)

            taken = take_turns({
                "echo": lambda c=count, m=tuple(more): drive(echo.process.pid, "echo", echo.where,
                                                             c, seconds, *m),
                "turns": lambda ours=ours: ours(1), "ahead": lambda ours=ours: ours(2),
            }, options.repeats)
        shutil.rmtree(home)
        show_reports(result, f"{count} worker{'s' * (count > 1)}" + ", libzmq" * bool(more)
                     + ", no disk" * in_memory, taken)


def show_reports(result, who, taken):
    echo = [rate(seen, "trips") for seen in taken["echo"]]
    result.row(f"{who}: echo", echo, "trips/s")
    for side in ("turns", "ahead"):
        here = [rate(seen, "reports") for seen in taken[side]]
        result.row(f"{who}: reports, {side}", here, "reports/s")
        result.row(f"{who}: {side}, p50", [seen["p50_us"] for seen in taken[side]], "us")
        result.row(f"{who}: {side}, p99", [seen["p99_us"] for seen in taken[side]], "us")
        result.row(f"{who}: {side}, broker CPU",
                   [seen["server_cpu_seconds"] / seen["reports"] * 1e6 for seen in taken[side]],
                   "us/report")
        result.ratio(f"{who}: reports, {side} / echo", here, echo,
                     0.6 if who.startswith("64") else None)


def cycles(result, options, folder):
    seconds = 0.1 if options.quick else 1.5
    rivals = start_all(folder, result)
    try:
        for count in [8] if options.quick else [1, 8, 64]:
            with Broker(folder / f"cycle{count}") as broker:
                jobs = 1 if options.quick else 10 + 10 * min(count, 8)
                sides = {"farm": lambda b=broker, c=count, j=jobs: cycle(b, c, j)}
                for rival in rivals:
                    sides[rival.name] = lambda r=rival, c=count: rival_cycle(r, c, seconds)
                show_cycles(result, count, take_turns(sides, options.repeats),
                            {rival.name: rival.durable for rival in rivals})
    finally:
        for rival in rivals:
            rival.stop()


def rival_cycle(rival, count, seconds):
    seen = drive(rival.process.pid, rival.name, rival.where, count, seconds)
    done = max(seen["cycles"], 1)
    return {"rate": done / seen["seconds"], "cpu_us": seen["server_cpu_seconds"] / done * 1e6}


def show_cycles(result, count, taken, durable):
    rates = {name: [one["rate"] for one in here] for name, here in taken.items()}
    for name, here in taken.items():
        words = f"{count}: whole cycle, {name} {durable.get(name, '')}".rstrip()
        result.row(words, rates[name], "jobs/s" if name != "farm" else "frames/s")
        result.row(f"{count}: {name}, server CPU", [one["cpu_us"] for one in here], "us")
    if durable:
        best = [max(rates[name][turn] for name in durable) for turn in range(len(rates["farm"]))]
        result.ratio(f"{count}: farm / the best of them", rates["farm"], best,
                     {8: 1.2, 64: 4.0}.get(count))


def run(result, options, folder):
    echo = Echo(folder / "echo")
    try:
        reports(result, options, folder, echo)
    finally:
        echo.stop()
    cycles(result, options, folder)
