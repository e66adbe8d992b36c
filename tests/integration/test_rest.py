"""A device that is given back: the real Blender is gone, and no frame with it."""

from farmtools import two_workers, wait_until

SAMPLES = 400


def worker(farm, name):
    return next(row for row in farm.json("workers") if row["worker"] == name)


def blenders_of(farm, pid):
    """Blender processes below a worker, whatever stands between."""
    def parents(one):
        while one > 1:
            try:
                with open(f"/proc/{one}/stat", encoding="utf-8", errors="replace") as file:
                    one = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                return
            yield one
    return [one for one in farm.child_pids("autorender.py") if pid in parents(one)]


def rendering(farm, name):
    row = worker(farm, name)
    return row["state"] == "rendering" and row["frames"] and row


def rests(farm, name):
    row = worker(farm, name)
    return row["state"] == "resting" and not blenders_of(farm, row["pid"])


def begin(farm, scene):
    farm.up()
    first = farm.json("workers")[0]
    job, = farm.add("--samples", SAMPLES, "-f", "1-8", scene("plain"))
    wait_until(lambda: rendering(farm, first["worker"]), 60, "a frame that renders")
    return job, first["worker"]


def test_soft_the_frame_that_renders_is_published_and_blender_ends(farm, scene):
    job, name = begin(farm, scene)
    pid = worker(farm, name)["pid"]
    assert blenders_of(farm, pid)
    before = {row["frame"] for row in farm.events("frame-started") if row["worker"] == name}
    farm.dblend("rest", name)
    wait_until(lambda: rests(farm, name), 60, "the worker to rest")
    done = {row["frame"] for row in farm.events("frame-done") if row["worker"] == name}
    assert before <= done
    assert worker(farm, name)["pid"] == pid
    farm.dblend("wake", name)
    wait_until(lambda: blenders_of(farm, pid), 60, "a warm Blender")
    farm.dblend("wait", job)
    frames = farm.work / "frames"
    assert len(list(frames.iterdir())) == 8


def test_now_another_renders_what_it_gave_back(farm, scene):
    if two_workers() != "cpu/2":
        return
    job, name = begin(farm, scene)
    farm.dblend("rest", "--now", name)
    wait_until(lambda: rests(farm, name), 30, "the worker to rest")
    farm.dblend("wait", job)
    frames = farm.frames(job)
    assert {row["state"] for row in frames.values()} == {"done"}
    assert all(row["attempts"] <= 1 for row in frames.values())
    assert rests(farm, name)
    assert not [row for row in farm.events("frame-error")]
