"""dblend verify, with the real broker and scripted workers."""

import os
import pathlib
import signal

from clitools import number_of, until


def picture(home, number, name="plain"):
    return home.work / name / f"{name}-{number:04d}.png"


def done_job(home, name="plain.blend"):
    """A job of six frames that is done; its number."""
    home.blend(pathlib.Path(name).stem)
    job = number_of(home, name)
    home.ok("wait", job)
    return job


def test_all_there_and_all_whole(home):
    home.farm()
    job = done_job(home)
    assert home.ok("verify", job) == f"job {job}: 6 looked at, 0 wrong\n"
    assert home.ok("verify", "plain.blend") == f"job {job}: 6 looked at, 0 wrong\n"


def test_what_is_wrong_is_told_and_nothing_is_done(home):
    home.farm()
    job = done_job(home)
    picture(home, 2).unlink()
    picture(home, 5).write_bytes(b"cut")
    verified = home.run("verify", job)
    assert verified.returncode == 1
    assert verified.stdout == (f"job {job} frame 2: gone: {picture(home, 2)}: no file\n"
                               f"job {job} frame 5: broken: {picture(home, 5)}: cut\n"
                               f"job {job}: 6 looked at, 2 wrong\n")
    assert home.state(job) == "done" and not picture(home, 2).exists()
    events = home.json("verify", job, status=1)
    assert [(one["event"], one["frame"]) for one in events] == [
        ("frame-wrong", 2), ("frame-wrong", 5), ("job-verified", None)]
    assert {one["type"] for one in events} == {"event"}


def test_what_is_wrong_is_put_back(home):
    home.farm()
    job = done_job(home)
    picture(home, 2).unlink()
    assert home.run("verify", "--requeue", job).returncode == 1
    home.ok("wait", job)
    assert picture(home, 2).exists() and home.state(job) == "done"
    assert home.ok("verify", "-r", job) == f"job {job}: 6 looked at, 0 wrong\n"
    until(lambda: not list(home.work.glob(".plain*")), why="the kept file stays")


def test_a_folder_means_all_jobs_that_render_into_it(home):
    home.farm()
    one, other = done_job(home, "a.blend"), done_job(home, "b.blend")
    home.blend("c")
    same = number_of(home, "c.blend", "-o", "//a/x-####")
    home.ok("wait", same)
    picture(home, 3, "a").unlink()
    verified = home.run("verify", "a")
    assert verified.returncode == 1
    assert sorted(line.split(":")[0] for line in verified.stdout.splitlines()) == sorted(
        [f"job {one}", f"job {one} frame 3", f"job {same}"])
    assert home.ok("verify", "b", "b/../b/") == f"job {other}: 6 looked at, 0 wrong\n"
    (home.work / "none").mkdir()
    nothing = home.run("verify", "none", "b")
    assert nothing.returncode == 1 and "none: no job" in nothing.stderr
    assert nothing.stdout == f"job {other}: 6 looked at, 0 wrong\n"


def test_a_broker_that_dies_meanwhile_is_asked_again(home):
    home.farm()
    job = done_job(home)
    picture(home, 4).unlink()
    (home.home / "hold").touch()
    verifying = home.start("verify", job)
    until((home.home / "held").exists, why="nobody looks")
    (broker,) = [pid for pid, words in home.processes() if "dblend-broker" in words]
    os.kill(broker, signal.SIGKILL)
    verifying.says("the broker is back")
    (home.home / "hold").unlink()
    assert verifying.end() == 1
    assert verifying.stdout() == (f"job {job} frame 4: gone: {picture(home, 4)}: no file\n"
                                  f"job {job}: 6 looked at, 1 wrong\n")


def test_nothing_has_to_run(home):
    """After `dblend stop` there is no broker and nobody who looks: verify starts both."""
    farm = home.farm()
    job = done_job(home)
    home.ok("stop")
    farm.end()
    picture(home, 6).unlink()
    assert f"job {job}: 6 looked at, 1 wrong\n" in home.run("verify", job).stdout
    home.ok("stop")


def test_a_job_that_goes_meanwhile_ends_the_wait(home):
    home.farm()
    job = done_job(home)
    (home.home / "hold").touch()
    verifying = home.start("verify", job)
    until((home.home / "held").exists, why="nobody looks")
    assert home.run("verify", "999").returncode == 1
    home.ok("remove", job)
    assert verifying.end() == 1
    assert f"job {job} was removed" in verifying.stderr()
    (home.home / "hold").unlink()


def test_what_is_cancelled_is_looked_at_but_not_put_back(home):
    home.farm()
    home.blend("slow")
    job = number_of(home, "slow.blend")
    home.ok("cancel", job)
    assert home.ok("verify", job) == f"job {job}: 0 looked at, 0 wrong\n"
    refused = home.run("verify", "--requeue", job)
    assert refused.returncode == 1 and "cancelled" in refused.stderr
