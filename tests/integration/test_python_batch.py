"""Tables of jobs and the examples in Python, end to end: real workers, the real Blender."""

import subprocess
import sys

from farmtools import PATIENCE, ROOT
from pictures import files_under


def python(farm, *words):
    """Exit status, lines of standard output, standard error."""
    done = subprocess.run([sys.executable, *map(str, words)], cwd=farm.work, text=True,
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
    status, lines, err = python(farm, "-m", "dblend.batch", "shots.csv", "--wait")
    assert (status, err) == (0, "2 queued\n2 of 2 jobs are done\n"), lines
    pictures = {"few/0001.png", "few/0002.png", "few/0004.png", "more/0040.png"}
    assert files_under(farm.work) == {"plain.blend", "shots.csv"} | pictures
    before = {name: (farm.work / name).stat().st_mtime_ns for name in pictures}
    status, lines, err = python(farm, "-m", "dblend.batch", "shots.csv", "--wait")
    assert (status, err) == (0, "2 queued before\n2 of 2 jobs are done\n")
    assert before == {name: (farm.work / name).stat().st_mtime_ns for name in pictures}
    assert [job["frames"]["done"] for job in farm.json("list", "--all")[-2:]] == [3, 1]


def test_the_examples_render_what_changed_and_show_it(farm_of_two, scene):
    farm, examples = farm_of_two, ROOT / "python" / "examples"
    file = scene("plain")
    changed = [examples / "changed.py", ".", "--frames", "2-3", "--percentage", "10"]
    status, lines, err = python(farm, *changed)
    assert (status, err) == (0, "")
    number = int(lines[0].partition("plain.blend: job ")[2])
    status, lines, err = python(farm, examples / "progress.py", number)
    assert status == 0, (lines, err)
    assert "2 of 2 frames" in lines[-1] or "100%" in lines[-1] or "2/2" in err
    assert files_under(farm.work) == {"plain.blend", "frames/0002.png", "frames/0003.png"}
    file.write_bytes(file.read_bytes())  # saved again, the same: nothing to do
    assert python(farm, *changed)[1] == [f"plain.blend: job {number}, as before"]
