"""What the benchmarks share: the broker, the load, turns, medians, tables."""

import ctypes
import datetime
import json
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("DBLEND_BIN", ROOT / "build" / "bin")).resolve()
TESTS = BIN.parent / "tests"  # bench_load, bench_echo
CPUCLOCK_SCHED = 2
PATIENCE_S = 120
CORES = sorted(os.sched_getaffinity(0))


def cpu_seconds(pid):
    """User and system time of a process, to the nanosecond: clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_us():
    """In a child: however the run ends, it does, too."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, **more):
    """A program of ours, in a group of its own: ^C is for the run, which ends what it started."""
    return subprocess.Popen([*map(str, command)], text=True, process_group=0,
                            preexec_fn=die_with_us, **more)


def memory_bytes(pid, key="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return 0


def until(condition, what, seconds=PATIENCE_S):
    """The first true value of condition()."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            sys.exit(f"tests/bench/run: waited {seconds} s for {what}")
        time.sleep(0.005)


class Broker:
    """A dblend-broker with a ledger of its own; its log goes to a file, as that of a service."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.process = None
        self.wrapper = []  # a program that runs it

    def start(self):
        """Seconds from exec to the line that says it serves."""
        began = time.monotonic()
        with open(self.home.with_suffix(".log"), "ab") as log:
            self.process = spawn([*self.wrapper, BIN / "dblend-broker"],
                                 env={**os.environ, "DBLEND_HOME": str(self.home)},
                                 stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline()
        took = time.monotonic() - began
        if not line.startswith("ready "):
            sys.exit("the broker does not start: " + self.home.with_suffix(".log").read_text())
        words = dict(word.split("=", 1) for word in line.split()[1:])
        self.workers, self.submitters = words["workers"], words["submitters"]
        return took

    @property
    def pid(self):
        return self.process.pid

    def stop(self, number=signal.SIGTERM):
        if self.process:
            self.process.send_signal(number)
            self.process.wait(PATIENCE_S)
            self.process.stdout.close()
            self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)


class Load:
    """bench_load: connected when made, begins with go(), ends with end(), or is killed.

    What it says of its trouble is told by us: nobody wants to hear of a broker that is gone when
    the run was interrupted.
    """

    def __init__(self, *words):
        self.process = spawn([TESTS / "bench_load", *words], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.hear()  # ready

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self

    def seen(self):
        """What it saw; its connections are still there."""
        return json.loads(self.hear())

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            words = " ".join(map(str, self.process.args))
            sys.exit(f"{words}: ended before its time: {self.process.stderr.read()}")
        return line

    def end(self):
        """Its workers leave first."""
        self.process.communicate("end\n", PATIENCE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def drive(pid, *words):
    """One run of bench_load; what it saw, and the seconds of CPU of the process it talked to."""
    with Load(*words) as load:
        before = cpu_seconds(pid)
        seen = load.go().seen()
        seen["server_cpu_seconds"] = cpu_seconds(pid) - before
        load.end()
    return seen


def submit(broker, jobs, frames, batch=1, askers=1):
    return drive(broker.pid, "submit", broker.submitters, askers, jobs, "--batch", batch,
                 "--frames", frames)


def inspect(broker, jobs, frames):
    """Inspect all jobs that wait for it: each has that many frames."""
    drive(broker.pid, "workers", broker.workers, 1, 0, "--inspect", "--until", jobs, "--frames",
          frames)


def take_turns(sides, repeats):
    """Each side once a turn, the order turning with it: {name: [what it gave, ...]}."""
    names = list(sides)
    taken = {name: [] for name in names}
    for turn in range(repeats):
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            taken[name].append(sides[name]())
    return taken


# -- the machine -----------------------------------------------------------------------------------


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def sync_us(folder):
    """Median of 4 KiB written and synced there: what a commit cannot be faster than."""
    path = pathlib.Path(folder) / "sync"
    times = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(50):
            began = time.monotonic()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - began)
    path.unlink()
    return round(statistics.median(times) * 1e6)


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "processor": processor(), "cores": len(CORES), "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release(), "load": [round(value, 2) for value in os.getloadavg()],
        "open_files": os.sysconf("SC_OPEN_MAX"),
    }


def describe():
    facts = machine()
    print(f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB, Linux "
          f"{facts['kernel']}, load {facts['load'][0]} at {facts['time']}")


# -- results ---------------------------------------------------------------------------------------


def short(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


class Result:
    """Rows of one benchmark: values of the turns under a name and a unit, and ratios of them."""

    def __init__(self, name, options):
        self.name = name
        self.quick = options.quick
        self.rows = []
        self.notes = []
        self.figure = None  # a plot.Plot

    def row(self, name, values, unit, target=None, least=True):
        """target: the median is at least that, or with least=False at most."""
        values = [float(value) for value in values]
        row = {"name": name, "unit": unit, "median": statistics.median(values),
               "low": min(values), "high": max(values), "values": values}
        if target is not None:
            row["target"] = target
            row["met"] = row["median"] >= target if least else row["median"] <= target
            row["at"] = "least" if least else "most"
        self.rows.append(row)
        return row["median"]

    def ratio(self, name, above, below, target=None, least=True):
        """Turn by turn, so that what was busy then was so for both."""
        return self.row(name, [a / b for a, b in zip(above, below) if b > 0] or [0], "x", target,
                        least)

    def note(self, text):
        self.notes.append(text)

    def show(self):
        print(f"\n{self.name}" + (" (tiny: no measurement)" if self.quick else ""))
        for row in self.rows:
            extent = f"{short(row['low'])} .. {short(row['high'])}"
            line = f"  {row['name']:58} {short(row['median']):>9} {row['unit']:10} {extent:22}"
            if "target" in row and not self.quick:
                line += (f" {'at least' if row['at'] == 'least' else 'at most'}"
                         f" {short(row['target'])}: {'yes' if row['met'] else 'NO'}")
            print(line.rstrip())
        for note in self.notes:
            print(f"  - {note}")
        for line in self.figure.lines() if self.figure else []:
            print(f"    {line}")
        sys.stdout.flush()

    def as_json(self):
        return {"benchmark": self.name, "quick": self.quick, "rows": self.rows,
                "notes": self.notes}
