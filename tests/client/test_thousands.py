"""Thousands of jobs from Python: durable when they are answered, and cheap."""

import os
import time

import dblend
import pytest
from brokertools import PATIENCE

JOBS = 3000


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("extra", [{}, {"key": "key {}"}], ids=["plain", "keyed"])
def test_jobs_of_one_file_are_on_disk_and_cost_little(broker, blend, extra):
    """Comparing each with each would cost the broker 5 s of its CPU; it takes 0.1 s."""
    path = blend()
    items = [{"file": path, "output": f"/render/{number}_####",
              **{key: value.format(number) for key, value in extra.items()}}
             for number in range(JOBS)]
    with dblend.Farm.connect(broker.home) as farm:
        before = cpu_seconds(broker.process.pid), time.process_time()
        jobs = farm.submit_many(items)
        broker_s = cpu_seconds(broker.process.pid) - before[0]
        ours_s = time.process_time() - before[1]
        broker.restart()  # kill -9: what was answered is there
        assert [job.number for job in jobs] == list(range(1, JOBS + 1))
        assert farm.jobs() == jobs
        assert jobs[-1].details()["spec"]["options"]["output"] == f"/render/{JOBS - 1}_####"
    assert broker_s < 0.6 * PATIENCE and ours_s < 1.5 * PATIENCE, (broker_s, ours_s)
    print(f"{JOBS} jobs: {ours_s:.2f} s here, {broker_s:.2f} s in the broker")
