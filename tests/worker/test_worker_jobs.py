"""Jobs: which file is opened, which Blender opens it, what an inspection says, what a sweep removes."""

import json
import os
import stat
import subprocess

import pytest

from workertools import STAND_IN, describe, make_found, temporary


def opened(faults):
    return [command["job"]["use"] for command in faults.commands() if command["do"] == "open"]


def make_kept(scene, job):
    """The kept file as a submitter makes it: a hard link."""
    kept = scene.parent / f".{scene.stem}.0123456789abcdef.{job['hash']}.blend"
    os.link(scene, kept)
    return {**job, "kept": str(kept)}


def save_again(scene, data=b"BLENDER-v304 other bytes"):
    """As Blender saves: a new file takes the name."""
    fresh = scene.parent / "fresh"
    fresh.write_bytes(data)
    os.rename(fresh, scene)


def test_a_file_saved_again_is_rendered_as_it_was_submitted(broker, start_stand_in, faults, job,
                                                            scene):
    broker.job = make_kept(scene, job)
    save_again(scene)
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    assert broker.of(claims[0])[-1] == "finished"
    assert opened(faults) == [broker.job["kept"]]
    assert faults.commands()[0]["job"]["file"] == str(scene)


def test_a_touched_file_is_still_the_same(broker, start_stand_in, faults, job, scene):
    broker.job = job
    os.utime(scene)
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    assert broker.of(claims[0])[-1] == "finished"
    assert opened(faults) == [str(scene)]


def test_without_the_submitted_bytes_the_job_fails_as_changed(broker, start_stand_in, faults, job,
                                                              scene):
    broker.job = make_kept(scene, job)
    scene.write_bytes(b"written in place")  # changes the link as well
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    error = broker.report(claims[0], "error")
    assert error["code"] == "file-changed" and error["fatal"]
    assert str(scene) in error["text"] and "--accept-change" in error["hint"]
    assert not faults.commands()


def test_a_missing_file_is_said(broker, start_stand_in, job, scene):
    broker.job = job
    scene.unlink()
    start_stand_in("--device", "none")
    claim = broker.give("inspect", about=job)
    broker.until(lambda: broker.ended(claim))
    error = broker.report(claim, "error")
    assert error["code"] == "file-missing" and error["fatal"] and str(scene) in error["text"]


def wrapper(home, version, stand_in=STAND_IN):
    """A Blender of another version."""
    path = home / f"blender-{version}"
    path.write_text(f"#!/bin/sh\nSTAND_IN_VERSION={version} exec '{stand_in}' \"$@\"\n")
    path.chmod(0o755)
    return str(path)


def several(home, *versions):
    return [word for version in versions for word in ("--blender", wrapper(home, version))]


def test_a_job_takes_the_blender_of_its_own_series(broker, start, home, faults, job):
    broker.job = {**job, "found": {**job["found"], "file_version": 304}}
    start("--device", "cpu:0", *several(home, "4.2.0", "3.4.1", "3.6.2"), STAND_IN=str(faults.path))
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    report = broker.report(claims[0], "finished")
    assert report["digest"].endswith(":3.4")
    assert broker.report(claims[0], "started")["blender"] == "3.4.1"
    assert [b["version"] for b in broker.ready[0]["blenders"]] == ["4.2.0", "3.6.2", "3.4.1"]
    assert len(faults.starts()) == 2, "the newest was warm"


def test_a_bound_job_takes_the_blender_it_is_bound_to(broker, start, home, faults, job):
    broker.job = {**job, "blender": "3.6"}
    start("--device", "cpu:0", *several(home, "4.2.0", "3.4.1", "3.6.2"), STAND_IN=str(faults.path))
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    assert broker.report(claims[0], "started")["blender"] == "3.6.2"


def test_a_newer_blender_is_a_warning_of_the_inspection(broker, start, home, faults, scene, out):
    (faults.path / "found.json").write_text(json.dumps(make_found(out)))
    start("--device", "none", *several(home, "4.2.0", "3.6.2"), STAND_IN=str(faults.path))
    claim = broker.give("inspect", about=describe(scene))
    broker.until(lambda: broker.ended(claim))
    report = broker.report(claim, "inspected")
    assert len(report["warnings"]) == 1 and "3.6.2 is used" in report["warnings"][0]["text"]


def test_a_job_that_must_denoise_names_the_way_out(broker, start_stand_in, job):
    broker.job = {**job, "found": {**job["found"], "denoise": True}}
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    error = broker.report(claims[0], "error")
    assert error["code"] == "denoiser-missing" and "--no-denoise" in error["hint"]


def test_old_pictures_are_one_question(broker, start_stand_in, faults, scene, out):
    """Older than the .blend, of no digest of ours: whose are they?"""
    (faults.path / "found.json").write_text(json.dumps(make_found(out)))
    broker.job = describe(scene, found=make_found(out))
    start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: broker.all_ended(claims))
    for path in out.glob("*.png"):
        os.utime(path, ns=(10**17, 10**17))
    answers = {}
    for options in ({}, {"keep": True}, {"overwrite": True}, {"frames": [7, 9, 1]}):
        claim = broker.give("inspect", about=describe(scene, options=options))
        broker.until(lambda: broker.ended(claim))
        answers[json.dumps(options)] = broker.report(claim, "inspected")["questions"]
    questions = answers.pop("{}")
    assert [question["code"] for question in questions] == ["pictures"]
    assert questions[0]["text"].startswith("2 pictures") and "frame_0001" in questions[0]["text"]
    assert all(other == [] for other in answers.values())


def test_a_sweep_removes_the_kept_file_and_nothing_else(broker, start_stand_in, job, scene, out):
    about = make_kept(scene, {**job, "found": make_found(out)})
    out.mkdir()
    (out / "frame_0001.png").write_bytes(b"a picture")
    start_stand_in("--device", "none")
    claim = broker.give("sweep", about=about, live=[], look=[], ends=False)
    broker.until(lambda: broker.ended(claim))
    assert os.path.exists(about["kept"])  # the job goes on
    claim = broker.give("sweep", about=about, live=[], look=[], ends=True)
    broker.until(lambda: broker.ended(claim))
    assert broker.of(claim) == ["swept"]
    assert not os.path.exists(about["kept"]) and scene.exists()
    assert (out / "frame_0001.png").read_bytes() == b"a picture"


def test_a_look_tells_which_pictures_are_wrong(broker, start_stand_in, job, out):
    """Those of the stand-in's own making: proven, then one cut, one touched, one removed."""
    broker.job = job
    start_stand_in()
    claims = broker.frames(1, 2, 3)
    broker.until(lambda: broker.all_ended(claims))
    files = [broker.report(claim, "finished")["files"] for claim in claims]
    os.truncate(files[0][0]["path"], 20)
    os.utime(files[1][0]["path"], (1, 1))
    os.unlink(files[2][0]["path"])
    look = [{"frame": number, "files": one} for number, one in enumerate(files, 1)]
    claim = broker.give("sweep", about=job, live=[], look=look, ends=False)
    broker.until(lambda: broker.ended(claim))
    report = broker.report(claim, "swept")
    assert [(one["frame"], one["code"]) for one in report["wrong"]] == [(1, "broken"), (3, "gone")]
    assert report["last"] == 3


def test_an_inspector_takes_no_frames(broker, start_stand_in):
    start_stand_in("--device", "none")
    broker.until(lambda: broker.syncs)
    ready = broker.ready[0]
    assert (ready["device"], ready["device_kind"]) == ("none", "none")
    assert ready["kinds"] == ["inspect", "sweep"]
    assert broker.last["want"] == 1


def test_a_real_inspection_of_a_file_without_camera(broker, start, made_scene, home):
    path = home / "dark.blend"
    subprocess.run(["blender", "--background", str(made_scene), "--python-expr",
                    "import bpy; bpy.data.objects.remove(bpy.data.objects['Camera']);"
                    f"bpy.ops.wm.save_as_mainfile(filepath={str(path)!r})"],
                   check=True, capture_output=True)
    start("--device", "none")
    claim = broker.give("inspect", about=describe(path))
    broker.until(lambda: broker.ended(claim))
    error = broker.report(claim, "error")
    assert error["code"] == "no-camera" and error["fatal"]


def test_progress_and_memory_are_told_while_a_frame_renders(broker, start_stand_in, faults, job):
    broker.job = job
    faults("slow-1")
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.last.get("progress", {}).get("text") == "sample 1/4")
    assert broker.last["progress"] == {"claim": claims[0], "text": "sample 1/4", "done": 1,
                                       "total": 4}
    assert broker.last["telemetry"]["blender_rss_bytes"] > 1_000_000
    assert broker.last["state"] == "rendering"
    faults("go-1")
    broker.until(lambda: broker.all_ended(claims))


@pytest.mark.parametrize("device, cpus", [("cpu:1", [1]), ("cpu:0-1", [0, 1])])
def test_blender_is_pinned_and_told_its_threads(broker, start_stand_in, faults, device, cpus):
    start_stand_in("--device", device)
    broker.until(lambda: faults.starts())
    begun = faults.starts()[0]
    assert begun["cpus"] == cpus and begun["omp"] == str(len(cpus))
    assert begun["argv"][begun["argv"].index("-t") + 1] == str(len(cpus))
    assert "--disable-autoexec" in begun["argv"]


def test_the_same_device_twice_is_refused_with_its_holder(broker, start_stand_in):
    first = start_stand_in()
    broker.until(lambda: first.lines)
    second = start_stand_in()
    broker.until(second.ended)
    assert second.process.returncode == 4
    assert f"pid {first.process.pid}" in second.told() and "cpu:0" in second.told()
    first.stop()
    third = start_stand_in()
    broker.until(lambda: third.lines, why="kill -9 frees the device")


def test_overlapping_cores_are_a_warning(broker, start_stand_in):
    first = start_stand_in("--device", "cpu:0-1")
    broker.until(lambda: first.lines)
    second = start_stand_in("--device", "cpu:1")
    broker.until(lambda: second.lines)
    assert "are used by other workers too" in second.told()
    assert str(first.process.pid) in second.told()


@pytest.mark.parametrize("arguments, status, text", [
    (("--device", "cpu/2"), 2, "cpu/2"),
    (("--device", "gpu:77"), 5, "GPU"),
    (("--device", "cpu:4000"), 2, "cpu:4000"),
    (("--blender", "/nonexistent/blender"), 1, "/nonexistent/blender"),
    (("--recycle", "x"), 2, "number"),
    (("surplus",), 2, "surplus"),
])
def test_wrong_arguments_end_it_with_a_reason(start, broker, arguments, status, text):
    worker = start(*arguments)
    broker.until(worker.ended, timeout=20)
    assert worker.process.returncode == status
    assert text in worker.told()


def test_devices_are_listed(lines_of):
    status, lines, _ = lines_of("--list", "devices", "cpu/2")
    assert status == 0
    assert [line["device"] for line in lines] == ["cpu:0", "cpu:1"]
    assert lines[0]["kind"] == "cpu" and lines[0]["cpus"] == [0]
    status, lines, error = lines_of("--list", "devices", "cpu/4000")
    assert status == 2 and lines == [] and "only" in error


def test_blenders_are_listed_and_remembered(home, faults, lines_of):
    path = wrapper(home, "3.6.2")
    for _ in range(2):
        status, lines, _ = lines_of("--list", "blenders", "--blender", path)
        assert status == 0
        assert lines == [{"version": "3.6.2", "path": path, "denoiser": False}]
    cache = json.loads((home / "home" / "blenders.json").read_text())
    assert cache[path]["version"] == "3.6.2"
    os.chmod(path, stat.S_IRWXU)
    with open(path, "a", encoding="utf-8") as file:
        file.write("\n# another one now\n")
    cache[path]["version"] = "9.9.9"
    (home / "home" / "blenders.json").write_text(json.dumps(cache))
    assert lines_of("--list", "blenders", "--blender", path)[1][0]["version"] == "3.6.2"
    cache = json.loads((home / "home" / "blenders.json").read_text())
    cache[path]["version"] = "9.9.9"
    (home / "home" / "blenders.json").write_text(json.dumps(cache))
    os.utime(path)  # of the same size, of another time
    assert lines_of("--list", "blenders", "--blender", path)[1][0]["version"] == "3.6.2"


def test_an_interpreter_without_openimageio_is_passed_over(broker, start_stand_in, home, job):
    fake = home / "python3"
    fake.write_text("#!/bin/sh\nexit 3\n")
    fake.chmod(0o755)
    broker.job = job
    worker = start_stand_in(DBLEND_PYTHON=str(fake))
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    assert broker.of(claims[0])[-1] == "finished"
    assert "pass over interpreter" in worker.told()


def test_a_worker_leaves_no_temporary_files(broker, start_stand_in, job, out):
    broker.job = job
    worker = start_stand_in()
    claims = broker.frames(1, 2, 3)
    broker.until(lambda: broker.all_ended(claims))
    worker.term()
    broker.until(worker.ended)
    assert temporary(out) == [] and len(list(out.iterdir())) == 3
