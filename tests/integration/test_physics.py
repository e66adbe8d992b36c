"""Unbaked physics: frames in order, by one worker, or the cube does not fall."""

from farmtools import two_workers
from pictures import assert_same_frames, files_under, same_pixels


def test_an_unbaked_falling_cube_on_two_workers_equals_one_blender(farm, scene, plain_frames):
    farm.dblend("render", "--devices", two_workers(), scene("falling"))
    assert_same_frames(farm.work / "frames", plain_frames("falling", stepped=True))


def test_frames_before_the_first_are_stepped_through(farm, scene, plain_frames):
    farm.dblend("render", "--devices", two_workers(), "-f", "9,12", scene("falling"))
    assert files_under(farm.work / "frames") == {"0009.png", "0012.png"}
    for name in ("0009.png", "0012.png"):
        assert same_pixels(farm.work / "frames" / name, plain_frames("falling", stepped=True) / name)


def test_refused_physics_is_asked_about(farm, scene):
    number = farm.refused("--unbaked", "refuse", scene("falling"))["unbaked"]["job"]
    assert farm.job(number)["state"] == "held"
    farm.dblend("accept", number, "--unbaked", "order")
    assert farm.job(number)["state"] != "held"
