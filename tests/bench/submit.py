"""Jobs into the farm, and what they and the workers cost while they are there.

Jobs of 250 frames a second, one a request and in batches, by one submitter and by eight; each is on
the disk before its answer. One job of a million frames. Memory of the broker: for each queued
frame, of one large job and of many small ones, inspected and waiting; for each frame that is done;
for each connected worker.
"""

from frame import Broker, Load, drive, inspect, memory_bytes, submit, take_turns


def rates(result, options, folder):
    few, many = (8, 64) if options.quick else (1000, 5120)
    sides = {
        "1 submitter, one by one": lambda b: submit(b, few, 250),
        "8 submitters, one by one": lambda b: submit(b, few, 250, askers=8),
        "1 submitter, batches of 256": lambda b: submit(b, many, 250, batch=256),
    }
    with Broker(folder / "rates") as broker:
        taken = take_turns({name: lambda side=side: side(broker) for name, side in sides.items()},
                           options.repeats)
        large = [submit(broker, 1, 1000000)["p50_us"] / 1000 for _ in range(options.repeats)]
    for name, here in taken.items():
        result.row(f"{name}: jobs", [seen["jobs"] / seen["seconds"] for seen in here], "jobs/s")
        result.row(f"{name}: p99", [seen["p99_us"] / 1000 for seen in here], "ms")
        result.row(f"{name}: broker CPU",
                   [seen["server_cpu_seconds"] / seen["jobs"] * 1e6 for seen in here], "us/job")
    result.row("one job of 1,000,000 frames: SUBMIT", large, "ms")


def grown_by(folder, jobs, frames, done):
    """Bytes that the broker grew by: jobs submitted and inspected, some frames done."""
    with Broker(folder) as broker:
        before = memory_bytes(broker.pid)
        submit(broker, jobs, frames, batch=min(jobs, 256))
        inspect(broker, jobs, frames)
        if done:
            drive(broker.pid, "workers", broker.workers, 8, 0, "--until", done)
        return memory_bytes(broker.pid) - before


def frames_cost(result, options, folder):
    million = 1000 if options.quick else 1000000
    thousand = 10 if options.quick else 1000
    done = 200 if options.quick else 20000
    large, small, ended = [], [], []
    for turn in range(options.repeats):
        large.append(grown_by(folder / f"large{turn}", 1, million, 0) / million)
        small.append(grown_by(folder / f"small{turn}", thousand, 1000, 0) / (thousand * 1000))
        ended.append(grown_by(folder / f"done{turn}", 1, million, done) / done)
    result.row("memory: one job of a million frames", large, "B/frame", 2, least=False)
    result.row("memory: a thousand jobs of a thousand frames", small, "B/frame", 2, least=False)
    result.row("memory: a frame that is done", ended, "B/frame")


def workers_cost(result, options, folder):
    count = 50 if options.quick else 2000
    grown = []
    for turn in range(options.repeats):
        with Broker(folder / f"workers{turn}") as broker:
            before = memory_bytes(broker.pid)
            load = Load("workers", broker.workers, count, 0.2)
            load.go().seen()
            grown.append((memory_bytes(broker.pid) - before) / count / 1024)
            load.end()
    result.row("memory: a connected worker, without keys", grown, "KiB", 30, least=False)


def run(result, options, folder):
    rates(result, options, folder)
    frames_cost(result, options, folder)
    workers_cost(result, options, folder)
