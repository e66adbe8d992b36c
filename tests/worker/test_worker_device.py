"""What the worker tells its Blender of the device, and what it does with the answer."""

import json
import os

HIDDEN = {"CUDA_VISIBLE_DEVICES": "", "ROCR_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "-1",
          "ONEAPI_DEVICE_SELECTOR": "!level_zero:*", "LIBGL_ALWAYS_SOFTWARE": "1"}


def test_a_cpu_worker_shows_its_blender_no_card(broker, start_stand_in, faults):
    start_stand_in(CUDA_VISIBLE_DEVICES="0,1")
    broker.until(lambda: faults.starts())
    assert faults.starts()[0]["env"] == HIDDEN


def test_so_does_an_inspector(broker, start_stand_in, faults, job):
    start_stand_in("--device", "none")
    broker.until(lambda: broker.ready)
    (faults.path / "found.json").write_text(json.dumps(job["found"]))
    broker.give("inspect", about=job)
    broker.until(lambda: faults.starts())
    assert faults.starts()[0]["env"] == HIDDEN


def test_blender_is_nicer_than_its_worker(broker, start_stand_in, faults):
    worker = start_stand_in()
    broker.until(lambda: faults.starts())
    ours = os.getpriority(os.PRIO_PROCESS, worker.process.pid)
    assert faults.starts()[0]["nice"] == min(ours + 10, 19)


def test_open_says_what_to_render_on(broker, start_stand_in, faults, job):
    broker.job = job
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    opened, = [command for command in faults.commands() if command["do"] == "open"]
    assert opened["device"] == {"kind": "cpu", "types": [], "pci": [], "cpu": False,
                                "allow_cpu": False}
    assert broker.of(claims[0]) == ["started", "finished"]


def test_an_inspection_is_told_no_device(broker, start_stand_in, faults, job):
    (faults.path / "found.json").write_text(json.dumps(job["found"]))
    start_stand_in()
    claim = broker.give("inspect", about=job)
    broker.until(lambda: broker.ended(claim))
    assert "device" not in faults.commands()[0]


def test_a_blender_that_would_use_a_card_renders_nothing(broker, start_stand_in, faults, job, out):
    (faults.path / "used").write_text(json.dumps(
        {"cycles": True, "type": "CUDA", "warnings": [],
         "used": [{"id": "CUDA_Card_0000:65:00", "type": "CUDA", "pci": "0000:65:00"}]}))
    broker.job = job
    worker = start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    error = broker.report(claims[0], "error")
    assert error["code"] == "device-mismatch" and not error["fatal"]
    assert "CUDA_Card_0000:65:00" in error["text"] and "this worker is cpu" in error["text"]
    assert "CUDA_Card_0000:65:00" in worker.told()
    assert [command["do"] for command in faults.commands()] == ["open"]
    assert not out.exists() or list(out.iterdir()) == []
    broker.until(lambda: len(faults.starts()) == 2, why="a new Blender: its preferences are wrong")


def test_an_older_autorender_renders_nothing(broker, start_stand_in, faults, job):
    (faults.path / "used").write_text("null")
    broker.job = job
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    assert broker.report(claims[0], "error")["code"] == "device-mismatch"
