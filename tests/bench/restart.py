"""A broker that starts on a full ledger: from exec to the first answer, after a kill -9.

Ledgers of 1 and 10 million queued frames, 1,000,000 of the ten done, and of 4,000 small jobs. The
frames are done by SQL: what a row holds is copied from a frame that went the usual way. The first
start after they are made is not counted.
"""

import signal
import sqlite3

from frame import Broker, cpu_seconds, drive, inspect, memory_bytes, submit

COLUMNS = ("state, claim, outcome, again, attempts, losses, worker, worker_id, started_at,"
           " finished_at, ms, bytes, sighting, error, proof, tried, short, fresh")


def make(home, jobs, frames, done):
    """A ledger with jobs of that many frames, all inspected, done of each done."""
    broker = Broker(home)
    broker.start()
    submit(broker, jobs, frames, batch=min(jobs, 256))
    inspect(broker, jobs, frames)
    drive(broker.pid, "workers", broker.workers, 1, 0, "--until", 1)
    broker.stop()
    if done:
        copy_rows(home, done)
    return broker


def copy_rows(home, done):
    ledger, = home.rglob("ledger.db")
    connection = sqlite3.connect(ledger)
    with connection:
        job, number = connection.execute(
            "SELECT job, number FROM frame WHERE state = 'done'").fetchone()
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            f" INSERT OR REPLACE INTO frame(job, number, {COLUMNS}) SELECT job.id, i, frame.*"
            f" FROM n, job, (SELECT {COLUMNS} FROM frame WHERE job = ? AND number = ?) AS frame",
            (done, job, number))
    connection.close()


def start_again(broker):
    """Seconds from exec to the answer to HELLO, and of CPU."""
    took = broker.start()
    cpu = cpu_seconds(broker.pid)
    seen = drive(broker.pid, "hello", broker.submitters, 1, 0.01)
    return took + seen["p50_us"] / 1e6, cpu


def run(result, options, folder):
    tiny = options.quick
    cases = {
        "1 job of 1,000,000 frames": (1, 1000 if tiny else 1000000, 0),
        "10 jobs of 1,000,000, of these 1,000,000 done":
            (10, 1000 if tiny else 1000000, 100 if tiny else 100000),
        "4,000 jobs of 250 frames": (10 if tiny else 4000, 250, 0),
    }
    for number, (name, (jobs, frames, done)) in enumerate(cases.items()):
        broker = make(folder / f"ledger{number}", jobs, frames, done)
        start_again(broker)
        broker.stop(signal.SIGKILL)
        times, cpus, memory = [], [], []
        for _ in range(options.repeats + 2 * (not tiny)):
            took, cpu = start_again(broker)
            times.append(took * 1000)
            cpus.append(cpu * 1000)
            memory.append(memory_bytes(broker.pid) / 2**20)
            broker.stop(signal.SIGKILL)
        result.row(f"{name}: to the first answer", times, "ms", 500, least=False)
        result.row(f"{name}: CPU", cpus, "ms")
        result.row(f"{name}: memory", memory, "MiB")
