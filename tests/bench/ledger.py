"""Durable reports a second, beside what the machine can do and what others do.

Workers say what real ones say, over the real socket, and every report is on the disk before its
answer. `turns`: one claim at a time, so each message brings one report. `ahead`: the next frame is
claimed while one renders, as real workers do; a message brings the end of a frame, the start of the
next and the claim of another. The echo is a ROUTER that sends every message back, cut to the size
of a broker's answer, to workers that do with it what they do with one; the bare echo's clients do
nothing. `no disk`: the ledger lies in memory, so that a slow disk does not hide what the program
costs; nothing is durable. Judged are workers with sockets of libzmq, as real ones have them.

The whole cycle: jobs of 250 frames, from their SUBMIT by as many clients as there are workers over
inspection, claims, reports and looks at the pictures to the last frame done; against put, reserve
and finish of a job of 100 bytes by as many clients.
"""

import contextlib
import pathlib
import subprocess
import tempfile
import typing

from frame import TESTS, Broker, drive, spawn, submit, take_turns
from rivals import start_all

JOB_FRAMES = 250
MEMORY = "/dev/shm"


class Echo:
    def __init__(self, path, answer_bytes):
        self.where = f"ipc://{path}"
        self.process = spawn([TESTS / "bench_echo", self.where, answer_bytes],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def cycle(broker, workers, jobs):
    """Jobs from submit to their last frame: frames a second."""
    frames = jobs * JOB_FRAMES
    before = submit(broker, jobs, JOB_FRAMES, askers=workers)
    after = drive(broker.pid, "workers", broker.workers, workers, 0, "--until", frames)
    cpu = before["server_cpu_seconds"] + after["server_cpu_seconds"]
    return {"rate": frames / (before["seconds"] + after["seconds"]), "cpu_us": cpu / frames * 1e6}


def rate(seen, key):
    return seen[key] / seen["seconds"]


class Case(typing.NamedTuple):
    workers: int
    req: bool = False  # sockets of libzmq
    in_memory: bool = False
    judged: bool = False

    def __str__(self):
        return (f"{self.workers} worker{'s' * (self.workers > 1)}{', libzmq' * self.req}"
                f"{', no disk' * self.in_memory}")


CASES = [Case(1), Case(8), Case(64), Case(1000), Case(64, in_memory=True),
         Case(64, req=True, judged=True)]
TINY = [Case(1, in_memory=True), Case(8, req=True)]
JUDGED_TURNS = 7
CYCLE_TARGETS = {8: 1.2, 64: 4.0}  # workers: times the best of the others


@contextlib.contextmanager
def busy_broker(folder):
    """With frames enough for all turns."""
    with tempfile.TemporaryDirectory(dir=folder) as home, \
            Broker(pathlib.Path(home) / "home") as broker:
        submit(broker, 1, 1000000)
        yield broker


def work(broker, case, seconds, depth):
    return drive(broker.pid, "workers", broker.workers, case.workers, seconds, "--depth", depth,
                 "--frames", 1000000, *["--req"] * case.req)


def sizes(result, folder):
    """Bytes of a SYNC with one report, and of its answer: what the echo has, too."""
    with busy_broker(folder) as broker:
        seen = work(broker, Case(8), 0.1, 1)
    result.row("a SYNC with one report", [seen["said_bytes"]], "B")
    result.row("its answer, and that of the echo", [seen["heard_bytes"]], "B")
    return round(seen["heard_bytes"])


def reports(result, options, folder, echo):
    seconds = 0.1 if options.quick else 1.0

    def bounce(case, what):
        return drive(echo.process.pid, what, echo.where, case.workers, seconds,
                     *["--req"] * case.req)

    for case in TINY if options.quick else CASES:
        with busy_broker(MEMORY if case.in_memory else folder) as broker:
            sides = {"echo": lambda c=case: bounce(c, "echo"),
                     "turns": lambda c=case, b=broker: work(b, c, seconds, 1),
                     "ahead": lambda c=case, b=broker: work(b, c, seconds, 2)}
            if case.judged:
                sides["bare echo"] = lambda c=case: bounce(c, "bare-echo")
            turns = max(options.repeats, JUDGED_TURNS * case.judged)
            show_reports(result, case, take_turns(sides, turns))


def show_reports(result, case, taken):
    echo = [rate(seen, "trips") for seen in taken["echo"]]
    result.row(f"{case}: echo", echo, "trips/s")
    for side in ("turns", "ahead"):
        here = [rate(seen, "reports") for seen in taken[side]]
        result.row(f"{case}: reports, {side}", here, "reports/s")
        result.row(f"{case}: {side}, p50", [seen["p50_us"] for seen in taken[side]], "us")
        result.row(f"{case}: {side}, p99", [seen["p99_us"] for seen in taken[side]], "us")
        result.row(f"{case}: {side}, broker CPU",
                   [seen["server_cpu_seconds"] / seen["reports"] * 1e6 for seen in taken[side]],
                   "us/report")
        result.ratio(f"{case}: reports, {side} / echo", here, echo, 0.6 if case.judged else None)
    if "bare echo" in taken:
        bare = [rate(seen, "trips") for seen in taken["bare echo"]]
        result.row(f"{case}: bare echo", bare, "trips/s")
        result.ratio(f"{case}: echo / bare echo", echo, bare)


def cycles(result, options, folder):
    seconds = 0.1 if options.quick else 1.0
    rivals = start_all(folder, result)
    try:
        for count in [8] if options.quick else [1, 8, 64]:
            with Broker(folder / f"cycle{count}") as broker:
                jobs = 1 if options.quick else 10 + 10 * min(count, 8)
                sides = {"farm": lambda b=broker, c=count, j=jobs: cycle(b, c, j)}
                for rival in rivals:
                    sides[rival.name] = lambda r=rival, c=count: rival_cycle(r, c, seconds)
                judged = count in CYCLE_TARGETS and not options.quick
                turns = max(options.repeats, JUDGED_TURNS * judged)
                show_cycles(result, count, take_turns(sides, turns),
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
        one = "frame" if name == "farm" else "job"
        result.row(words, rates[name], f"{one}s/s")
        result.row(f"{count}: {name}, server CPU", [turn["cpu_us"] for turn in here], f"us/{one}")
    if durable:
        best = [max(rates[name][turn] for name in durable) for turn in range(len(rates["farm"]))]
        result.ratio(f"{count}: farm / the best of them", rates["farm"], best,
                     CYCLE_TARGETS.get(count))


def run(result, options, folder):
    echo = Echo(folder / "echo", sizes(result, folder))
    try:
        reports(result, options, folder, echo)
    finally:
        echo.stop()
    cycles(result, options, folder)
