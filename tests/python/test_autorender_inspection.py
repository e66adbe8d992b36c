"""What is asked, what is a warning, what fails: and that plain scenes give none of them."""

import os
import time

import pytest

from python_side import job_of

pytestmark = pytest.mark.renderers


def codes(notes):
    return sorted(one["code"] for one in notes)


def asked(warm, file, **options):
    answer = warm.inspect(file, **options)
    assert answer["event"] == "inspected", answer
    for one in answer["questions"] + answer["warnings"]:
        assert one["text"] and "\n" not in one["text"]
    return codes(answer["questions"]), codes(answer["warnings"])


@pytest.mark.parametrize("scene", [
    "plain", "cycles", "eevee", "stereo", "multilayer", "markers", "marker_camera", "movie",
    "sequencer", "compositor", "image_there", "image_packed", "library_there", "sequence",
    "safe_driver", "rigid_body_baked", "hair_and_emitter", "default_output", "burnt_stamp",
])
def test_nothing_to_ask(warm, scenes, scene):
    assert asked(warm, scenes / f"{scene}.blend") == ([], [])


@pytest.mark.parametrize("scene, question, answers", [
    ("add_on_engine", "engine-missing", [{"engine": "CYCLES"}]),
    ("add_on_nodes", "add-on-missing", [{"allow_missing": True}]),
    ("image_missing", "files-missing", [{"allow_missing": True}]),
    ("image_compositor", "files-missing", [{"allow_missing": True}]),
    ("library_missing", "files-missing", [{"allow_missing": True}]),
    ("library_changed", "files-missing", [{"allow_missing": True}]),
    ("driver", "scripts-blocked", [{"no_scripts": True}]),
    ("handlers", "scripts-blocked", [{"no_scripts": True}]),
])
def test_questions_and_the_flags_that_answer_them(warm, scenes, scene, question, answers):
    assert asked(warm, scenes / f"{scene}.blend")[0] == [question]
    for options in answers:
        assert asked(warm, scenes / f"{scene}.blend", **options)[0] == []


def test_trusted_scripts_are_no_question_but_said(fresh, scenes):
    answer = fresh().inspect(scenes / "driver.blend", trust_scripts=True)
    assert answer["questions"] == []
    assert answer["scripts"] is True


def test_a_question_names_what_is_missing(warm, scenes):
    answer = warm.inspect(scenes / "image_missing.blend")
    assert str(scenes / "gone.png") in answer["questions"][0]["text"]
    assert "--allow-missing" in answer["questions"][0]["hint"]
    answer = warm.inspect(scenes / "add_on_engine.blend")
    assert "FARM_TEST_ENGINE" in answer["questions"][0]["text"]
    answer = warm.inspect(scenes / "driver.blend")
    assert "frame_current" in answer["questions"][0]["text"]


@pytest.mark.parametrize("scene, warning", [
    ("image_unused", "file-missing"), ("image_of_no_object", "file-missing"),
    ("image_background", "file-missing"), ("sound_and_font", "file-missing"),
    ("file_output", "file-output"), ("time_limit", "time-limit"), ("region", "render-region"),
    ("preview_exr", "preview"),
])
def test_warnings_are_no_questions_not_even_when_strict(warm, scenes, scene, warning):
    """Whether they hold the job is for the broker to say."""
    assert asked(warm, scenes / f"{scene}.blend") == ([], [warning])
    assert asked(warm, scenes / f"{scene}.blend", strict=True) == ([], [warning])


@pytest.mark.parametrize("scene", ["rigid_body", "cloth", "soft_body", "fluid", "dynamic_paint",
                                   "hair_dynamics"])
def test_unbaked_physics(warm, scenes, scene):
    file = scenes / f"{scene}.blend"
    answer = warm.inspect(file)
    assert answer["found"]["ordered"] is True
    assert (codes(answer["questions"]), codes(answer["warnings"])) == ([], ["unbaked"])
    answer = warm.inspect(file, unbaked="refuse")
    assert answer["found"]["ordered"] is False
    assert codes(answer["questions"]) == ["unbaked"]
    answer = warm.inspect(file, unbaked="allow")
    assert answer["found"]["ordered"] is False
    assert answer["questions"] == []


def test_no_camera_is_fatal(warm, scenes):
    answer = warm.inspect(scenes / "no_camera.blend")
    assert (answer["event"], answer["code"], answer["fatal"]) == ("error", "no-camera", True)


@pytest.mark.parametrize("scene", ["denoise", "pulled_in"])
def test_a_missing_denoiser_is_fatal_and_names_the_way_out(warm, scenes, scene):
    if warm.ready["denoiser"]:
        pytest.skip("this Blender is built with OpenImageDenoise")
    answer = warm.inspect(scenes / f"{scene}.blend")
    assert (answer["code"], answer["fatal"]) == ("denoiser-missing", True)
    assert "--no-denoise" in answer["hint"]
    found = warm.found(scenes / f"{scene}.blend", denoise=False)
    assert found["denoise"] is False


@pytest.mark.parametrize("scene, stamped", [
    ("plain", True), ("multilayer", True), ("jpeg", True), ("tiff", False), ("burnt_stamp", False),
])
def test_the_digest_is_stamped_where_the_format_carries_it(warm, scenes, scene, stamped):
    assert warm.found(scenes / f"{scene}.blend")["stamped"] is stamped


def test_the_digest_tells_versions_apart(warm, scenes, tmp_path):
    file = scenes / "image_there.blend"
    first = warm.found(file)["digest"]
    assert warm.found(file)["digest"] == first
    others = [warm.found(file, **options)["digest"] for options in (
        {"samples": 3}, {"percentage": 25}, {"engine": "CYCLES"}, {"format": "JPEG"},
        {"denoise": False}, {"no_scripts": True, "samples": 4})]
    assert len({first, *others}) == len(others) + 1
    same = warm.found(file, output=str(tmp_path / "x"), overwrite=True, priority=3)
    assert same["digest"] == first
    assert warm.found(file, no_scripts=True)["digest"] == first


def test_the_digest_knows_the_files_that_are_read(warm, scenes):
    for scene, file in (("image_there", "wood.png"), ("library_there", "library.blend"),
                        ("sequence", "seq_002.png")):
        path = scenes / f"{scene}.blend"
        first = warm.found(path)["digest"]
        before = os.stat(scenes / file)
        os.utime(scenes / file, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
        assert warm.found(path)["digest"] != first
        os.utime(scenes / file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert warm.found(path)["digest"] == first


def test_the_digest_knows_the_bytes_and_the_scene(warm, scenes):
    job = job_of(scenes / "two_scenes.blend")
    first = warm.ask(do="inspect", job=job)["found"]["digest"]
    job["hash"] = "0" * 64
    assert warm.ask(do="inspect", job=job)["found"]["digest"] != first
    assert warm.found(scenes / "two_scenes.blend", scene="Other")["digest"] != first


def test_an_engine_that_only_this_worker_lacks_is_an_error_at_open(warm, scenes):
    answer = warm.ask(do="open", job=job_of(scenes / "add_on_engine.blend"))
    assert (answer["code"], answer["fatal"]) == ("engine-missing", False)


def test_inspection_is_quick(warm, scenes):
    times = []
    for _ in range(10):
        started = time.monotonic()
        warm.found(scenes / "plain.blend")
        times.append(time.monotonic() - started)
    assert min(times) < 0.2  # the best of them: the machine is shared


def test_a_file_lost_since_the_inspection_is_an_error_at_open(warm, scenes):
    job = warm.open(scenes / "image_there.blend")
    os.rename(scenes / "wood.png", scenes / "wood.bak")
    answer = warm.ask(do="open", job=job)
    job["options"]["allow_missing"] = True
    allowed = warm.ask(do="open", job=job)
    os.rename(scenes / "wood.bak", scenes / "wood.png")
    assert (answer["event"], answer["code"], answer["fatal"]) == ("error", "files-missing", False)
    assert allowed["event"] == "opened"
