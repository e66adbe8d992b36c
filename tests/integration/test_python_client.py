"""The Python client end to end: a table of jobs, real workers, the real Blender."""

import subprocess
import sys

from farmtools import PATIENCE, ROOT
from pictures import files_under


def batch(farm, *words):
    done = subprocess.run([sys.executable, "-m", "dblend.batch", *words], cwd=farm.work, text=True,
                          env={**farm.env, "PYTHONPATH": str(ROOT / "python")}, check=False,
                          capture_output=True, timeout=120 * PATIENCE)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_a_table_of_jobs_becomes_pictures(farm_of_two, scene):
    farm = farm_of_two
    scene("plain")
    (farm.work / "shots.csv").write_text(
        "file,frames,samples,percentage,output\n"
        'plain.blend,"1-2,4",1,10,few/####\n'
        "plain.blend,end,2,20,more/####\n")
    status, lines, err = batch(farm, "shots.csv", "--wait")
    assert (status, err) == (0, "2 queued\n2 of 2 jobs are done\n"), lines
    pictures = {"few/0001.png", "few/0002.png", "few/0004.png", "more/0040.png"}
    assert files_under(farm.work) == {"plain.blend", "shots.csv"} | pictures
    before = {name: (farm.work / name).stat().st_mtime_ns for name in pictures}
    status, lines, err = batch(farm, "shots.csv", "--wait")
    assert (status, err) == (0, "2 queued before\n2 of 2 jobs are done\n")
    assert before == {name: (farm.work / name).stat().st_mtime_ns for name in pictures}
    assert [job["frames"]["done"] for job in farm.json("list", "--all")] == [3, 1]
