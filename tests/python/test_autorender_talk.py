"""The talk of autorender.py: JSON lines, errors with code, and never an exit."""

import os

import pytest

from python_side import job_of

pytestmark = pytest.mark.renderers


def test_ready_says_version_denoiser_and_pid(warm):
    assert warm.ready["event"] == "ready"
    assert warm.ready["pid"] == warm.process.pid
    assert [int(part) for part in warm.ready["blender"].split(".")] >= [2, 93]
    assert isinstance(warm.ready["denoiser"], bool)


def test_wrong_commands_are_answered_and_nothing_ends(warm, scenes):
    assert warm.ask(do="dance")["code"] == "script-error"
    warm.send_line("no json")
    assert warm.hear()["code"] == "script-error"
    warm.send_line("[1]")
    assert warm.hear()["code"] == "script-error"
    assert warm.ask(do="render", job=99, frame=1, path="/x.png")["code"] == "script-error"
    assert warm.ask(do="inspect")["code"] == "script-error"
    assert warm.found(scenes / "plain.blend")["scene"] == "Scene"


def test_close_forgets_the_job(warm, scenes, tmp_path):
    job = warm.open(scenes / "plain.blend")
    assert warm.ask(do="close")["event"] == "closed"
    answer = warm.ask(do="render", job=job["job"], frame=1, path=str(tmp_path / "a.png"))
    assert answer["code"] == "script-error"


def test_quit_and_the_end_of_the_socket_leave_with_zero(fresh):
    blender = fresh()
    blender.send(do="quit")
    assert blender.process.wait(30) == 0
    assert fresh().hang_up() == 0


def test_files_that_cannot_be_opened(warm, tmp_path, shared_scenes):
    text = tmp_path / "text.blend"
    text.write_text("not a blend")
    folder = tmp_path / "folder.blend"
    folder.mkdir()
    cases = [
        (tmp_path / "nowhere.blend", "file-missing"),
        (text, "not-blend"),
        (shared_scenes / "bat" / "corrupt_only_magic.blend", "file-truncated"),
        (folder, "not-blend"),
    ]
    for file, code in cases:
        for do in ("inspect", "open"):
            answer = warm.ask(do=do, job=job_of(file))
            assert (answer["event"], answer["code"], answer["fatal"]) == ("error", code, True)
            assert str(file) in answer["text"]
            assert answer["hint"]


def test_truncated_files_are_errors(warm, scenes, tmp_path):
    data = (scenes / "plain.blend").read_bytes()
    cut = tmp_path / "cut.blend"
    for share in (0.1, 0.5, 0.9, 0.999):
        cut.write_bytes(data[: int(len(data) * share)])
        answer = warm.ask(do="inspect", job=job_of(cut))
        assert answer["event"] == "error" and answer["fatal"], share


def test_the_kept_file_is_opened_under_the_name_of_the_original(warm, scenes, tmp_path):
    file = tmp_path / "shot.blend"
    kept = tmp_path / ".shot.blend.0123.hash.blend"
    os.link(scenes / "default_output.blend", kept)
    job = job_of(file)
    job["use"] = str(kept)
    found = warm.ask(do="inspect", job=job)["found"]
    assert found["outputs"][0]["head"] == str(tmp_path / "render" / "shot" / "shot_")


def test_a_script_that_raises_does_not_end_the_talk(fresh, scenes, tmp_path):
    blender = fresh()
    job = blender.open(scenes / "handlers.blend", trust_scripts=True)
    answer = blender.ask(do="render", job=job["job"], frame=1, path="/proc/nothing/a.png")
    assert answer["event"] == "error"
    assert answer["code"] in ("output-unwritable", "no-picture")
    answer = blender.ask(do="open", job=job_of(scenes / "handlers.blend", trust_scripts=True))
    assert answer["scripts"] is True


def test_the_output_of_a_frame_comes_before_its_answer(fresh, scenes, tmp_path):
    blender = fresh()
    job = blender.open(scenes / "plain.blend")
    for frame in (1, 2, 3):
        before = len(blender.log.read_bytes())
        path, = blender.render(job, frame, tmp_path)
        told = blender.log.read_bytes()[before:].decode(errors="replace")
        assert f"Saved: '{path}'" in told and "Time:" in told
