"""The examples run: against a real broker, with scripted workers."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import dblend
import pytest
from brokertools import DEADLINE_S, SOURCE

EXAMPLES = SOURCE / "python" / "examples"


@pytest.fixture
def run(tmp_path, broker):
    """run(words...) runs Python in a folder of .blend files: exit status, output, errors."""
    env = dict(os.environ, PYTHONPATH=str(SOURCE / "python"), DBLEND_HOME=str(broker.home),
               PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8")

    def run(*words):
        done = subprocess.run([sys.executable, *map(str, words)], cwd=tmp_path, env=env, text=True,
                              capture_output=True, timeout=DEADLINE_S)
        return done.returncode, done.stdout, done.stderr

    return run


def module(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_table_of_shots(run, blend, farm, tmp_path):
    for name in ("sq010", "sq020", "sq030"):
        blend(name)
    shutil.copy(EXAMPLES / "shots.csv", tmp_path)
    status, out, err = run("-m", "dblend.batch", "--dry-run", "shots.csv")
    assert (status, err) == (0, "4 would be queued\n") and farm.jobs(all=True) == []
    status, out, err = run("-m", "dblend.batch", "shots.csv")
    assert (status, err) == (0, "4 queued\n"), out
    jobs = farm.jobs()
    assert [job.info["name"] for job in jobs] == ["sq010 layout", "sq010 beauty", "sq020 beauty",
                                                  "sq030 stills"]
    assert jobs[3].details()["spec"]["options"] == {
        "frame_words": ["start", "end"], "samples": 512, "percentage": 200, "priority": 20,
        "keep": True, "output": f"{tmp_path}/out/sq030/stills/####"}


def test_fifty_overrides_into_fifty_folders(run, blend, farm, tmp_path):
    blend("shot")
    status, out, err = run(EXAMPLES / "overrides.py", "shot.blend")
    assert (status, out, err) == (0, "50 jobs queued, 0 were there, 0 refused\n", "")
    options = [job.details()["spec"]["options"] for job in farm.jobs()]
    assert len({one["output"] for one in options}) == 50
    assert {one["output"].count(f"{tmp_path}/looks/") for one in options} == {1}
    assert len({(one["samples"], one["percentage"], tuple(one["frames"])) for one in options}) == 50
    status, out, err = run(EXAMPLES / "overrides.py", "shot.blend")
    assert (status, out) == (0, "0 jobs queued, 50 were there, 0 refused\n")
    assert len(farm.jobs(all=True)) == 50
    status, out, err = run(EXAMPLES / "overrides.py", "none.blend", "--wait")
    assert (status, out) == (1, "0 jobs queued, 0 were there, 50 refused\n")
    assert "none.blend: no such file" in err


def test_what_changed_since_yesterday(run, blend, farm, tmp_path):
    new, old = blend("new"), blend("old")
    os.utime(old, (time.time() - 90000,) * 2)
    (tmp_path / "sub").mkdir()
    shutil.copy(new, tmp_path / "sub" / "deep.blend")
    status, out, err = run(EXAMPLES / "changed.py", ".", "--frames", "1-9", "--percentage", "25")
    assert (status, out, err) == (0, "new.blend: job 1\nsub/deep.blend: job 2\n", "")
    assert farm.job(2).details()["spec"]["options"] == {
        "frames": [1, 9, 1], "percentage": 25, "overwrite": True}
    again = run(EXAMPLES / "changed.py", ".", "--frames", "1-9", "--percentage", "25")
    assert again[:2] == (0, "new.blend: job 1, as before\nsub/deep.blend: job 2, as before\n")
    assert run(EXAMPLES / "changed.py", ".", "--hours", "30", "--frames", "2",
               "--percentage", "25")[1].splitlines() == [
        "new.blend: job 1 renders it already", "old.blend: job 3", "sub/deep.blend: job 2 renders it already"]
    (tmp_path / "bad.blend").write_text("no")
    status, out, err = run(EXAMPLES / "changed.py", tmp_path)
    assert status == 1 and "bad.blend: not a .blend file" in err


def test_a_progress_bar_of_all_jobs(run, blend, farm, working):
    assert run(EXAMPLES / "progress.py")[:2] == (0, "nothing is to be rendered\n")
    job = farm.submit(blend(), frames="1-3")
    ended = threading.Event()
    working(ended.is_set)
    status, out, err = run(EXAMPLES / "progress.py", job.number)
    ended.set()
    assert status == 0, (out, err)
    assert "3 of 3 frames" in out or "100%" in out or "3/3" in err, (out, err)


@pytest.mark.parametrize("name", ["Lines", "Tqdm", "Rich"])
def test_each_bar_shows_the_same(blend, farm, working, name, capfd):
    if name != "Lines":
        pytest.importorskip(name.lower())
    progress = module("progress")
    job = farm.submit(blend(), frames="1-3")
    ended = threading.Event()
    working(ended.is_set)
    assert progress.watch(farm, [job, dblend.FarmError("refused")], getattr(progress, name)())
    ended.set()
    out, err = capfd.readouterr()
    shown = {"Lines": "3 of 3 frames, 1 of 1 jobs have ended", "Tqdm": "3/3", "Rich": "100%"}[name]
    assert shown in out + err


def test_a_bar_ends_when_a_job_is_cancelled(blend, farm, capsys):
    progress = module("progress")
    job = farm.submit(blend())
    job.cancel()
    assert progress.watch(farm, [job], progress.Lines()) is False
    assert capsys.readouterr().out == "0 of 0 frames, 1 of 1 jobs have ended\n"


@pytest.mark.parametrize("words", [["overrides.py", "a.blend"], ["changed.py", "."], ["progress.py"]])
def test_without_a_farm_they_say_so(tmp_path, words):
    env = dict(os.environ, PYTHONPATH=str(SOURCE / "python"), DBLEND_HOME=str(tmp_path / "none"))
    done = subprocess.run([sys.executable, EXAMPLES / words[0], *words[1:]], cwd=tmp_path, env=env,
                          text=True, capture_output=True, timeout=DEADLINE_S)
    assert done.returncode == 1 and "dblend farm" in done.stderr and "Traceback" not in done.stderr


def test_the_code_in_the_readme_of_the_package_runs(run, blend, broker, farm):
    blocks = re.findall(r"^```python\n(.*?)^```", (SOURCE / "python" / "README.md").read_text(), re.M | re.S)
    blend("shot1")
    blend("shot2")
    ended = threading.Event()
    worker = broker.worker()
    worker.ready()
    work = threading.Thread(target=worker.work, args=(ended.is_set,))
    work.start()
    told = [run("-c", block) for block in blocks]
    ended.set()
    work.join()
    assert [(status, err) for status, _, err in told] == [(0, "")] * 4
    assert told[0][1].splitlines()[0] == "1 /render/shot_0001.png"
    assert told[3][1] == "file-missing none.blend: no such file (check the name and the folder)\n"


def test_the_readme_names_them_all():
    text = (EXAMPLES / "README.md").read_text()
    names = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".csv")}
    assert names == set(re.findall(r"^\| `([\w.]+)", text, re.MULTILINE))
