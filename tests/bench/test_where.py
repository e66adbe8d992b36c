"""The stacked bar of `render`: a worker's time from the lines of its log."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import where  # noqa: E402

DAY = "2026-11-23T04:00:"
SPAN = (where.stamp(DAY + "00.000Z"), where.stamp(DAY + "01.000Z"))
ALONE = {"blender": 0.68, "proof": 0, "farm": 0}  # 590 ms of rendering, 90 ms of opening

# claim 7 is an inspection, claims 1 and 2 are frames of job 3; lines of two programs, not in order
LOG = """\
00.010 dblend-worker debug claim 7: new -> inspecting job=3 frame=0
00.100 dblend-worker debug claim 1 is ours: kind=render job=3 frame=1
00.100 dblend-broker info frame 1: waiting -> claimed job=3 claim=1 worker=vm/cpu:0
00.100 dblend-worker debug claim 1: new -> looking job=3 frame=1
00.110 dblend-worker debug claim 1: looking -> looked job=3 frame=1
00.200 dblend-worker debug claim 1: looked -> taking job=3 frame=1
00.210 dblend-worker debug claim 1: taking -> taken job=3 frame=1
00.210 dblend-worker debug claim 1: taken -> rendering job=3 frame=1
00.500 dblend-worker debug claim 1: rendering -> proving job=3 frame=1
00.530 dblend-worker debug claim 1 ends: finished kind=render job=3 frame=1
00.540 dblend-worker debug claim 2 is ours: kind=render job=3 frame=2
00.540 dblend-worker debug claim 2: new -> looking job=3 frame=2
00.545 dblend-worker debug claim 2: looking -> looked job=3 frame=2
00.545 dblend-worker debug claim 2: looked -> taking job=3 frame=2
00.550 dblend-worker debug claim 2: taking -> taken job=3 frame=2
00.550 dblend-worker debug claim 2: taken -> rendering job=3 frame=2
00.850 dblend-worker debug claim 2: rendering -> proving job=3 frame=2
00.880 dblend-worker debug claim 2 ends: finished kind=render job=3 frame=2
00.539 dblend-broker info frame 2: waiting -> claimed job=3 claim=2 worker=vm/cpu:0
"""
TEXT = [DAY + line.replace(" ", "Z ", 1) for line in LOG.splitlines()]


def milliseconds(sums):
    return {letter: round(1000 * seconds) for letter, seconds in sums.items()}


def test_each_moment_of_a_worker_is_told():
    found = milliseconds(where.spent(TEXT, 3, 2, SPAN, ALONE, 0))
    assert found == {"s": 100, "o": 90, "R": 590, "w": 0, "p": 10 + 10 + 10 + 30, "f": 0,
                     "c": 30 + 10 + 120}
    assert sum(found.values()) == 1000


def test_what_others_took_of_the_core_is_no_rendering():
    ran = {"blender": 0.6, "proof": 0.03, "farm": 0.01}
    found = milliseconds(where.spent(TEXT, 3, 2, SPAN, ran, 0.002))
    assert (found["p"], found["f"], found["w"]) == (60 + 30, 10, 4)
    assert sum(found.values()) == 1000


def test_no_more_is_taken_than_blender_did_not_run():
    ran = {"blender": 0.66, "proof": 0.03, "farm": 0.01}
    found = milliseconds(where.spent(TEXT, 3, 2, SPAN, ran, 0))
    assert (found["p"], found["f"], found["R"]) == (60 + 15, 5, 570)


def test_a_log_that_is_not_whole_is_no_measurement():
    with pytest.raises(SystemExit, match="1 of 2 frames"):
        where.spent(TEXT[:-2] + TEXT[-1:], 3, 2, SPAN, ALONE, 0)


def test_a_bar_is_as_wide_as_its_parts():
    none = dict.fromkeys(where.LETTERS, 0)
    quarter = where.COLUMNS // 4
    assert where.bar({**none, "R": 3, "p": 1}) == "R" * 3 * quarter + "p" * quarter
    assert len(where.bar(dict.fromkeys(where.LETTERS, 1))) == where.COLUMNS
