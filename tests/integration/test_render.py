"""`dblend render` from nothing to frames on disk, as a user calls it; and what a farm writes."""

import re

import pytest

from farmtools import make_scenes, two_workers, wait_until
from pictures import assert_same_frames, files_under, pixels, same_pixels


@pytest.mark.renderers
def test_every_frame_is_plain_blenders_and_nothing_else_is_left(farm, scene, plain_frames):
    file = scene("plain")
    done = farm.dblend("render", "--devices", two_workers(), file)
    assert_same_frames(farm.work / "frames", plain_frames("plain"))
    assert str(farm.work / "frames") in done.stdout
    assert files_under(farm.work) == {"plain.blend"} | {
        f"frames/{number:04}.png" for number in range(1, 41)}
    wait_until(lambda: not farm.pids(), 30, "everything that render started to leave")


def test_two_files_go_in_one_call(farm, scene, plain_frames):
    one, two = scene("plain"), scene("two_scenes", farm.work / "second file")
    farm.dblend("render", "--devices", two_workers(), "-f", "1-3", one, two)
    for folder in (one.parent, two.parent):
        assert files_under(folder / "frames") == {"0001.png", "0002.png", "0003.png"}
    assert same_pixels(farm.work / "frames" / "0002.png", plain_frames("plain") / "0002.png")


def test_run_again_renders_only_what_is_missing(farm, scene):
    file = scene("plain")
    farm.dblend("render", "--devices", "cpu/1", "-f", "1-4", file)
    frames = farm.work / "frames"
    before = {path.name: path.stat().st_mtime_ns for path in frames.iterdir()}
    (frames / "0003.png").unlink()
    farm.dblend("render", "--devices", "cpu/1", "-f", "1-4", file)
    after = {path.name: path.stat().st_mtime_ns for path in frames.iterdir()}
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {"0003.png"}
    assert pixels(frames / "0003.png")


@pytest.mark.renderers
def test_a_movie_scene_gives_frames_and_the_command_that_joins_them(farm, scene):
    done = farm.dblend("render", "--devices", "cpu/1", scene("movie"))
    assert files_under(farm.work / "film") == {f"cube-{number:04}.png" for number in range(1, 7)}
    command = re.search(r"^.*\bffmpeg\b.*$", done.stdout + done.stderr, re.M)
    assert command and "cube-%04d.png" in command.group(0)


def test_files_that_claim_one_output_do_not_mix(farm, scene):
    """Two scenes of one folder that both write //frames/####: the later one is asked about."""
    first, second = scene("plain"), scene("two_scenes")
    number, = farm.add(first)
    refused = farm.refused(second)["output-in-use"]
    assert f"job {number}" in refused["text"] and "-o" in refused["hint"]


def test_a_picture_that_broke_is_rendered_again(farm_of_two, scene, plain_frames):
    file = scene("plain")
    farm_of_two.rendered("-f", "1-3", file)
    broken = farm_of_two.work / "frames" / "0002.png"
    broken.write_bytes(broken.read_bytes()[:200])
    farm_of_two.rendered("-f", "1-3", "--placeholder-timeout", "1", "--again", file)
    assert same_pixels(broken, plain_frames("plain") / "0002.png")


@pytest.mark.renderers
def test_chosen_frames_scene_and_output(farm_of_two, scene):
    file, work = scene("two_scenes"), farm_of_two.work
    farm_of_two.rendered("-S", "Second", "-f", "1,3", file)
    assert files_under(work / "second") == {"0001.png", "0003.png"}
    farm_of_two.rendered("-f", "2", "-o", "elsewhere/shot_##", file, cwd=work)
    assert files_under(work / "elsewhere") == {"shot_02.png"}


@pytest.mark.renderers
def test_an_output_nobody_chose_becomes_a_folder_beside_the_file(farm_of_two, scene):
    done = farm_of_two.dblend("add", scene("default_output"))
    folder = farm_of_two.work / "render" / "default_output"
    assert str(folder) in done.stdout
    farm_of_two.dblend("wait", max(farm_of_two.jobs()))
    assert files_under(folder) == {f"default_output_{number:04}.png" for number in (1, 2, 3)}


def test_a_render_folder_is_named_after_file_and_time(farm_of_two, scene):
    farm_of_two.rendered("-f", "1-2", "--render-folder", farm_of_two.work / "out", scene("plain"))
    names = sorted(files_under(farm_of_two.work / "out"))
    assert len(names) == 2
    assert re.fullmatch(r"the work/plain_\d{8}-\d{6}/plain-0001\.png", names[0])


def test_frames_come_in_the_order_asked_for(farm, scene):
    farm.up("cpu/1")
    farm.rendered("-f", "1-6", "--order", "last", scene("plain"))
    assert [event["frame"] for event in farm.events("frame-done")] == [6, 5, 4, 3, 2, 1]


def test_a_name_dropped_into_a_terminal_keeps_its_quotes_and_accents(farm_of_two, tmp_path):
    folder = make_scenes(tmp_path / "ünï côde", "plain")
    farm_of_two.rendered("-f", "1", f"'{folder / 'plain.blend'}' ")
    assert files_under(folder / "frames") == {"0001.png"}
