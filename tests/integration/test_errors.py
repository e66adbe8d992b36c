"""The errors a user will meet: one line that names the file and says what to do, exit 1."""

import os
import shutil

import pytest

from farmtools import repaint, resave, two_workers, wait_until
from pictures import files_under


def said(done):
    return done.stdout + done.stderr


def missing(farm, _scene):
    return farm.work / "nowhere.blend"


def truncated(_farm, scene):
    file = scene("plain")
    file.write_bytes(file.read_bytes()[:100_000])
    return file


def not_a_blend(farm, _scene):
    file = farm.work / "letter.blend"
    file.write_text("Dear farm,\nplease render this.\n" * 50, encoding="utf-8")
    return file


def too_new(_farm, scene):
    file = scene("plain")
    data = bytearray(file.read_bytes())
    assert data[:7] == b"BLENDER"
    data[9:12] = b"404"
    file.write_bytes(data)
    return file


def no_camera(_farm, scene):
    return scene("no_camera")


# what is wrong: file, options, code word
BAD_FILES = {
    "missing": (missing, [], "file-missing"),
    "truncated": (truncated, [], "file-truncated"),
    "not a .blend": (not_a_blend, [], "not-blend"),
    "too new": (too_new, [], "file-too-new"),
    "no camera": (no_camera, [], "no-camera"),
    "no such scene": (lambda farm, scene: scene("plain"), ["-S", "Nothing"], "scene-missing"),
    "no denoiser": (lambda farm, scene: scene("denoised"), [], "denoiser-missing"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_cannot_render_is_refused(case, farm_of_two, scene):
    make, options, code = BAD_FILES[case]
    bad = make(farm_of_two, scene)
    error = farm_of_two.refused(*options, bad)[code]
    assert error["file"].endswith(bad.name)
    if code == "denoiser-missing":
        assert "--no-denoise" in error["hint"]


def test_what_cannot_render_stops_nothing_else(farm, scene):
    bad = []
    for number, (make, options, _) in enumerate(BAD_FILES.values()):
        if not options:
            home, farm.work = farm.work, farm.work / f"bad {number}"
            farm.work.mkdir()
            bad.append(make(farm, scene))
            farm.work = home
    good = scene("default_output")
    done = farm.dblend("render", "--devices", "cpu/1", *bad, good, code=1)
    assert len(files_under(farm.work / "render" / "default_output")) == 3
    for file in bad:
        assert [line for line in done.stderr.splitlines() if file.parent.name in line], file


def test_an_error_of_add_is_an_object_with_json(farm):
    row, = farm.json("add", farm.work / "nowhere.blend", code=1)
    assert set(row) == {"type", "code", "file", "job", "text", "hint"}
    assert row["type"] == "error" and row["code"] == "file-missing" and row["job"] is None


def test_without_its_denoiser_the_flag_renders_it(farm_of_two, scene):
    farm_of_two.rendered("--no-denoise", scene("denoised"))
    assert len(files_under(farm_of_two.work / "frames")) == 3


def test_an_output_under_a_file_is_not_writable_for_root_either(farm_of_two, scene):
    farm = farm_of_two
    (farm.work / "wall").write_text("a file where a folder should be", encoding="utf-8")
    error = farm.refused("-o", "wall/shot_####", scene("plain"))["output-unwritable"]
    assert "wall" in error["text"]
    assert farm.job(error["job"])["state"] == "failed"


def test_the_same_twice_is_already_queued(farm, scene):
    file = scene("plain")
    number, = farm.add(file)
    assert farm.refused(file)["already-queued"]["job"] == number
    assert len(farm.add("--again", "-o", "again/####", file)) == 1


def test_a_file_changed_in_place_without_its_kept_copy_pauses_the_job(farm, scene):
    file = scene("plain")
    number, = farm.add("-f", "1-2", file)
    kept, = farm.work.glob(".plain*.blend")
    kept.unlink()
    repaint(file, 0, 1, 0)
    farm.up("cpu/1")
    row = farm.wait_state(number, "paused")
    assert row["error"]["code"] == "file-changed"
    assert "--accept-change" in row["error"]["hint"]
    farm.dblend("resume", number, "--accept-change")
    assert farm.wait_state(number, "done", "failed")["state"] == "done"


@pytest.mark.parametrize("command", ["list", "show 1", "workers", "pause", "cancel 1", "log"])
def test_without_a_broker_each_command_says_how_to_start_one(command, farm):
    done = farm.dblend(*command.split(), code=1)
    assert "dblend farm" in done.stderr and not done.stdout


def test_a_second_farm_in_one_home_is_told_about_the_first(farm):
    farm.up("cpu/1")
    done = farm.dblend("farm", "--devices", "cpu/1", code=1, timeout=60)
    assert "already" in done.stderr or "holds" in done.stderr


def test_a_socket_folder_that_others_can_open_is_refused(farm):
    run = farm.home / "run"
    run.mkdir(parents=True)
    os.chmod(run, 0o755)
    broker = farm.start("dblend-broker")
    wait_until(lambda: broker.poll() is not None, 20, "the broker to refuse")
    assert broker.returncode == 1
    assert "chmod" in broker.err.read_text() and str(run) in broker.err.read_text()


def test_a_blender_that_is_not_there_is_named(farm):
    worker = farm.start("dblend-worker", "--device", "cpu:0", "--blender", "/nonexistent/blender")
    wait_until(lambda: worker.poll() is not None, 30, "the worker to say so")
    assert worker.returncode == 1
    assert "/nonexistent/blender" in worker.err.read_text()


def test_no_blender_at_all_is_said_with_what_to_do(farm, scene, tmp_path):
    """PATH and home without a Blender; one in /opt or /usr/bin cannot be hidden from a test."""
    if os.path.exists("/opt") and any("blender" in name.lower() for name in os.listdir("/opt")):
        pytest.skip("there is a Blender in /opt")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("python3", "sh"):
        (tools / name).symlink_to(shutil.which(name))
    listed = farm.dblend("blender", code=None, env={"PATH": str(tools), "HOME": str(tmp_path)})
    if listed.returncode == 0 and "3." in listed.stdout:
        pytest.skip("a desktop entry names a Blender here")
    done = farm.dblend("render", "--devices", "cpu/1", scene("plain"), code=1,
                       env={"PATH": str(tools), "HOME": str(tmp_path)})
    assert "Blender" in said(done)


def test_misuse_is_exit_2_and_queues_nothing(farm, scene):
    file = scene("plain")
    for wrong in (["-f", "5-1"], ["-f", "1-x"], ["--priority", "101"], ["--nonsense"],
                  ["--order", "sideways"], ["--devices", "cpu/N"]):
        farm.dblend("render", *wrong, file, code=2)
    farm.dblend("render", "--devices", "cpu/4096", file, code=2)
    farm.start("dblend-broker", "--idle-exit", "60")
    wait_until(lambda: farm.dblend("list", code=None).returncode == 0, 20, "the broker")
    assert not farm.jobs()


def test_a_crash_of_blender_at_one_frame_fails_that_frame_only(farm, scene):
    """A trusted script that kills its Blender at frame 2, each time."""
    file = scene("plain")
    resave(file, "T = bpy.data.texts.new('crash.py'); T.use_module = True; T.write("
                 "'import bpy, os, signal\\n'"
                 "'def crash(scene, *_):\\n'"
                 "'    if scene.frame_current == 2:\\n'"
                 "'        os.kill(os.getpid(), signal.SIGSEGV)\\n'"
                 "'bpy.app.handlers.render_pre.append(crash)\\n')")
    done = farm.dblend("render", "--devices", two_workers(), "--trust-scripts", "-f", "1-4", file,
                       code=1, timeout=240)
    assert "frame 2" in said(done)
    assert files_under(farm.work / "frames") == {"0001.png", "0003.png", "0004.png"}
