"""No picture of another version of the scene is ever taken for this one."""

import pytest

from farmtools import blender, copy_scene, repaint, two_workers, wait_until
from pictures import assert_same_frames, pixels, same_pixels

FRAMES = range(1, 5)


def stamps(folder):
    return {number: (folder / f"{number:04}.png").stat().st_mtime_ns for number in FRAMES}


def all_equal(folder, plain):
    names = [f"{number:04}.png" for number in FRAMES]
    return all(same_pixels(folder / name, plain / name) for name in names)


@pytest.mark.renderers
def test_after_a_run_with_few_samples_the_final_one_is_all_new(farm_of_two, scene, plain_frames):
    file, frames = scene("plain"), farm_of_two.work / "frames"
    farm_of_two.rendered("-f", "1-4", "--samples", "16", file)
    few = stamps(frames)
    farm_of_two.rendered("-f", "1-4", file)
    assert all(stamps(frames)[number] != few[number] for number in FRAMES)
    assert all_equal(frames, plain_frames("plain"))


@pytest.mark.renderers
def test_after_a_quarter_the_full_size_is_all_new(farm_of_two, scene, plain_frames):
    file, frames = scene("plain"), farm_of_two.work / "frames"
    farm_of_two.rendered("-f", "1-4", "--percentage", "25", file)
    assert pixels(frames / "0001.png")[0].shape[:2] == (12, 16)
    farm_of_two.rendered("-f", "1-4", "--percentage", "100", file)
    assert all_equal(frames, plain_frames("plain"))


def test_a_changed_file_is_rendered_anew(farm_of_two, scene, tmp_path):
    file, frames = scene("plain"), farm_of_two.work / "frames"
    farm_of_two.rendered("-f", "1-4", file)
    repaint(file, 0.1, 0.3, 0.9)
    farm_of_two.rendered("-f", "1-4", file)
    copied = copy_scene(farm_of_two.work, tmp_path / "plain", "plain.blend")
    blender(copied, "-f", "1..4")
    assert_same_frames(frames, tmp_path / "plain" / "frames")


@pytest.mark.renderers
def test_the_same_again_keeps_every_picture(farm_of_two, scene):
    file, frames = scene("plain"), farm_of_two.work / "frames"
    farm_of_two.rendered("-f", "1-4", file)
    first = stamps(frames)
    again = farm_of_two.rendered("-f", "1-4", "--again", file)
    assert stamps(frames) == first
    assert farm_of_two.job(again)["frames"]["kept"] == 4


def test_a_file_saved_while_it_renders_is_rendered_as_submitted(farm, scene, plain_frames):
    file = scene("plain")
    rendering = farm.start("dblend", "render", "--devices", two_workers(), "--samples", "200",
                           file)
    wait_until(lambda: farm.done_count() >= 3, 90, "the first frames")
    farm.dblend("pause")  # saving starts a Blender: the job must not be over before
    repaint(file, 0.0, 0.9, 0.1)
    assert farm.done_count() < 40, "the job was over before the file was saved"
    farm.dblend("resume")
    wait_until(lambda: rendering.poll() is not None, 180, "the end of render")
    assert rendering.returncode == 0, rendering.err.read_text()
    assert_same_frames(farm.work / "frames", plain_frames("plain", samples=200))
    assert "saved again since" in rendering.out.read_text() + rendering.err.read_text()
    assert not [path for path in farm.work.iterdir() if path.name.startswith(".")]
