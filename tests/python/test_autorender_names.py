"""Names, sizes and overrides: found.outputs are exactly the files that plain Blender writes."""

import os
import pathlib
import subprocess
import time

import pytest

from python_side import BLENDER, job_of, path_of, pixels

pytestmark = pytest.mark.renderers


def name(found, frame=1, at=0):
    return path_of(found["outputs"][at], frame)


@pytest.mark.parametrize("scene, expected", [
    ("plain", "out/f_0001.png"),
    ("default_output", "render/default_output/default_output_0001.png"),
    ("empty_output", "render/empty_output/empty_output_0001.png"),
    ("drive_output", "render/drive_output/drive_output_0001.png"),
    ("relative_output", "shots/a01b.png"),
    ("no_extension", "raw/f0001"),
    ("dotted", "v01/f0_0010.png"),
    ("movie", "film/take-0001.png"),
    ("default_movie", "render/default_movie/default_movie_0001.png"),
    ("multilayer", "out/f_0001.exr"),
    ("jpeg", "out/f_0001.jpg"),
    ("tiff", "out/f_0001.tif"),
    ("one_view", "out/f_0001.png"),
    ("side_by_side", "out/f_0001.png"),
    ("multiview_exr", "out/f_0001.exr"),
])
def test_the_scenes_own_output(warm, scenes, scene, expected):
    found = warm.found(scenes / f"{scene}.blend")
    assert name(found) == str(scenes / expected)
    assert [one["view"] for one in found["outputs"]] == [""]


def test_every_view_has_its_file(warm, scenes):
    found = warm.found(scenes / "stereo.blend")
    assert [one["view"] for one in found["outputs"]] == ["_left", "_right"]
    assert name(found, 12, 0) == str(scenes / "out" / "f_0012_left.png")
    assert name(found, 12, 1) == str(scenes / "out" / "f_0012_right.png")


@pytest.mark.parametrize("pattern, expected", [
    ("a####", "{cwd}/a0007.png"),
    ("sub/a", "{cwd}/sub/a0007.png"),
    ("//sub/a#b##c", "{file}/sub/a#b07c.png"),
    ("/abs/x.png", "/abs/x.png0007.png"),
    ("/abs/x##.png", "/abs/x07.png"),
    ("folder/", "{cwd}/folder/0007.png"),
    ("//../up/x_#", "{up}/up/x_7.png"),
    ("10###20", "{cwd}/1000720.png"),
    ("########", "{cwd}/00000007.png"),
])
def test_a_given_output_is_obeyed(warm, scenes, tmp_path, pattern, expected):
    job = {"output": pattern, "cwd": tmp_path}
    found = warm.found(scenes / "plain.blend", **job)
    assert name(found, 7) == expected.format(cwd=tmp_path, file=scenes, up=scenes.parent)


@pytest.mark.parametrize("frame", [0, 5, -5, 99, 12345, -12345, 1048574, -1048574])
def test_numbers_of_every_length(warm, scenes, frame, tmp_path):
    found = warm.found(scenes / "plain.blend", output="//n/f_##", cwd=tmp_path)
    sign = "-" if frame < 0 else ""
    assert name(found, frame) == str(scenes / "n" / f"f_{sign}{abs(frame):02d}.png")


def test_an_output_of_a_movie_scene(warm, scenes):
    file = scenes / "movie.blend"
    found = warm.found(file)
    assert found["movie"] == str(scenes / "film" / "take.mp4")
    assert found["format"] == "PNG"
    assert name(warm.found(file, output="//x/clip.mp4")) == str(scenes / "x" / "clip-0001.png")
    assert name(warm.found(file, output="//x/clip_##")) == str(scenes / "x" / "clip_01.png")
    assert name(warm.found(file, output="//x/")) == str(scenes / "x" / "0001.png")
    assert "movie" not in warm.found(scenes / "plain.blend")


def test_the_layout_of_the_origin(warm, scenes, tmp_path):
    found = warm.found(scenes / "plain.blend", render_folder=str(tmp_path / "all"))
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(1795359600))
    folder = tmp_path / "all" / scenes.name / f"plain_{stamp}"
    assert name(found) == str(folder / "plain-0001.png")


def test_links_to_folders_are_resolved(warm, scenes, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    found = warm.found(scenes / "plain.blend", output=str(tmp_path / "link" / "a_#"))
    assert name(found) == str(tmp_path / "real" / "a_1.png")


def test_names_that_cannot_be(warm, scenes, tmp_path):
    for pattern in ("/dir/" + "x" * 300, "/" + "/".join(["folder" * 10] * 20) + "/a"):
        answer = warm.inspect(scenes / "plain.blend", output=pattern)
        assert (answer["code"], answer["fatal"]) == ("output-unwritable", True)


def test_unwritable_outputs_are_found_at_inspection_even_by_root(warm, scenes, tmp_path):
    (tmp_path / "file").write_text("")
    for pattern in (str(tmp_path / "file" / "below" / "a"), "/proc/nothing/here/a", "/dev/null/a"):
        answer = warm.inspect(scenes / "plain.blend", output=pattern)
        assert (answer["event"], answer["code"], answer["fatal"]) == (
            "error", "output-unwritable", True)
        assert os.path.dirname(pattern) in answer["text"]


def test_inspection_leaves_no_folder_behind(warm, scenes, tmp_path):
    warm.found(scenes / "plain.blend", output=str(tmp_path / "new" / "folder" / "a"))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("scene, size", [
    ("plain", (64, 36)), ("crop", (33, 20)), ("region", (64, 36)), ("side_by_side", (128, 36)),
    ("stereo", (64, 36)),
])
def test_size_is_that_of_the_written_file(warm, scenes, tmp_path, scene, size):
    job = warm.open(scenes / f"{scene}.blend")
    assert (job["found"]["width"], job["found"]["height"]) == size
    for path in warm.render(job, 1, tmp_path):
        height, width, _ = pixels(path)[0].shape
        assert (width, height) == size


def test_percentage_scales_as_blender_does(warm, scenes, tmp_path):
    for percentage in (3, 33, 50, 99, 150):
        job = warm.open(scenes / "plain.blend", percentage=percentage)
        path, = warm.render(job, 1, tmp_path)
        height, width, _ = pixels(path)[0].shape
        assert (job["found"]["width"], job["found"]["height"]) == (width, height)


def test_a_picture_without_pixels_is_found_at_inspection(warm, scenes):
    answer = warm.inspect(scenes / "plain.blend", percentage=1)
    assert (answer["code"], answer["fatal"]) == ("picture-too-small", True)


@pytest.mark.parametrize("given, format_name, tail", [
    ("PNG", "PNG", ".png"), ("png", "PNG", ".png"), ("OPEN_EXR", "OPEN_EXR", ".exr"),
    ("exr", "OPEN_EXR", ".exr"), ("OPEN_EXR_MULTILAYER", "OPEN_EXR_MULTILAYER", ".exr"),
    ("JPEG", "JPEG", ".jpg"), ("jpg", "JPEG", ".jpg"), ("TIFF", "TIFF", ".tif"),
])
def test_formats_by_their_names(warm, scenes, given, format_name, tail):
    for scene in ("plain", "movie"):
        found = warm.found(scenes / f"{scene}.blend", format=given)
        assert (found["format"], found["outputs"][0]["tail"]) == (format_name, tail)


def test_formats_that_are_not_there(warm, scenes):
    for given in ("FFMPEG", "AVI_JPEG", "PIXELS"):
        answer = warm.inspect(scenes / "plain.blend", format=given)
        assert (answer["code"], answer["fatal"]) == ("format-missing", True)
        assert "PNG" in answer["hint"] and "FFMPEG" not in answer["hint"]


@pytest.mark.parametrize("given, engine", [
    ("CYCLES", "CYCLES"), ("cycles", "CYCLES"), ("eevee", "BLENDER_EEVEE"),
    ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE"), ("workbench", "BLENDER_WORKBENCH"),
])
def test_engines_by_their_names(warm, scenes, given, engine):
    assert warm.found(scenes / "cycles.blend", engine=given)["engine"] == engine


def test_an_engine_that_is_not_there(warm, scenes):
    """A question at inspection; an error where only this worker's Blender lacks it."""
    [question] = warm.inspect(scenes / "plain.blend", engine="luxcore")["questions"]
    assert question["code"] == "engine-missing" and "luxcore" in question["text"]
    assert "-E ENGINE" in question["hint"] and "CYCLES" in question["hint"]
    answer = warm.ask(do="open", job=job_of(scenes / "plain.blend", engine="luxcore"))
    assert (answer["code"], answer["fatal"]) == ("engine-missing", False)


def test_scenes_of_the_file(warm, scenes):
    found = warm.found(scenes / "two_scenes.blend", scene="Other")
    assert sorted(found["scenes"]) == ["Other", "Scene"]
    assert (found["scene"], found["frame_start"], found["frame_end"], found["frame_step"]) == (
        "Other", 3, 9, 2)
    assert name(found, 5) == str(scenes / "other" / "0005.png")
    answer = warm.inspect(scenes / "two_scenes.blend", scene="Third")
    assert (answer["code"], answer["fatal"]) == ("scene-missing", True)
    assert "Other" in answer["hint"]


def test_what_else_is_found(warm, scenes):
    found = warm.found(scenes / "plain.blend")
    assert (found["frame_start"], found["frame_end"], found["frame_step"]) == (1, 10, 1)
    assert (found["fps"], found["engine"], found["format"]) == ("24", "BLENDER_WORKBENCH", "PNG")
    assert found["camera"] and found["file_version"] >= 293 and found["stamped"] is True
    assert found["ordered"] is False and found["denoise"] is False
    assert len(found["digest"]) == 32


@pytest.mark.parametrize("scene", ["plain", "stereo", "dotted", "relative_output", "movie"])
def test_plain_blender_writes_the_same_names(warm, scenes, tmp_path, scene):
    found = warm.found(scenes / f"{scene}.blend", output=str(tmp_path / "n" / "a_##x"), cwd="/")
    subprocess.run([BLENDER, "-b", "--factory-startup", str(scenes / f"{scene}.blend"), "-o",
                    str(tmp_path / "n" / "a_##x"), "-F", "PNG", "-f", "3"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    ours = sorted(path_of(one, 3) for one in found["outputs"])
    assert ours == sorted(str(path) for path in pathlib.Path(tmp_path / "n").iterdir())


def test_plain_blender_agrees_on_the_shape_of_numbers(warm, plain, scenes, tmp_path):
    made = plain(scenes / "plain.blend", [3], tmp_path)
    found = warm.found(scenes / "plain.blend", output=str(tmp_path / "####"))
    assert str(made[3]) == name(found, 3)
