"""Many workers, many jobs: what a farm costs as it grows.

Workers that only say that they are there; workers that claim and report as fast as they can; jobs
that wait. Meanwhile a submitter says HELLO again and again: no loop turn is longer than its answer
takes. Growth is the exponent k of cost ~ size^k, 1 is linear; drawn log-log. The cost of one report
hardly changes, so judged is that of as many reports as there are workers, or jobs.
"""

import math
import statistics
import time

from frame import Broker, Load, cpu_seconds, drive, inspect, submit
from plot import Plot

NEARLY_LINEAR = 1.05  # there is noise in it
FRAMES = 1000000


def exponent(points):
    """Slope of the line through (size, cost) in log-log, by least squares."""
    points = [(math.log(size), math.log(cost)) for size, cost in points if cost > 0]
    return statistics.linear_regression(*zip(*points)).slope if len(points) > 1 else 0


def judge(result, figure, name, points, each=False):
    """each: the costs are those of one report."""
    figure.add(name, points)
    whole = [(size, cost * size if each else cost) for size, cost in points]
    more = ", as many as there are" * each
    result.row(f"growth: {name}{more}", [exponent(whole)], "exponent", NEARLY_LINEAR, least=False)


def cpu_share(broker, seconds):
    before, began = cpu_seconds(broker.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(broker.pid) - before) / (time.monotonic() - began)


def workers(folder, count, seconds, depth):
    """depth 0: they only say that they are there. CPU of the broker, then what a probe saw."""
    with Broker(folder) as broker:
        if depth:
            submit(broker, 1, FRAMES)
        with Load("workers", broker.workers, count, 2.5 * seconds, "--depth", depth or 1,
                  "--frames", FRAMES).go() as load:
            time.sleep(0.4 * seconds)  # the first wave of all at once is over
            cpu = cpu_share(broker, seconds)
            probe = drive(broker.pid, "hello", broker.submitters, 1, 0.8 * seconds)
            told = load.seen()
    return {"cpu": cpu, "hello_p50": probe["p50_us"] / 1000, "hello_p99": probe["p99_us"] / 1000,
            "connect": told["connect_seconds"], "reports": told["reports"] / told["seconds"],
            "p99": told["p99_us"] / 1000}


def grow(result, options, folder, figure):
    idle_costs, report_costs = [], []
    for size in [10, 50] if options.quick else [10, 100, 1000, 10000]:
        seconds = 0.2 if options.quick else 2
        park = 0 if options.quick else size / 900  # a little more than one
        idle = workers(folder / f"idle{size}", size, seconds + park, 0)
        busy = workers(folder / f"busy{size}", size, seconds, 2)
        show_workers(result, size, idle, busy)
        idle_costs.append((size, idle["cpu"]))
        report_costs.append((size, busy["cpu"] / max(busy["reports"], 1)))
    judge(result, figure, "broker CPU, idle workers", idle_costs)
    judge(result, figure, "broker CPU a report, workers claiming", report_costs, each=True)


def show_workers(result, size, idle, busy):
    words = f"{size:,} workers"
    last = size == 10000
    result.row(f"{words}: connected after", [idle["connect"]], "s")
    result.row(f"{words} idle: broker CPU", [100 * idle["cpu"]], "% of core", 10 if last else None,
               least=False)
    result.row(f"{words} idle: HELLO p99", [idle["hello_p99"]], "ms")
    result.row(f"{words} claiming: reports", [busy["reports"]], "reports/s")
    result.row(f"{words} claiming: broker CPU", [1e6 * busy["cpu"] / max(busy["reports"], 1)],
               "us/report")
    result.row(f"{words} claiming: HELLO p99", [busy["hello_p99"]], "ms", 20 if last else None,
               least=False)
    result.row(f"{words} claiming: a report's p99", [busy["p99"]], "ms")


def queue(result, options, folder, figure):
    """Jobs that wait, inspected, in front of 64 workers: a report's cost."""
    costs = []
    for size in [1, 10] if options.quick else [1, 10, 100, 1000]:
        with Broker(folder / f"queue{size}") as broker:
            submit(broker, size, FRAMES, batch=min(size, 256))
            inspect(broker, size, FRAMES)
            seen = drive(broker.pid, "workers", broker.workers, 64, 0.1 if options.quick else 1.5)
        cost = seen["server_cpu_seconds"] / max(seen["reports"], 1)
        result.row(f"{size:,} jobs wait: broker CPU", [1e6 * cost], "us/report")
        costs.append((size, cost))
    judge(result, figure, "broker CPU a report, jobs waiting", costs, each=True)


def run(result, options, folder):
    result.figure = Plot("times as many workers, or jobs", "times the cost")
    grow(result, options, folder, result.figure)
    queue(result, options, folder, result.figure)
