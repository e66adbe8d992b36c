"""Frames: the pixels of plain Blender, the given path and nothing else, the stamp."""

import os
import pathlib
import time

import pytest

from python_side import attribute, names_in, pixels, same

pytestmark = pytest.mark.renderers


@pytest.mark.parametrize("scene", ["plain", "cycles", "multilayer", "markers", "pulled_in",
                                   "sequencer", "compositor", "marker_camera", "safe_driver"])
def test_frames_in_any_order_are_those_of_plain_blender(warm, plain, scenes, tmp_path, scene):
    file = scenes / f"{scene}.blend"
    denoised = scene == "pulled_in" and not warm.ready["denoiser"]
    if denoised:
        pytest.skip("plain Blender cannot render it without a denoiser")
    wanted = plain(file, [2, 5, 9], tmp_path / "plain")
    job = warm.open(file)
    for frame in (9, 2, 5):
        path, = warm.render(job, frame, tmp_path)
        assert same(path, wanted[frame]), frame


def test_eevee_is_the_same_from_its_second_frame_on(warm, plain, scenes, tmp_path):
    """The first Eevee frame of a process may differ in the last bit, in plain Blender too."""
    wanted = plain(scenes / "eevee.blend", [1, 5], tmp_path / "plain")
    job = warm.open(scenes / "eevee.blend")
    warm.render(job, 1, tmp_path)
    path, = warm.render(job, 5, tmp_path)
    assert same(path, wanted[5])


def test_the_scene_that_is_not_the_active_one_is_animated(warm, plain, scenes, tmp_path):
    file = scenes / "two_scenes.blend"
    wanted = plain(file, [2, 8], tmp_path / "plain", scene="Other")
    job = warm.open(file, scene="Other")
    for frame in (8, 2):
        path, = warm.render(job, frame, tmp_path)
        assert same(path, wanted[frame])
    assert not same(wanted[2], wanted[8])


def test_only_the_given_files_are_written(warm, scenes, tmp_path):
    for scene, expected in (("plain", ["f_0003.png"]), ("preview_exr", ["f_0003.exr"]),
                            ("movie", ["take-0003.png"]),
                            ("stereo", ["f_0003_left.png", "f_0003_right.png"])):
        folder = tmp_path / scene
        folder.mkdir()
        warm.render(warm.open(scenes / f"{scene}.blend"), 3, folder)
        assert names_in(folder) == expected
    assert not (scenes / "out").exists()


def test_hashes_in_the_path_stay(warm, scenes, tmp_path):
    job = warm.open(scenes / "plain.blend")
    path = tmp_path / ".a##b.png"
    answer = warm.ask(do="render", job=job["job"], frame=1, path=str(path))
    assert answer["event"] == "rendered"
    assert names_in(tmp_path) == [path.name]


def test_a_path_of_another_extension_is_written_as_given(warm, scenes, tmp_path):
    job = warm.open(scenes / "plain.blend")
    path = tmp_path / ".a.tmp"
    assert warm.ask(do="render", job=job["job"], frame=1, path=str(path))["event"] == "rendered"
    assert names_in(tmp_path) == [path.name]


def test_the_temporary_file_is_written_in_place(warm, scenes, tmp_path):
    """What the prover's fence rests on: the inode stays while nobody unlinks the file."""
    for scene in ("plain", "multilayer", "jpeg", "tiff", "stereo"):
        job = warm.open(scenes / f"{scene}.blend")
        folder = tmp_path / scene
        folder.mkdir()
        paths = warm.render(job, 1, folder)
        before = [os.stat(path).st_ino for path in paths]
        for path in paths:
            pathlib.Path(path).write_text("dblend owner line\n")
        assert warm.render(job, 1, folder) == paths
        assert [os.stat(path).st_ino for path in paths] == before
        for path in paths:
            pixels(path)


def test_the_stamp_is_in_the_picture_and_changes_no_pixel(warm, scenes, tmp_path):
    for scene in ("plain", "multilayer"):
        job = warm.open(scenes / f"{scene}.blend")
        (tmp_path / scene / "b").mkdir(parents=True)
        stamped, = warm.render(job, 2, tmp_path / scene)
        assert attribute(stamped, "Note") == "dblend:%s:3.4" % job["found"]["digest"]
        job = warm.open(scenes / f"{scene}.blend")
        bare, = warm.render(job, 2, tmp_path / scene / "b", stamp=False)
        assert attribute(bare, "Note") == ""
        assert same(stamped, bare)


def test_a_burnt_stamp_is_left_alone(warm, plain, scenes, tmp_path):
    wanted = plain(scenes / "burnt_stamp.blend", [1], tmp_path / "plain")
    path, = warm.render(warm.open(scenes / "burnt_stamp.blend"), 1, tmp_path)
    assert pixels(path)[0].shape == pixels(wanted[1])[0].shape
    assert "dblend" not in attribute(path, "Note")


def test_overrides_reach_the_render(warm, scenes, tmp_path):
    job = warm.open(scenes / "cycles.blend", samples=1)
    one, = warm.render(job, 1, tmp_path)
    (tmp_path / "b").mkdir()
    job = warm.open(scenes / "cycles.blend", samples=64)
    many, = warm.render(job, 1, tmp_path / "b")
    assert not same(one, many)
    (tmp_path / "c").mkdir()
    job = warm.open(scenes / "cycles.blend", engine="workbench")
    drawn, = warm.render(job, 1, tmp_path / "c")
    assert not same(drawn, many)


def test_no_denoise_lets_a_bare_build_render(warm, plain, scenes, tmp_path):
    job = warm.open(scenes / "denoise.blend", denoise=False)
    path, = warm.render(job, 1, tmp_path)
    assert same(path, plain(scenes / "cycles.blend", [1], tmp_path / "plain")[1])


def test_formats_with_all_their_layers(warm, scenes, tmp_path):
    job = warm.open(scenes / "multilayer.blend")
    path, = warm.render(job, 1, tmp_path)
    assert pixels(path)[0].shape[2] >= 8
    job = warm.open(scenes / "multiview_exr.blend")
    path, = warm.render(job, 1, tmp_path)
    assert pixels(path)[0].shape[2] >= 8


def test_a_frame_that_cannot_be_written_is_an_error_and_the_next_one_works(warm, scenes, tmp_path):
    job = warm.open(scenes / "plain.blend")
    (tmp_path / "file").write_text("")
    answer = warm.ask(do="render", job=job["job"], frame=1, path=str(tmp_path / "file" / "a.png"))
    assert (answer["event"], answer["code"]) == ("error", "output-unwritable")
    assert warm.render(job, 2, tmp_path)


def test_a_camera_lost_by_a_script_is_an_error(warm, scenes, tmp_path):
    job = warm.open(scenes / "plain.blend")
    missing = dict(job, file=str(scenes / "no_camera.blend"))
    missing.pop("use", None)
    assert warm.ask(do="open", job=missing)["event"] == "opened"
    answer = warm.ask(do="render", job=job["job"], frame=1, path=str(tmp_path / "a.png"))
    assert (answer["code"], answer["fatal"]) == ("no-camera", True)
    assert names_in(tmp_path) == []


def test_scripts_run_only_for_who_trusts_them(fresh, scenes, tmp_path):
    """The hostile scene changes the size; and, once trusted, that of the next file too."""
    blender = fresh()
    path, = blender.render(blender.open(scenes / "handlers.blend", no_scripts=True), 1, tmp_path)
    assert pixels(path)[0].shape[1] == 64
    path, = blender.render(blender.open(scenes / "plain.blend"), 1, tmp_path)
    assert pixels(path)[0].shape[1] == 64
    job = blender.open(scenes / "handlers.blend", trust_scripts=True)
    assert job["found"]["width"] == 48
    path, = blender.render(job, 1, tmp_path)
    assert pixels(path)[0].shape[1] != 64


def test_our_part_of_a_frame_is_under_a_millisecond(warm, scenes, tmp_path):
    """Round trip less the render that Blender's own operator takes, in the same Blender."""
    job = warm.open(scenes / "plain.blend")
    paths = [str(tmp_path / "a.png")]
    for frame in range(1, 11):
        warm.ask(do="render", job=job["job"], frame=frame, path=paths[0], paths=paths,
                 digest="dblend:x:3.4")
    times = []
    for frame in list(range(1, 11)) * 5:
        started = time.perf_counter()
        answer = warm.ask(do="render", job=job["job"], frame=frame, path=paths[0], paths=paths,
                          digest="dblend:x:3.4")
        times.append((time.perf_counter() - started) * 1000 - answer["ms"])
    # `ms` is cut off to whole milliseconds: up to one more. The best of them: the machine is shared.
    assert min(times) < 1.5
