"""A Python with the module bpy in place of a Blender program (--bpy).

The real one is used where $DBLEND_TEST_BPY names a Python that can import bpy.
"""

import os

import pytest

from test_worker_frames import inspect
from workertools import STAND_IN, temporary

PYTHON = os.environ.get("DBLEND_TEST_BPY")


def test_it_is_started_as_a_python(broker, start_stand_in, faults, job):
    broker.job = job
    start_stand_in("--bpy", str(STAND_IN), "--device", "cpu:0")
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    assert broker.of(claims[0]) == ["started", "finished"]
    begun = faults.starts()[0]
    script, *rest = begun["argv"]
    assert script.endswith("/autorender.py") and rest == ["--", "--fd", "3"]
    assert begun["threads"] == "1"
    assert broker.ready[0]["blenders"] == [{"version": "3.4.1", "path": str(STAND_IN),
                                            "denoiser": False}]


@pytest.mark.parametrize("device", ["cpu:0", "none"])
def test_a_variable_names_it_for_all_workers(broker, start, faults, device):
    start("--device", device, DBLEND_BPY=str(STAND_IN), STAND_IN=str(faults.path))
    broker.until(lambda: broker.ready)
    assert [row["path"] for row in broker.ready[0]["blenders"]] == [str(STAND_IN)]


def test_an_option_goes_before_the_variable(lines_of):
    _, rows, _ = lines_of("--list", "blenders", "--blender", str(STAND_IN), DBLEND_BPY="/nonexistent/python")
    assert [row["path"] for row in rows] == [str(STAND_IN)]


def test_a_blender_program_is_told_its_threads_by_argument_alone(broker, start_stand_in, faults):
    start_stand_in(DBLEND_THREADS="7")
    broker.until(lambda: faults.starts())
    assert faults.starts()[0]["threads"] == ""


def test_a_python_without_bpy_is_passed_over(lines_of):
    _, rows, said = lines_of("--list", "blenders", "--bpy", "/usr/bin/python3")
    assert rows == [] and "cannot import bpy" in said
    _, rows, said = lines_of("--list", "blenders", "--bpy", "/nonexistent/python")
    assert rows == [] and "/nonexistent/python" in said
    _, rows, _ = lines_of("--list", "blenders", "--bpy", "/usr/bin/python3", "--blender", str(STAND_IN))
    assert [row["path"] for row in rows] == [str(STAND_IN)]


@pytest.mark.skipif(not PYTHON, reason="DBLEND_TEST_BPY names no Python that can import bpy")
def test_frames_of_the_real_module(broker, start, scene, home):
    worker = start("--bpy", PYTHON, "--device", "cpu:0")
    broker.until(lambda: worker.lines, timeout=120)
    version = broker.ready[0]["blenders"][0]["version"]
    broker.job, _ = inspect(broker, scene)
    assert broker.job["found"]["blender"] == version
    claims = broker.frames(1, 2, 3)
    broker.until(lambda: broker.all_ended(claims))
    for claim in claims:
        assert broker.of(claim) == ["started", "finished"], worker.told()
        assert broker.report(claim, "finished")["digest"].endswith(version.rpartition(".")[0])
    assert temporary(home / "out") == [] and len(list((home / "out").iterdir())) == 3
