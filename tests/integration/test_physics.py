"""Unbaked physics: frames in order, by one worker, or the cube does not fall."""

import pytest

from pictures import assert_same_frames, files_under, same_pixels


@pytest.mark.renderers
def test_an_unbaked_falling_cube_on_two_workers_equals_one_blender(farm_of_two, scene,
                                                                   plain_frames):
    farm_of_two.rendered(scene("falling"))
    assert_same_frames(farm_of_two.work / "frames", plain_frames("falling", stepped=True))


def test_frames_before_the_first_are_stepped_through(farm_of_two, scene, plain_frames):
    farm_of_two.rendered("-f", "9,12", scene("falling"))
    frames, plain = farm_of_two.work / "frames", plain_frames("falling", stepped=True)
    assert files_under(frames) == {"0009.png", "0012.png"}
    for name in ("0009.png", "0012.png"):
        assert same_pixels(frames / name, plain / name)


def test_refused_physics_is_asked_about(farm_of_two, scene):
    number = farm_of_two.refused("--unbaked", "refuse", scene("falling"))["unbaked"]["job"]
    assert farm_of_two.job(number)["state"] == "held"
    farm_of_two.dblend("accept", number, "--unbaked", "order")
    farm_of_two.dblend("wait", number)
    assert len(files_under(farm_of_two.work / "frames")) == 14
