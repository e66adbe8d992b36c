"""Unbaked physics: frames are right when they are stepped through, in whatever order they come."""

import pytest

from python_side import same
from renderers import run_script

pytestmark = pytest.mark.renderers

STEP = """
import bpy, sys
scene = bpy.context.scene
for frame in range(1, 9):
    scene.frame_set(frame)
    scene.render.filepath = sys.argv[-1] + "/%04d.png" % frame
    bpy.ops.render.render(write_still=True)
"""


@pytest.fixture(scope="module")
def reference(scenes, renderer, tmp_path_factory):
    """Frames 1-8 of the falling cube, stepped through by one Blender.

    Not by `blender -a`: that renders an unbaked rigid body where it stood (seen in 3.4.1).
    """
    folder = tmp_path_factory.mktemp("falling")
    run_script(renderer, scenes / "rigid_body.blend", STEP, folder)
    return {frame: folder / f"{frame:04d}.png" for frame in range(1, 9)}


@pytest.mark.parametrize("frames", [(1, 2, 3), (8,), (2, 4, 8), (8, 3, 5, 1), (4, 4, 5)])
def test_stepped_frames_are_right(warm, scenes, tmp_path, reference, frames):
    job = warm.open(scenes / "rigid_body.blend")
    for frame in frames:
        path, = warm.render(job, frame, tmp_path)
        assert same(path, reference[frame]), frame


def test_the_cube_really_falls(reference):
    assert not same(reference[1], reference[8])


def test_allow_jumps_and_is_wrong(warm, scenes, tmp_path, reference):
    job = warm.open(scenes / "rigid_body.blend", unbaked="allow")
    path, = warm.render(job, 8, tmp_path)
    assert not same(path, reference[8])


def test_allow_and_order_have_different_digests(warm, scenes):
    ordered = warm.found(scenes / "rigid_body.blend")["digest"]
    assert warm.found(scenes / "rigid_body.blend", unbaked="allow")["digest"] != ordered


def test_baked_physics_needs_no_order(warm, scenes, tmp_path, reference):
    job = warm.open(scenes / "rigid_body_baked.blend")
    assert job["found"]["ordered"] is False
    for frame in (8, 3):
        path, = warm.render(job, frame, tmp_path)
        assert same(path, reference[frame])
