"""rest and wake: a worker gives its device back for a while."""

from clitools import until


def state_of(home, name):
    return next(one["state"] for one in home.json("workers") if one["worker"] == name)


def test_a_worker_rests_and_is_woken(home):
    home.farm()
    first, second = (one["worker"] for one in home.json("workers"))
    done = home.run("rest", first)
    assert done.returncode == 0 and f"{first} finishes what it renders and rests" in done.stderr
    until(lambda: state_of(home, first) == "resting", why="it does not rest")
    row = next(one for one in home.json("workers") if one["worker"] == first)
    assert row["error"] == {"code": "recalled", "text": "its device was given back",
                            "hint": f"dblend wake {first}"}
    home.blend()
    job, = home.ok("add", "-q", "-f", "1-4", "plain.blend").split()
    home.ok("wait", job)
    assert {row["worker"] for row in home.json("show", job, "--frames")[1:]} == {second}
    assert f"{first} goes on" in home.run("wake", first).stderr
    until(lambda: state_of(home, first) == "idle", why="it does not wake")
    words = [event["event"] for event in home.json("log") if event["worker"] == first]
    assert words.index("worker-resting") < words.index("worker-woken")


def test_all_rest_and_the_job_says_so(home):
    home.farm()
    names = [one["worker"] for one in home.json("workers")]
    home.ok("rest", "--now", *names)
    until(lambda: {state_of(home, name) for name in names} == {"resting"}, why="they do not rest")
    home.blend()
    job, = home.ok("add", "-q", "-f", "1-2", "plain.blend").split()
    until(lambda: (home.json("show", job)[0]["error"] or {}).get("code") == "recalled",
          why="the job does not say why it waits")
    home.ok("wake", *names)
    home.ok("wait", job)


def test_a_device_names_its_worker(home):
    home.farm("cpu:0,1")
    first = next(one for one in home.json("workers") if one["device"] == "cpu:0")
    home.ok("rest", "cpu:0")
    until(lambda: state_of(home, first["worker"]) == "resting", why="it does not rest")
    other = next(one["worker"] for one in home.json("workers") if one["device"] == "cpu:1")
    assert state_of(home, other) == "idle"


def test_what_is_no_worker_is_said(home):
    home.farm("cpu:0", workers=1)
    done = home.run("rest", "nobody/cpu:7")
    assert done.returncode == 1 and "no worker of that name or device" in done.stderr
    error, = home.json("rest", "cpu:5", status=1)
    assert error["code"] == "no-such-worker"


def test_workers_are_drained_by_name_and_by_device(home):
    farm = home.farm("cpu:0,1")
    first, second = sorted(home.json("workers"), key=lambda one: one["device"])
    done = home.run("drain", first["device"], second["worker"], "vm/nobody")
    assert done.returncode == 1 and "vm/nobody: no worker of that name or device" in done.stderr
    for one in (first, second):
        assert f"{one['worker']} finishes what it renders and leaves" in done.stderr
        until(lambda: one["pid"] not in home.pids(one["device"]), why="it does not leave")
    assert "died" not in farm.stderr()
