"""Two workers, two real Blenders: each thread of each stays on the cores of its worker."""

import os

import pytest

from farmtools import two_workers, wait_until

SAMPLES = 200
LOOKS = 30  # at each Blender, while it renders
PROCESSOR = 36  # of /proc/PID/stat, counted from the state: where a thread ran last


def threads_of(pid):
    """(allowed cpus, cpu it ran on last) of every thread; [] when the process has gone."""
    found = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as file:
                status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
            with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8") as file:
                fields = file.read().rpartition(")")[2].split()
            found.append((status["Cpus_allowed_list"].strip(), int(fields[PROCESSOR])))
    except OSError:
        pass
    return found


def nice_of(pid):
    return os.getpriority(os.PRIO_PROCESS, pid)


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def workers_of(farm):
    """core -> pid of its worker"""
    rows = [row for row in farm.json("workers") if row["type"] == "worker"]
    return {int(row["device"].partition(":")[2]): row["pid"] for row in rows}


def blender_of(farm, worker):
    """The Blender below a worker; its keeper stands between."""
    for pid in farm.child_pids("autorender.py"):
        try:
            if parent_of(parent_of(pid)) == worker:
                return pid
        except OSError:
            continue
    return None


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_the_threads_of_each_blender_stay_on_its_core(farm, scene):
    farm.up(two_workers())
    workers = wait_until(lambda: len(found := workers_of(farm)) == 2 and found, 60, "two workers")
    number, = farm.add("--samples", SAMPLES, scene("plain"))
    looks = {core: 0 for core in workers}
    many = {core: 0 for core in workers}

    def look():
        for core, worker in workers.items():
            pid = blender_of(farm, worker)
            threads = threads_of(pid) if pid else []
            for allowed, ran_on in threads:
                assert allowed == str(core), f"a thread of the Blender of cpu:{core}: {allowed}"
                assert ran_on == core, f"a thread of the Blender of cpu:{core} ran on {ran_on}"
            if threads:
                assert nice_of(pid) == min(nice_of(worker) + 10, 19)
            looks[core] += bool(threads)
            many[core] = max(many[core], len(threads))
        return min(looks.values()) >= LOOKS or farm.job(number)["state"] != "active"

    farm.wait_state(number, "active")
    wait_until(look, 120, "looks at both Blenders")
    assert min(looks.values()) >= 5, looks
    assert min(many.values()) > 1, "more than the main thread of each was seen"
    farm.dblend("wait", number)
    frames = farm.frames(number).values()
    by = {frame["worker"].rpartition(":")[2] for frame in frames if frame["state"] == "done"}
    assert by == {str(core) for core in workers}, "both took part"
