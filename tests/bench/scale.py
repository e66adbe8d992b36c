"""Many workers, many jobs: what a farm costs as it grows.

Workers that only say that they are there; workers that claim and report as fast as they can; jobs
that wait. Meanwhile a submitter says HELLO again and again: no loop turn is longer than its answer
takes. Growth is the exponent k of cost ~ size^k between sizes: 1 is linear.
"""

import math
import time

from frame import Broker, Load, cpu_seconds, drive, inspect, submit


def exponent(sizes, costs):
    """Slope in log-log of the last against the first size."""
    if costs[0] <= 0 or costs[-1] <= 0 or len(sizes) < 2:
        return 0
    return math.log(costs[-1] / costs[0]) / math.log(sizes[-1] / sizes[0])


def plot(title, unit, sizes, costs):
    """Lines of a log-log plot: one a size, a column for each eighth of a decade."""
    least = min(cost for cost in costs if cost > 0) if any(costs) else 1
    lines = [f"{title}, {unit} (log-log)"]
    for size, cost in zip(sizes, costs):
        at = round(8 * math.log10(max(cost, least) / least))
        lines.append(f"    {size:>7,} |{' ' * at}* {cost:.3g}")
    return lines


def cpu_share(broker, seconds):
    before, began = cpu_seconds(broker.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(broker.pid) - before) / (time.monotonic() - began)


def workers(folder, count, seconds, depth):
    """depth 0: they only say that they are there. CPU of the broker, then what a probe saw."""
    with Broker(folder) as broker:
        if depth:
            submit(broker, 1, 1000000)
        with Load("workers", broker.workers, count, 2.5 * seconds, "--depth", depth or 1,
                  "--frames", 1000000).go() as load:
            time.sleep(0.4 * seconds)  # the first wave of all at once is over
            cpu = cpu_share(broker, seconds)
            probe = drive(broker.pid, "hello", broker.submitters, 1, 0.8 * seconds)
            told = load.seen()
    return {"cpu": cpu, "hello_p50": probe["p50_us"] / 1000, "hello_p99": probe["p99_us"] / 1000,
            "connect": told["connect_seconds"], "reports": told["reports"] / told["seconds"],
            "p99": told["p99_us"] / 1000}


def grow(result, options, folder):
    sizes = [10, 50] if options.quick else [10, 100, 1000, 10000]
    idle, busy = [], []
    for size in sizes:
        seconds = 0.2 if options.quick else 2 + size / 900  # a park is size / 1000
        idle.append(workers(folder / f"idle{size}", size, seconds, 0))
        busy.append(workers(folder / f"busy{size}", size, seconds, 2))
        words = f"{size:,} workers"
        result.row(f"{words}: connected after", [idle[-1]["connect"]], "s")
        result.row(f"{words} idle: broker CPU", [100 * idle[-1]["cpu"]], "% of core",
                   10 if size == 10000 else None, least=False)
        result.row(f"{words} idle: HELLO p99", [idle[-1]["hello_p99"]], "ms")
        result.row(f"{words} claiming: reports", [busy[-1]["reports"]], "reports/s")
        result.row(f"{words} claiming: HELLO p99", [busy[-1]["hello_p99"]], "ms",
                   20 if size == 10000 else None, least=False)
        result.row(f"{words} claiming: a report's p99", [busy[-1]["p99"]], "ms")
    heartbeat = [100 * one["cpu"] for one in idle]
    cost = [1e6 * one["cpu"] / max(one["reports"], 1) for one in busy]
    result.row("growth with workers: a report", [exponent(sizes, cost)], "exponent", 0.2,
               least=False)
    for line in plot("broker CPU, idle workers", "% of a core", sizes, heartbeat):
        result.note(line)
    for line in plot("broker CPU a report, all claiming", "us", sizes, cost):
        result.note(line)


def queue(result, options, folder):
    """Jobs that wait, inspected, in front of 64 workers: a report's cost."""
    sizes = [1, 10] if options.quick else [1, 10, 100, 1000]
    costs = []
    for size in sizes:
        with Broker(folder / f"queue{size}") as broker:
            submit(broker, size, 1000000, batch=min(size, 256))
            inspect(broker, size, 1000000)
            seen = drive(broker.pid, "workers", broker.workers, 64, 0.1 if options.quick else 1.5)
        costs.append(1e6 * seen["server_cpu_seconds"] / max(seen["reports"], 1))
        result.row(f"{size:,} jobs wait: broker CPU", [costs[-1]], "us/report")
    result.row("growth with jobs: a report", [exponent(sizes, costs)], "exponent", 0.2,
               least=False)
    for line in plot("broker CPU a report, jobs waiting", "us", sizes, costs):
        result.note(line)


def run(result, options, folder):
    grow(result, options, folder)
    queue(result, options, folder)
