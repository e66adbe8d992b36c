"""Scenes of other people: every one is inspected, and renders under the names that were found."""

import os

import pytest

from python_side import SHARED, names_in, pixels

pytestmark = pytest.mark.renderers

FATAL = {
    "basic_file.blend": "no-camera", "basic_file_compressed.blend": "no-camera",
    "basic_file_zstandard.blend": "no-camera", "basic_file_ñønæščii.blend": "no-camera",
    "linked_cube.blend": "no-camera", "doubly_linked.blend": "no-camera",
    "missing_textures.blend": "no-camera", "no_camera.blend": "no-camera",
    "column.blend": "no-camera", "jello.blend": "no-camera",
    "corrupt_only_magic.blend": "file-truncated",
}
ASKED = {
    "bam_pack_bug.blend": "files-missing", "earth.blend": "files-missing",
    "vr180.blend": "files-missing", "autorun_text_and_driver.blend": "scripts-blocked",
}
CRASHES = ("fake_v404_header.blend",)  # the worker refuses it by its header
SMALL = {"percentage": 10, "samples": 1, "denoise": False}
FILES = sorted(path.relative_to(SHARED) for path in SHARED.rglob("*.blend")
               if path.name not in CRASHES) if SHARED.is_dir() else []


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_real_scene(warm, shared_scenes, tmp_path, file):
    output = {"output": str(tmp_path / "frames_####")}
    answer = warm.inspect(shared_scenes / file, **SMALL, **output)
    if file.name in FATAL:
        assert (answer.get("code"), answer.get("fatal")) == (FATAL[file.name], True)
        return
    assert answer["event"] == "inspected", answer
    questions = [one["code"] for one in answer["questions"]]
    assert questions == ([ASKED[file.name]] if file.name in ASKED else [])
    job = warm.open(shared_scenes / file, allow_missing=True, no_scripts=True, **SMALL, **output)
    found = job["found"]
    paths = warm.render(job, found["frame_start"], tmp_path)
    assert names_in(tmp_path) == sorted(os.path.basename(path) for path in paths)
    for path in paths:
        height, width, _ = pixels(path)[0].shape
        assert (width, height) == (found["width"], found["height"])


def test_the_shared_scenes_are_there():
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there")
    assert len(FILES) > 20
